/**
 * Checkpoints that a log must pass while it is read block by block: whoever puts blocks together again knows by them that
 * the bytes are the ones that were signed, and that none is missing at the end.
 *
 * A note is taken in when the log key of a key set that is known signed it. It is passed when the reader stands at its size
 * and has its root, by the keys in force there. The largest cosigned one is what must be reached.
 */
import { encodeBase64 } from './base64.js';
import { openCheckpoint, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf, type Cosignature } from './cosignature.js';
import { FormatError } from './format-error.js';
import { equalHash, type Hash } from './hash.js';
import type { KeySet } from './key-set.js';
import { openNote } from './note.js';
import type { Finding } from './verdict.js';

/** A signed checkpoint of the log. */
export interface CheckpointGoal {
  readonly checkpoint: OpenedCheckpoint;
  /** Those by verifiers of a key set that is known. */
  readonly cosignatures: readonly Cosignature[];
  /** Where it was found, for people. */
  readonly from: string;
}

/** Where a reader of the log stands. */
export interface GoalPlace {
  readonly size: number;
  /** Height of the next block. */
  readonly height: number;
  readonly root: Hash;
  readonly keySet: KeySet | null;
}

export class CheckpointGoals {
  /** By size. */
  private goals: CheckpointGoal[] = [];
  private isSorted = true;

  /** @param keys key sets of the log that are known, the first one at least */
  constructor(
    private readonly origin: string,
    private readonly keys: readonly KeySet[],
  ) {}

  /**
   * Takes in a note.
   * @throws FormatError as openCheckpoint and cosignaturesOf: it is no checkpoint that the log key signed, or it carries a
   * cosignature that does not verify
   */
  add(note: Uint8Array | string, from: string): CheckpointGoal {
    const checkpoint = openCheckpoint(
      note,
      this.keys.map(({ log }) => log),
      this.origin,
    );
    const cosignatures = cosignaturesOf(
      checkpoint,
      this.keys.flatMap(({ verifiers }) => verifiers),
    );
    const goal = { checkpoint, cosignatures, from };
    this.goals.push(goal);
    this.isSorted = false;
    return goal;
  }

  /** All of them, by size. */
  get all(): readonly CheckpointGoal[] {
    if (!this.isSorted) this.goals.sort((a, b) => a.checkpoint.size - b.checkpoint.size);
    this.isSorted = true;
    return this.goals;
  }

  /** The largest that a verifier cosigned; null without one. */
  get newestCosigned(): CheckpointGoal | null {
    return this.all.findLast(({ cosignatures }) => cosignatures.length > 0) ?? null;
  }

  /** The smallest that a log of this size does not reach; null when it reaches all. */
  beyond(size: number): CheckpointGoal | null {
    return this.all[this.after(size)] ?? null;
  }

  /** Where in `all` those begin that are larger. Asked for at every block, of perhaps years of checkpoints. */
  private after(size: number): number {
    const { all } = this;
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (all[middle]!.checkpoint.size > size) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** What is wrong once a block was read that led from size `before` to `place`; null when every goal on the way holds. */
  judge(before: number, place: GoalPlace): Finding | null {
    for (let i = this.after(before); i < this.after(place.size); i++) {
      const { checkpoint, from } = this.all[i]!;
      const { size, root } = checkpoint;
      const at = { index: size, height: place.height - 1 };
      if (size !== place.size) {
        const detail = `no block ends at size ${size}, which the checkpoint from ${from} names`;
        return { ...at, code: 'checkpoint.mismatch', detail };
      }
      if (!equalHash(root, place.root)) {
        const detail = `the checkpoint of size ${size} from ${from} has another root than the entries give`;
        const [expected, found] = [encodeBase64(root), encodeBase64(place.root)];
        return { ...at, code: 'checkpoint.mismatch', detail, expected, found };
      }
      const unsigned = this.notInForce(checkpoint, place.keySet);
      if (unsigned !== null) return { ...at, code: 'checkpoint.signature', detail: `from ${from}: ${unsigned}` };
    }
    return null;
  }

  /** Why the log key in force did not sign it, or null. */
  private notInForce(checkpoint: OpenedCheckpoint, keys: KeySet | null): string | null {
    try {
      openNote(checkpoint, keys ? [keys.log] : []);
      return null;
    } catch (error) {
      if (error instanceof FormatError) return error.message;
      throw error;
    }
  }
}
