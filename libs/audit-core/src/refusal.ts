/**
 * The answer to a submit request: a receipt, or a refusal (formats.md, "Receipt and refusal").
 *
 *     {"error":{"code":"event.invalid","message":"…","position":3,"retryable":false,"retryAfterMs":null,"request":"<base64>"}}
 *
 * The codes are a closed set and say what the sender has to do; the message is for people. A request is refused as a
 * whole, `position` names the first bad event in it, from 0. Only `unavailable` can be retried, and it does not say
 * that the events are not in the log: send the same ids and bytes again until a receipt comes.
 *
 * A broker may deliver an answer to somebody else's question (docs/decisions/0137). A receipt proves whose it is; a
 * refusal that ends the matter says it with `request`, the SHA-256 of the refused request's body.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { equalHash, HASH_BYTES, sha256 } from './hash.js';
import { MAX_REQUEST_EVENTS } from './limits.js';
import { MessageReader } from './message-json.js';
import { MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from './receipt.js';

/** Every refusal code, with HTTP's word for it and whether the same request may succeed later. */
export const REFUSALS = {
  'request.too-large': { httpStatus: 413, retryable: false },
  'request.malformed': { httpStatus: 400, retryable: false },
  'event.invalid': { httpStatus: 422, retryable: false },
  'event.forbidden': { httpStatus: 403, retryable: false },
  'event.conflict': { httpStatus: 409, retryable: false },
  unavailable: { httpStatus: 503, retryable: true },
} as const satisfies Record<string, { httpStatus: number; retryable: boolean }>;

export type RefusalCode = keyof typeof REFUSALS;

export type Refusal = {
  readonly code: RefusalCode;
  /** What is wrong, where, and what to do; for people. */
  readonly message: string;
  /** Which event of the request, from 0; null when it is about the request as a whole. */
  readonly position: number | null;
  /** When to try again, in milliseconds; only with a code that is retryable. */
  readonly retryAfterMs: number | null;
};

export type Answer = { readonly receipt: Receipt } | { readonly refusal: Refusal };

/** The HTTP status that says the same. */
export function httpStatusOf(code: RefusalCode): number {
  return REFUSALS[code].httpStatus;
}

export function isRetryable(code: RefusalCode): boolean {
  return REFUSALS[code].retryable;
}

/**
 * The bytes of a refusal.
 * @param body of the request that is refused; null only with a code that is retryable
 * @throws RangeError (a bug of the caller)
 */
export function formatRefusal(refusal: Refusal, body: Uint8Array | null): Buffer {
  const { code, message, position, retryAfterMs } = refusal;
  const retryable = isRetryable(code);
  if (!retryable && body === null) throw new RangeError(`${code} says which request it refuses`);
  const request = retryable || body === null ? null : encodeBase64(sha256(body));
  return Buffer.from(JSON.stringify({ error: { code, message, position, retryable, retryAfterMs, request } }));
}

/**
 * Reads an answer. An answer that does not parse is no answer: its sender has to treat the outcome as unknown and send
 * the request again. A receipt is not verified here.
 * @param body of the request that was sent
 * @throws FormatError `answer.size`, `answer.json`, `answer.error` (not an object, or beside a receipt),
 * `answer.error-code`, `answer.error-message`, `answer.error-position`, `answer.error-retryable`,
 * `answer.error-retryAfterMs`, `answer.error-request` (another request was refused), or `receipt.*` as `parseReceipt`
 */
export function parseAnswer(bytes: Uint8Array, body: Uint8Array): Answer {
  const answer = MessageReader.parse('answer', bytes, MAX_RECEIPT_BYTES);
  if (!answer.has('error')) return { receipt: parseReceipt(bytes) };
  if (answer.has('frame')) answer.fail('error', 'stands beside a receipt; one of them is false');
  const error = answer.object('error');
  const code = error.text('code');
  if (!isRefusalCode(code)) return error.fail('code', `is none of ${Object.keys(REFUSALS).join(', ')}`);
  const refusal: Refusal = {
    code,
    message: error.text('message'),
    position: error.countOrNull('position'),
    retryAfterMs: error.countOrNull('retryAfterMs'),
  };
  if (refusal.position !== null && refusal.position >= MAX_REQUEST_EVENTS) {
    error.fail('position', `is not one of a request, which has at most ${MAX_REQUEST_EVENTS} events`);
  }
  if (error.flag('retryable') !== isRetryable(code)) error.fail('retryable', `is not what ${code} means`);
  if (refusal.retryAfterMs !== null && !isRetryable(code)) error.fail('retryAfterMs', `is given with ${code}`);
  const request = error.textOrNull('request');
  if ((request === null) !== isRetryable(code)) {
    error.fail('request', `is ${request === null ? 'missing' : 'given'} with ${code}`);
  }
  if (request !== null) {
    const refused = error.check('request', () => decodeBase64(request, HASH_BYTES));
    if (!equalHash(refused, sha256(body))) error.fail('request', 'is not the one that was sent');
  }
  return { refusal };
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(REFUSALS, code);
}
