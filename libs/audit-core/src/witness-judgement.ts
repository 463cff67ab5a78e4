/**
 * What a witness answers to a request of C2SP tlog-witness `add-checkpoint` about a log that it does not hold itself: from the
 * request, the keys that it knows the log by, and the newest checkpoint that it cosigned. Nothing is signed or stored here.
 *
 *   400   the request, note or checkpoint is not in its form; `old` is larger than the checkpoint
 *   404   a log that is not known
 *   403   signed by none of the log's keys, or a signature by one of them is false
 *   409   `old` is not the size cosigned last: that size is the body. Or it is, with another root for the same size: no body
 *   422   no consistency proof from there; size 0 with another root than the empty tree's
 *   200   to be cosigned
 *
 * The checks are made in this order. Two roots for one size, both signed by the log, prove by themselves that it shows two
 * histories: `forked`, whatever the status. A proof that does not verify proves nothing: checkpoints are public, and anybody may
 * send one with a false proof.
 */
import { openCheckpoint, type OpenedCheckpoint } from './checkpoint.js';
import { verifyGrowth } from './consistency.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, equalHash, type Hash } from './hash.js';
import type { VerifierKey } from './key.js';
import { parseNote } from './note.js';
import { formatWitnessSize, parseAddCheckpoint, type AddCheckpoint } from './witness-message.js';

/** A log that a witness knows. */
export type KnownLog = {
  readonly origin: string;
  /** Any of them may sign; two while the log rotates its key. */
  readonly keys: readonly VerifierKey[];
};

/** What a witness cosigned last of a log. */
export type WitnessedHead = { readonly size: number; readonly root: Hash };

export type WitnessRefusal = {
  readonly status: 400 | 403 | 404 | 409 | 422;
  /** Of the answer; a 409 with a size is of type `text/x.tlog.size`. */
  readonly body: string;
  /** A checkpoint that contradicts the one cosigned last; both are signed by the log. */
  readonly forked: boolean;
};
export type WitnessJudgement = { readonly status: 200; readonly checkpoint: OpenedCheckpoint } | WitnessRefusal;

/** What of a checkpoint is not simply malformed. */
const STATUS: Readonly<Record<string, WitnessRefusal['status']>> = {
  'note.unverified': 403,
  'note.signature': 403,
  'checkpoint.empty-root': 422,
};

/** The log that a request is about, by the first line of its checkpoint; or why there is none, to be answered with 400. */
export function readWitnessRequest(body: Uint8Array): { request: AddCheckpoint; origin: string } | WitnessRefusal {
  try {
    const request = parseAddCheckpoint(body);
    const [origin] = parseNote(request.checkpoint).text.split('\n', 1);
    return { request, origin: origin! };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return refusal(400, `${error.message}\n`);
  }
}

/** @param latest what was cosigned last; null before the first. Whoever acts on the judgement has to still be there. */
export function judgeAddCheckpoint(
  { old, proof, checkpoint }: AddCheckpoint,
  log: KnownLog,
  latest: WitnessedHead | null,
): WitnessJudgement {
  let opened: OpenedCheckpoint;
  try {
    opened = openCheckpoint(checkpoint, log.keys, log.origin);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return refusal(STATUS[error.code] ?? 400, `${error.message}\n`);
  }
  const { size, root } = latest ?? { size: 0, root: EMPTY_ROOT };
  if (old > opened.size) return refusal(400, 'old is larger than the checkpoint\n');
  const forked = opened.size === size && !equalHash(opened.root, root);
  if (old !== size) return { status: 409, body: formatWitnessSize(size), forked };
  if (forked) return { status: 409, body: '', forked };
  if (!verifyGrowth(old, opened.size, proof, root, opened.root)) {
    return refusal(422, 'the consistency proof does not verify\n');
  }
  return { status: 200, checkpoint: opened };
}

/** To a request about a log that the witness does not know. */
export const UNKNOWN_LOG: WitnessRefusal = refusal(404, 'this witness does not know the log\n');

function refusal(status: WitnessRefusal['status'], body: string): WitnessRefusal {
  return { status, body, forked: false };
}
