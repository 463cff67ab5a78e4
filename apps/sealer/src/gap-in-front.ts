/**
 * What a lane would have to leave out to go on: the gap between its head and the frame that waits, and why (formats.md "Gap
 * record"). Pure; when it may be sealed is decided in lane-gaps.ts.
 *
 * The cause is `lost`, an open debt, whenever there is doubt. The other two close the frames for good, so they need proof:
 * all the missing frames are at hand, each is named by the hash in the frame behind it, from the waiting frame back to the
 * head, and each is genuine but cannot be sealed for that one reason. A stolen key that was revoked, or a broken frame
 * which somebody put in a good one's place, does not come into that chain.
 */

import { equalHash, ZERO_HASH, type Frame, type GapCause, type Hash } from '@everseal/audit-core';
import type { LaneHead } from './lanes.js';
import type { CheckedFrame } from './open-block.js';

/** Why a genuine frame can never be sealed. */
export type UnsealableCause = Exclude<GapCause, 'lost'>;

/** A frame that its ingester signed and that can never be sealed. */
export interface UnsealableFrame {
  readonly frame: Frame;
  readonly hash: Hash;
  readonly cause: UnsealableCause;
}

export interface GapInFront {
  readonly first: number;
  readonly last: number;
  readonly cause: GapCause;
  /** The frame that ends it. */
  readonly ending: CheckedFrame;
}

/**
 * @param head newest sealed frame of the lane
 * @param waiting the good frames that are held of the lane's smallest held number
 * @param unsealable genuine frames of the lane that can never be sealed
 * @returns the gap, or in words why none can be sealed
 */
export function gapInFront(
  head: LaneHead | undefined,
  waiting: readonly CheckedFrame[],
  unsealable: readonly UnsealableFrame[],
): GapInFront | string {
  const [ending, twin] = waiting;
  if (!ending) return 'no good frame is held behind what is missing';
  const { number, accepted } = ending.frame;
  if (twin) return `two different frames ${number} are held`;
  const first = (head?.number ?? 0) + 1;
  if (number <= first) return `frame ${first} is not missing: what is held of it does not continue the lane`;
  if (head && accepted < head.accepted) return `frame ${number} was accepted before frame ${head.number}`;
  const last = number - 1;
  return { first, last, cause: causeOf(head?.hash ?? ZERO_HASH, first, ending.frame, unsealable), ending };
}

function causeOf(head: Hash, first: number, ending: Frame, unsealable: readonly UnsealableFrame[]): GapCause {
  const causes = new Set<UnsealableCause>();
  let previous = ending.previous;
  for (let number = ending.number - 1; number >= first; number--) {
    const found = unsealable.find(({ frame, hash }) => frame.number === number && equalHash(hash, previous));
    if (!found) return 'lost';
    causes.add(found.cause);
    previous = found.frame.previous;
  }
  const [cause, other] = causes;
  return cause !== undefined && other === undefined && equalHash(previous, head) ? cause : 'lost';
}
