/**
 * Loopback ports. A free port is only known to be free at the moment of the look; to make a collision unlikely it is drawn at random from
 * below the range that kernels hand out for outgoing connections (Linux 32768.., macOS 49152..), and never twice by one process.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { LocalError } from './local-error.js';

const FROM = 15_000;
const TO = 32_000;
const handedOut = new Set<number>();

/** A port that nothing listens on at 127.0.0.1. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FROM, TO);
    if (handedOut.has(port) || !(await isPortFree(port))) continue;
    handedOut.add(port);
    return port;
  }
}

/** Whether a listener could be opened at 127.0.0.1:port right now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Throws LocalError `port-in-use` unless the port is free. `user` says who wants it. */
export async function requireFreePort(port: number, user: string): Promise<void> {
  if (await isPortFree(port)) return;
  throw new LocalError(
    'port-in-use',
    `port ${port} at 127.0.0.1, wanted by ${user}, is in use: stop what listens there, or choose another port`,
  );
}
