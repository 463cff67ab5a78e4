/**
 * The driver's client, on which nothing that a server sends ends the process. The driver reads in its socket's handler: what it throws there (a
 * text longer than a string can be) nobody could catch. Here it is the error of the connection, and of whatever was asked on it.
 */
import type { Duplex } from 'node:stream';
import { Client, type ClientConfig } from 'pg';
import { MessageBound } from './message-bound.js';
import { UnreadableValue } from './store-error.js';

/** For pools, which make their clients themselves: `new Pool({ Client: GuardedClient })`. Over TLS only, as all of ours. */
export class GuardedClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    // Comes when the driver listens to the secured socket, before a first byte.
    this.connection.once('sslconnect', () => guard(this.connection.stream));
  }
}

function guard(socket: Duplex): void {
  const bound = new MessageBound();
  const [parse] = socket.listeners('data') as ((chunk: Buffer) => void)[];
  const guarded = (chunk: Buffer): void => {
    try {
      bound.pass(chunk);
      parse!(chunk);
    } catch (error) {
      // What the driver has gathered by now is half a message: nothing is read after it.
      socket.off('data', guarded);
      socket.destroy(unreadable(error));
    }
  };
  // One listener takes the place of the other: a COPY takes the only one off, and puts it back.
  socket.on('data', guarded).off('data', parse!);
}

function unreadable(error: unknown): UnreadableValue {
  if (error instanceof UnreadableValue) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new UnreadableValue('store.unexpected-value', `the driver cannot read what Postgres sent: ${said}`, {
    cause: error,
  });
}
