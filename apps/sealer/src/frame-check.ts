/**
 * What the sealer checks of a message before it may become part of a block: a frame message by the format, signed by a
 * key in force of the ingester that it names, on that ingester's own subject, its events well-formed and under its
 * root. Whatever is not all of that is never sealed: it is put aside with its bytes and raises an alert.
 */

import {
  checkFrameMessage,
  FormatError,
  leafHash,
  openFrame,
  parseFrameMessage,
  type KeySet,
  type VerdictCode,
} from '@everseal/audit-core';
import type { StoredMessage } from '@everseal/messaging';
import type { CheckedFrame } from './open-block.js';

export type FrameCheck =
  | { readonly ok: true; readonly checked: CheckedFrame }
  | { readonly ok: false; readonly verdict: VerdictCode; readonly why: string };

/** @param subjectOf the subject on which frames of an ingester of this ledger arrive */
export function checkFrame(
  message: StoredMessage,
  origin: string,
  keys: KeySet,
  subjectOf: (ingester: string) => string,
): FrameCheck {
  const bytes = message.data;
  let signed = false;
  try {
    const parsed = parseFrameMessage(bytes);
    const frame = openFrame(parsed.note, keys.ingest, origin);
    signed = true;
    if (subjectOf(frame.ingester) !== message.subject) {
      return refused('custody.forged', `a frame of ${frame.ingester} on ${message.subject}`);
    }
    const leaves = checkFrameMessage(frame, parsed);
    const note = Buffer.from(parsed.note);
    return {
      ok: true,
      checked: { frame, note, hash: leafHash(note), leaves, events: parsed.bundle, sequence: message.sequence },
    };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // A genuine note over other bytes was altered on the way; without a genuine note it is nobody's frame.
    return refused(signed ? 'custody.altered' : 'custody.forged', error.message);
  }
}

function refused(verdict: VerdictCode, why: string): FrameCheck {
  return { ok: false, verdict, why };
}
