/**
 * Asks another service and reads its answer; the other side of responder.ts. And submits events to ingest, which answers by
 * itself.
 *
 * A broker may deliver an answer to somebody else's request (docs/decisions/0137). So every request names itself in a header,
 * and an answer has to repeat the name. Answers of ingest do without: a receipt proves the events, a refusal names the bytes.
 */
import { randomBytes } from 'node:crypto';
import { headers as newHeaders } from '@nats-io/transport-node';
import type { MsgHdrs } from '@nats-io/transport-node';
import type { NatsLink } from './connect.js';
import { HeaderBlock } from './header-block.js';
import { isObject } from './json-answer.js';
import { MessagingError, ServiceError } from './messaging-error.js';

/** The header that names a request, and is repeated in its answer. */
export const REQUEST_NAME = 'Everseal-Request';

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
 * @throws MessagingError nats.disconnected, nats.timeout, nats.no-responders, nats.forbidden, answer.astray: it may have been carried out
 * @throws ServiceError what the other side answered instead
 */
export async function request(
  link: NatsLink,
  subject: string,
  data: Uint8Array | string,
  { timeoutMs, headers = {} }: RequestOptions,
): Promise<ServiceAnswer> {
  const name = randomBytes(16).toString('hex');
  const all = headersOf({ ...headers, [REQUEST_NAME]: name });
  const message = await link.inbox.ask(subject, data, { timeoutMs, headers: all });
  const answered = HeaderBlock.of(message);
  if (answered?.get(REQUEST_NAME) !== name) {
    throw new MessagingError('answer.astray', `the broker brought somebody else's answer to ${subject}`);
  }
  const answer = bytesOf(message.data);
  const code = answered.get('Nats-Service-Error-Code');
  if (code !== undefined) {
    throw new ServiceError(code, answered.get('Nats-Service-Error') ?? 'no reason given', isRetryable(answer));
  }
  return { data: answer, header: (key) => answered.get(key) };
}

/**
 * Sends a submit request. The answer may be to somebody else's: `parseAnswer` and `verifyReceipt` tell.
 * @returns a view of the read buffer
 * @throws MessagingError nats.disconnected, nats.timeout, nats.no-responders, nats.forbidden
 */
export async function submit(
  link: NatsLink,
  subject: string,
  body: Uint8Array,
  { timeoutMs, headers = {} }: RequestOptions,
): Promise<Buffer> {
  const all = Object.keys(headers).length > 0 ? { headers: headersOf(headers) } : {};
  const { data } = await link.inbox.ask(subject, body, { timeoutMs, ...all });
  return bytesOf(data);
}

function headersOf(values: Readonly<Record<string, string>>): MsgHdrs {
  const all = newHeaders();
  for (const [name, value] of Object.entries(values)) all.set(name, value);
  return all;
}

function bytesOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.length);
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
