/**
 * Where a signed frame stands in a log: the question of everyone who holds a frame note (a receipt, a heartbeat, a
 * message of the stream) and somebody's derived memory of the log.
 *
 * What is asked is the derived memory alone (newest frames, open debts, leaf hashes). A stored row may say where to look;
 * it is believed only as far as the leaf hash at that index agrees.
 *
 *     sealed     this very frame is the entry at `index`
 *     other      another frame of that number is the entry at `index`
 *     gap        an open debt names the number: the log says that it is lost
 *     unsealed   the lane has not come to that number
 *     unknown    the lane has passed it, and neither a row nor a debt says how: a row is gone or wrong, or a gap that is
 *                closed for good stands over it
 */
import type { FrameHead } from './entry-walk.js';
import { equalHash, type Hash } from './hash.js';

export type FramePlace =
  { readonly state: 'sealed' | 'other'; readonly index: number } | { readonly state: 'gap' | 'unsealed' | 'unknown' };

/** What is known of the lane that the frame belongs to. */
export interface LaneKnowledge {
  /** Newest sealed frame of the ingester; null before its first. */
  readonly head: FrameHead | null;
  /** Open debts of the ingester: [first, last] pairs of frame numbers. */
  readonly debts: readonly (readonly [number, number])[];
  /** What somebody stored about the number; null for nothing. */
  readonly row: { readonly hash: Hash; readonly position: number } | null;
  /** The derived leaf hash at an index; null beyond what was derived. */
  readonly leafAt: (index: number) => Hash | null;
}

/**
 * @param number the frame's number @param hash leaf hash of its note
 * A row whose hash stands in the log, but which is another's, gives `other`: whether the entry there really is a frame of
 * that number is for the caller, who has to show it anyway.
 */
export function placeOfFrame(number: number, hash: Hash, { head, debts, row, leafAt }: LaneKnowledge): FramePlace {
  if (head === null || number > head.number) return { state: 'unsealed' };
  const found = number === head.number ? { hash: head.hash, position: head.index } : row;
  const leaf = found && leafAt(found.position);
  if (found && leaf && equalHash(leaf, found.hash)) {
    return { state: equalHash(found.hash, hash) ? 'sealed' : 'other', index: found.position };
  }
  return { state: debts.some(([first, last]) => first <= number && number <= last) ? 'gap' : 'unknown' };
}
