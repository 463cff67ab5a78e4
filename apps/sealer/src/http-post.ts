/** One POST to a server that is not ours: no redirects, a bounded answer within a bounded time. */
import * as http from 'node:http';
import * as https from 'node:https';
import { inTime, OutOfTime } from '@everseal/process';
import { answerTo, LongAnswer } from './untrusted-answer.js';

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
export async function httpPost(post: HttpPost): Promise<Buffer> {
  const { url, body, contentType, timeoutMs, mostBytes, ca } = post;
  const asked = inTime(timeoutMs, post.signal, (signal) => {
    const options = {
      method: 'POST',
      headers: { 'content-type': contentType, 'content-length': body.length },
      signal,
      // One request an hour: a connection that is kept open would be dead by then.
      agent: false as const,
    };
    const request = url.protocol === 'https:' ? https.request(url, { ...options, ca }) : http.request(url, options);
    return answerTo(request, body, mostBytes);
  });
  const answer = await asked.catch((cause: unknown) => {
    throw new Error(reasonOf(post, cause));
  });
  if (answer.status !== 200) throw new Error(`${url.host} answered with HTTP status ${answer.status}`);
  return answer.body;
}

function reasonOf({ url, timeoutMs }: HttpPost, cause: unknown): string {
  if (cause instanceof OutOfTime) return `${url.host} did not answer within ${timeoutMs} ms`;
  if (cause instanceof LongAnswer) return `${url.host} answered with more than ${cause.mostBytes} bytes`;
  return `${url.host} cannot be asked: ${cause instanceof Error ? cause.message : String(cause)}`;
}
