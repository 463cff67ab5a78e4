/**
 * What the sealer checks of a message before it may become part of a block: a frame message by the format, signed by a
 * key in force of the ingester that it names, on that ingester's own subject, its events well-formed and under its
 * root. Whatever is not all of that is never sealed: it is put aside with its bytes and raises an alert.
 *
 * Two kinds of it are genuine all the same, and will never be better: a frame that its ingester signed over events which
 * break their envelope, and one that is signed by a key of its that was revoked since. A gap record may say so.
 */

import {
  checkFrameMessage,
  equalHash,
  FormatError,
  leafHash,
  leafHashInPlace,
  openFrame,
  parseFrameMessage,
  treeRoot,
  type Frame,
  type FrameMessage,
  type KeySet,
  type VerdictCode,
  type VerifierKey,
} from '@everseal/audit-core';
import type { StoredMessage } from '@everseal/messaging';
import type { UnsealableCause, UnsealableFrame } from './gap-in-front.js';
import type { CheckedFrame } from './open-block.js';

export type FrameCheck =
  | { readonly ok: true; readonly checked: CheckedFrame }
  | {
      readonly ok: false;
      readonly verdict: VerdictCode;
      readonly why: string;
      /** Set when it is genuine and can never be sealed. */
      readonly unsealable: UnsealableFrame | null;
    };

/**
 * @param subjectOf the subject on which frames of an ingester of this ledger arrive
 * @param former ingest keys that were in force once
 */
export function checkFrame(
  message: StoredMessage,
  origin: string,
  keys: KeySet,
  subjectOf: (ingester: string) => string,
  former: readonly VerifierKey[] = [],
): FrameCheck {
  let parsed: FrameMessage | null = null;
  let frame: Frame | null = null;
  try {
    parsed = parseFrameMessage(message.data);
    frame = openFrame(parsed.note, keys.ingest, origin);
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
    if (frame && parsed) return refused('custody.altered', error.message, malformed(frame, parsed));
    const revoked = parsed && signedBy(former, parsed, origin);
    const isOnItsLane = revoked !== null && subjectOf(revoked.frame.ingester) === message.subject;
    return refused('custody.forged', error.message, isOnItsLane ? revoked : null);
  }
}

function refused(verdict: VerdictCode, why: string, unsealable: UnsealableFrame | null = null): FrameCheck {
  return { ok: false, verdict, why, unsealable };
}

/** Its events are under the signed root: it was not altered, it was made so. */
function malformed(frame: Frame, parsed: FrameMessage): UnsealableFrame | null {
  const { bytes, entries } = parsed;
  const leaves = Array.from({ length: entries.count }, (_, i) =>
    leafHashInPlace(bytes, entries.start(i), entries.end(i)),
  );
  const isGenuine = entries.count === frame.count && equalHash(treeRoot(leaves), frame.root);
  return isGenuine ? neverSealed(frame, parsed, 'malformed') : null;
}

/** A frame that would be good, had its key not been revoked. */
function signedBy(former: readonly VerifierKey[], parsed: FrameMessage, origin: string): UnsealableFrame | null {
  if (former.length === 0) return null;
  try {
    const frame = openFrame(parsed.note, former, origin);
    checkFrameMessage(frame, parsed);
    return neverSealed(frame, parsed, 'key-revoked');
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function neverSealed(frame: Frame, { note }: FrameMessage, cause: UnsealableCause): UnsealableFrame {
  return { frame, hash: leafHash(Buffer.from(note)), cause };
}
