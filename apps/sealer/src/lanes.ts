/**
 * Where a frame belongs: each ingester's frames form a lane of dense numbers, each naming the hash of the one before.
 *
 * A frame is *next* (seal it), *sealed* (the very same frame is in the log: skip it), *ahead* (one before it is missing:
 * hold it, only this lane waits), *late* (below the head, and none of its number is sealed: it may pay a debt) or
 * *conflict* (same number, other bytes, or a chain that does not fit: never sealed).
 */

import { equalHash, ZERO_HASH, type Frame, type Hash } from '@everseal/audit-core';

/** The newest frame of a lane that is in the log or in the block being filled. */
export interface LaneHead {
  readonly number: number;
  readonly hash: Hash;
  readonly position: number;
  readonly accepted: string;
  /** The signed note: announced heads prove themselves with it. */
  readonly note: string;
}

export type Place = 'next' | 'sealed' | 'ahead' | 'late' | 'conflict';

export class Lanes {
  private readonly heads: Map<string, LaneHead>;

  constructor(heads: ReadonlyMap<string, LaneHead>) {
    this.heads = new Map(heads);
  }

  head(ingester: string): LaneHead | undefined {
    return this.heads.get(ingester);
  }

  /** A copy of all heads, for an announcement over exactly these. */
  snapshot(): ReadonlyMap<string, LaneHead> {
    return new Map(this.heads);
  }

  /**
   * @param sealedHash looks up the hash of an older sealed frame of this lane by number, null when there is none
   */
  async place(
    frame: Frame,
    hash: Hash,
    sealedHash: (ingester: string, number: number) => Promise<Hash | null>,
  ): Promise<Place> {
    const head = this.heads.get(frame.ingester);
    const number = head?.number ?? 0;
    if (frame.number > number + 1) return 'ahead';
    if (frame.number === number + 1) return this.continues(frame) ? 'next' : 'conflict';
    const sealed = frame.number === number ? head!.hash : await sealedHash(frame.ingester, frame.number);
    if (!sealed) return 'late';
    return equalHash(sealed, hash) ? 'sealed' : 'conflict';
  }

  /** Whether the frame is the next of its lane. */
  continues(frame: Frame): boolean {
    const head = this.heads.get(frame.ingester);
    if (!head) return frame.number === 1 && equalHash(frame.previous, ZERO_HASH);
    const { number, hash, accepted } = head;
    return frame.number === number + 1 && equalHash(frame.previous, hash) && frame.accepted >= accepted;
  }

  advance(frame: Frame, hash: Hash, position: number, note: string): void {
    const { number, accepted } = frame;
    this.heads.set(frame.ingester, { number, hash, position, accepted, note });
  }
}
