/**
 * What an answer to a request means. Only a receipt that proves these events, by a trusted key, is an acceptance; an answer
 * that cannot be read, or proves nothing, is none. Pure: the same bytes give the same verdict.
 */
import {
  FormatError,
  parseAnswer,
  singleReceipts,
  verifyReceipt,
  type Answer,
  type Receipt,
  type RefusalCode,
  type Submitted,
  type VerifierKey,
} from '@everseal/audit-core';

export type Verdict =
  /** Accepted and proven: a receipt for each event, in order. */
  | { readonly kind: 'receipted'; readonly receipts: readonly Receipt[] }
  /** Not accepted, and sending the same again cannot help. All or nothing; `position` is the first bad event. */
  | {
      readonly kind: 'refused';
      readonly code: Exclude<RefusalCode, 'unavailable'>;
      readonly message: string;
      readonly position: number | null;
    }
  /** Nothing is known. To be sent again, the same bytes. */
  | { readonly kind: 'unknown'; readonly reason: string; readonly afterMs: number | null }
  /** It claims acceptance and does not prove it. Nothing is known, either. */
  | { readonly kind: 'unverified'; readonly reason: string };

/** @param body of the request that was sent */
export function judgeAnswer(
  answer: Buffer,
  body: Buffer,
  submitted: Submitted,
  ingestKeys: readonly VerifierKey[],
): Verdict {
  let parsed: Answer;
  try {
    parsed = parseAnswer(answer, body);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { kind: 'unknown', reason: `an answer that cannot be read (${error.message})`, afterMs: null };
  }
  if ('refusal' in parsed) {
    const { code, message, position, retryAfterMs } = parsed.refusal;
    if (code === 'unavailable') return { kind: 'unknown', reason: `unavailable: ${message}`, afterMs: retryAfterMs };
    return { kind: 'refused', code, message, position };
  }
  try {
    verifyReceipt(parsed.receipt, submitted, ingestKeys);
    return { kind: 'receipted', receipts: singleReceipts(parsed.receipt, submitted) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { kind: 'unverified', reason: `${error.code}: ${error.message}` };
  }
}
