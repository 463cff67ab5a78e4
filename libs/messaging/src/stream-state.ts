/**
 * The STREAM.INFO answer: what a stream is (config, when it was created, its epoch) and what it holds. The sealer decides
 * by it whether the stream is still the one its cursor belongs to; a sequence number alone says nothing, since a stream
 * that was deleted, restored or cut short hands the same numbers out again.
 *
 * Source: JetStream API `$JS.API.STREAM.INFO.<stream>`, schema io.nats.jetstream.api.v1.stream_info_response.
 */
import { countAt, isCount, isObject, objectAt, parseJsonObject, textAt } from './json-answer.js';
import type { JsonObject } from './json-answer.js';
import { MessagingError } from './messaging-error.js';

export interface StreamState {
  name: string;
  /** When this very stream was created, as the server writes it; compared as text. */
  created: string;
  /** `metadata.epoch`, which provisioning set once; '' when it has none. */
  epoch: string;
  /** The stream's config as the server holds it. */
  config: JsonObject;
  messages: number;
  bytes: number;
  /** Sequence of the oldest message still there; 0 in a stream that never held one, lastSequence + 1 in an emptied one. */
  firstSequence: number;
  /** Sequence of the newest message ever stored; 0 before the first. */
  lastSequence: number;
  /** Messages missing between the two. */
  deleted: number;
  /** Messages that the server found lost in its own files. */
  lost: number;
  /** The server's clock at the answer, RFC 3339 with three decimals; null when it does not say (before nats-server 2.10). */
  answered: string | null;
}

const STREAM_NOT_FOUND = 10_059;

/**
 * @param bytes the answer
 * @param stream the name that was asked for
 * @throws MessagingError stream.not-found, stream.api, answer.malformed, answer.astray (it is of another stream)
 */
export function parseStreamState(bytes: Uint8Array, stream: string): StreamState {
  const what = `STREAM.INFO of ${stream}`;
  const answer = parseJsonObject(bytes, what);
  if (isObject(answer['error'])) throw apiError(answer['error'], stream);
  const config = objectAt(answer, 'config', what);
  const state = objectAt(answer, 'state', what);
  const name = textAt(config, 'name', what);
  if (name !== stream)
    throw new MessagingError('answer.astray', `asked for the state of ${stream}, got that of ${name}`);
  const metadata = config['metadata'];
  const epoch = isObject(metadata) ? metadata['epoch'] : undefined;
  const lost = state['lost'];
  return {
    name,
    created: textAt(answer, 'created', what),
    epoch: typeof epoch === 'string' ? epoch : '',
    config,
    messages: countAt(state, 'messages', what),
    bytes: countAt(state, 'bytes', what),
    firstSequence: countAt(state, 'first_seq', what),
    lastSequence: countAt(state, 'last_seq', what),
    deleted: isCount(state['num_deleted']) ? state['num_deleted'] : 0,
    lost: isObject(lost) && Array.isArray(lost['msgs']) ? lost['msgs'].length : 0,
    answered: timeOf(answer['ts']),
  };
}

/** The server writes nanoseconds, with the zeros at the end left out. */
function timeOf(value: unknown): string | null {
  const parts = typeof value === 'string' ? /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z$/.exec(value) : null;
  return parts && `${parts[1]}.${(parts[2] ?? '').slice(0, 3).padEnd(3, '0')}Z`;
}

function apiError(error: JsonObject, stream: string): MessagingError {
  const detail = isCount(error['err_code']) ? error['err_code'] : undefined;
  if (detail === STREAM_NOT_FOUND) {
    return new MessagingError('stream.not-found', `there is no stream ${stream}: provision it from the policy`, {
      detail,
    });
  }
  return new MessagingError('stream.api', `JetStream on ${stream}: ${String(error['description'])}`, { detail });
}
