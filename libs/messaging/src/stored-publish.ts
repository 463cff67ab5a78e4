/**
 * Publishing a message that a stream is to keep. The answer, a PubAck, decides between three outcomes:
 *
 *   stored    the stream named in the answer is the one meant, and it gives the sequence
 *   rejected  the server said no (or, by the odd accident of docs/decisions/0137, said it to somebody else), or the client
 *             library did before it sent anything: the message is larger than the server takes
 *   unknown   no answer, no connection, or an answer that proves nothing: it may be stored, or be stored later
 *
 * Unknown is neither success nor failure. On a full disk the server does not answer at all; after a broken connection
 * the message may still be on its way. Whoever gets it looks at the stream before doing anything else.
 *
 * A PubAck names no message, so it may be another one's of the same stream; it is not signed, and any subscriber of the
 * subject could answer. So the stream's name is checked, `duplicate` is never expected (no message id is sent), and the
 * content is proven by hashes elsewhere.
 *
 * Source: JetStream `io.nats.jetstream.api.v1.pub_ack_response`; header Nats-Expected-Stream.
 */
import { errors, headers as newHeaders } from '@nats-io/transport-node';
import type { NatsLink } from './connect.js';
import { isCount, isObject, parseJsonObject } from './json-answer.js';
import { MessagingError } from './messaging-error.js';

export type StoreOutcome =
  | { outcome: 'stored'; sequence: number }
  /** @param errCode JetStream's err_code; null when the server refused before JetStream saw it */
  | { outcome: 'rejected'; errCode: number | null; description: string }
  | { outcome: 'unknown'; reason: string };

export interface StoredPublishOptions {
  /** Name of the stream that must keep it. */
  stream: string;
  /** Milliseconds to wait for the PubAck. */
  timeoutMs: number;
  /** Further headers. */
  headers?: Readonly<Record<string, string>>;
}

/** The last sequence on the subject is another than the publisher said. */
export const WRONG_LAST_SEQUENCE = 10_071;

/** Publishes once and never retries. Never throws for anything that happens on the way. */
export async function publishStored(
  link: NatsLink,
  subject: string,
  data: Uint8Array,
  { stream, timeoutMs, headers = {} }: StoredPublishOptions,
): Promise<StoreOutcome> {
  const all = newHeaders();
  all.set('Nats-Expected-Stream', stream);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  try {
    const answer = await link.inbox.ask(subject, data, { timeoutMs, headers: all });
    return readPubAck(answer.data, stream);
  } catch (error) {
    if (error instanceof MessagingError) return outcomeOf(error);
    if (isRefusedHere(error)) return { outcome: 'rejected', errCode: null, description: error.message };
    throw error;
  }
}

/**
 * As publishStored, for what need not tell the outcomes apart: announcements, alerts.
 * @returns the sequence
 * @throws MessagingError publish.rejected, publish.unknown; both are tried again by repeating the same message
 */
export async function publishDurable(
  link: NatsLink,
  subject: string,
  data: Uint8Array,
  options: StoredPublishOptions,
): Promise<number> {
  const result = await publishStored(link, subject, data, options);
  switch (result.outcome) {
    case 'stored':
      return result.sequence;
    case 'rejected':
      throw new MessagingError('publish.rejected', `${subject} was not stored: ${result.description}`, {
        detail: result.errCode ?? undefined,
      });
    case 'unknown':
      throw new MessagingError('publish.unknown', `${subject} may not have been stored: ${result.reason}`);
  }
}

/** The client library will not send it to this server: it went nowhere. */
function isRefusedHere(error: unknown): error is Error {
  return error instanceof errors.InvalidArgumentError || error instanceof errors.InvalidSubjectError;
}

function outcomeOf(error: MessagingError): StoreOutcome {
  switch (error.code) {
    case 'nats.forbidden':
    case 'nats.no-responders':
      // Said by the server about this very message: it went nowhere.
      return { outcome: 'rejected', errCode: null, description: error.message };
    default:
      return { outcome: 'unknown', reason: error.message };
  }
}

function readPubAck(bytes: Uint8Array, stream: string): StoreOutcome {
  const answer = parseJsonObject(bytes, 'PubAck');
  const error = answer['error'];
  if (isObject(error)) {
    const errCode = isCount(error['err_code']) ? error['err_code'] : null;
    return { outcome: 'rejected', errCode, description: String(error['description']) };
  }
  const { stream: name, seq, duplicate } = answer;
  if (name !== stream) return { outcome: 'unknown', reason: `PubAck of stream ${String(name)}, not ${stream}` };
  if (!isCount(seq) || seq === 0) return { outcome: 'unknown', reason: `PubAck with sequence ${String(seq)}` };
  if (duplicate === true) return { outcome: 'unknown', reason: 'PubAck of a duplicate, though no message id was sent' };
  return { outcome: 'stored', sequence: seq };
}
