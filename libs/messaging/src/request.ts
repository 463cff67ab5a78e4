/**
 * Asks another service and reads its answer; the other side of responder.ts.
 */
import { headers as newHeaders } from '@nats-io/transport-node';
import type { MsgHdrs } from '@nats-io/transport-node';
import type { NatsLink } from './connect.js';
import { isObject } from './json-answer.js';
import { ServiceError } from './messaging-error.js';

export interface RequestOptions {
  /** Milliseconds to wait for the answer. */
  timeoutMs: number;
  headers?: Readonly<Record<string, string>>;
}

export interface ServiceAnswer {
  /** A view of the read buffer. */
  data: Buffer;
  /** The first value of a header; undefined when there is none. */
  header(name: string): string | undefined;
}

/**
 * @throws MessagingError nats.disconnected, nats.timeout, nats.no-responders, nats.forbidden: it may have been carried out
 * @throws ServiceError what the other side answered instead
 */
export async function request(
  link: NatsLink,
  subject: string,
  data: Uint8Array | string,
  { timeoutMs, headers = {} }: RequestOptions,
): Promise<ServiceAnswer> {
  const all = newHeaders();
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const message = await link.inbox.ask(subject, data, {
    timeoutMs,
    ...(Object.keys(headers).length > 0 ? { headers: all } : {}),
  });
  const answer = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length);
  const code = headerOf(message.headers, 'Nats-Service-Error-Code');
  if (code !== undefined) throw serviceError(code, answer, message.headers);
  return { data: answer, header: (name) => headerOf(message.headers, name) };
}

function serviceError(code: string, body: Buffer, headers: MsgHdrs | undefined): ServiceError {
  const message = headerOf(headers, 'Nats-Service-Error') ?? 'no reason given';
  return new ServiceError(code, message, isRetryable(body));
}

/** Only a clear `"retryable":true` makes it so. */
function isRetryable(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) && isObject(value['error']) && value['error']['retryable'] === true;
  } catch {
    return false;
  }
}

function headerOf(headers: MsgHdrs | undefined, name: string): string | undefined {
  return headers?.has(name) === true ? headers.get(name) : undefined;
}
