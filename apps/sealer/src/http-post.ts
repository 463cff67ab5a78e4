/** One POST to a server that is not ours: no redirects, a bounded answer within a bounded time. */
import * as http from 'node:http';
import * as https from 'node:https';

export interface HttpPost {
  readonly url: URL;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Until the whole answer must be there, milliseconds. */
  readonly timeoutMs: number;
  readonly mostBytes: number;
  /** Roots of an https server, PEM; without, those of Node. */
  readonly ca?: Buffer | undefined;
  readonly signal: AbortSignal;
}

/** @returns the body of a 200 answer @throws Error for every other end, the time-out included */
export function httpPost(post: HttpPost): Promise<Buffer> {
  const { url, body, contentType, timeoutMs, ca, signal } = post;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      headers: { 'content-type': contentType, 'content-length': body.length },
      signal: bounded,
      // One request an hour: a connection that is kept open would be dead by then.
      agent: false as const,
    };
    const fail = (cause: unknown): void =>
      reject(new Error(bounded.aborted ? `${url.host} did not answer within ${timeoutMs} ms` : reasonOf(url, cause)));
    const request = url.protocol === 'https:' ? https.request(url, { ...options, ca }) : http.request(url, options);
    request.on('error', fail);
    request.on('response', (response) => {
      response.on('error', fail);
      void take(response, post).then(resolve, (error: unknown) => {
        request.destroy();
        if (bounded.aborted) fail(error);
        else reject(error);
      });
    });
    request.end(body);
  });
}

async function take(response: http.IncomingMessage, { url, mostBytes }: HttpPost): Promise<Buffer> {
  if (response.statusCode !== 200) throw new Error(`${url.host} answered with HTTP status ${response.statusCode}`);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > mostBytes) throw new Error(`${url.host} answered with more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function reasonOf(url: URL, cause: unknown): string {
  return `${url.host} cannot be asked: ${cause instanceof Error ? cause.message : String(cause)}`;
}
