/**
 * What an answer to a submit request means. Only a receipt that proves these events, with a key that the ledger names,
 * is an acceptance; an answer that cannot be read is no answer. Pure: the same bytes give the same outcome.
 */
import {
  FormatError,
  parseAnswer,
  verifyReceipt,
  type Frame,
  type Receipt,
  type Refusal,
  type VerifierKey,
} from '@everseal/audit-core';
import type { SubmitRequest } from './submit-request.js';

export type Outcome =
  /** Accepted: the receipt verified. */
  | { readonly kind: 'receipted'; readonly receipt: Receipt; readonly frame: Frame }
  /** Not accepted, and sending the same again cannot help. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly position: number | null }
  /** An answer that claims acceptance and does not prove it. */
  | { readonly kind: 'unverified'; readonly reason: string }
  /** No answer that settles it came in time: the events may be in the log or not. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** To be sent again. */
export interface Later {
  readonly kind: 'later';
  readonly reason: string;
  /** What the answer asked for, milliseconds; null when it did not. */
  readonly afterMs: number | null;
}

/** What a receipt is checked with. */
export interface ReceiptTrust {
  readonly origin: string;
  readonly producer: string;
  readonly ingestKeys: readonly VerifierKey[];
}

export function judgeAnswer(answer: Buffer, request: SubmitRequest, trust: ReceiptTrust): Outcome | Later {
  let parsed: { receipt: Receipt } | { refusal: Refusal };
  try {
    parsed = parseAnswer(answer, request.body);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { kind: 'later', reason: `an answer that cannot be read (${error.message})`, afterMs: null };
  }
  if ('refusal' in parsed) {
    const { code, message, position, retryAfterMs } = parsed.refusal;
    if (code === 'unavailable') return { kind: 'later', reason: `unavailable: ${message}`, afterMs: retryAfterMs };
    return { kind: 'refused', code, message, position };
  }
  try {
    const { origin, producer, ingestKeys } = trust;
    const events = request.events.map(({ bytes }) => bytes);
    const frame = verifyReceipt(parsed.receipt, { origin, producer, events }, ingestKeys);
    return { kind: 'receipted', receipt: parsed.receipt, frame };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { kind: 'unverified', reason: `${error.code}: ${error.message}` };
  }
}
