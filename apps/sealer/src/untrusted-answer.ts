/**
 * What a server that is not ours answers: the whole answer within a bound on its bytes, or an error, whatever the server does. A bound on
 * the time is the caller's (`inTime`).
 *
 * Node says neither 'response' nor 'error' of a request that is answered with 101 Switching Protocols.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';

export interface UntrustedAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** An answer beyond its bound. */
export class LongAnswer extends Error {
  constructor(readonly mostBytes: number) {
    super(`the answer is longer than ${mostBytes} bytes`);
  }
}

/** Sends the request with this body. @throws LongAnswer; Error for every end that is no answer */
export async function answerTo(request: ClientRequest, sent: Uint8Array, mostBytes: number): Promise<UntrustedAnswer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('upgrade', (_, socket) => {
      socket.destroy();
      reject(new Error('it answered with HTTP status 101'));
    });
    request.on('error', reject);
    // Of every request, at its end: what nothing else was said of by then has no answer.
    request.once('close', () => reject(new Error('it closed the connection without an answer')));
    request.end(sent);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of upTo(response, mostBytes)) chunks.push(chunk);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

/** The chunks of a body, as long as it is not longer; one that is, is not read on. @throws LongAnswer */
export async function* upTo(body: AsyncIterable<unknown>, mostBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > mostBytes) throw new LongAnswer(mostBytes);
    yield chunk;
  }
}
