/**
 * What somebody who only sees checkpoints can tell about a log: one root a size, whoever shows it, and no witness that
 * goes back. Takes checkpoints whose log signature verified, from announcements, heartbeats, anywhere; needs no entry.
 *
 * The first note of a size is kept, the newest sizes only: two notes of one size with different roots are proof by
 * themselves, both signed by the log key.
 */
import type { Checkpoint } from './checkpoint.js';
import { equalHash, type Hash } from './hash.js';
import type { Finding } from './verdict.js';

/** Sizes that are kept: an hour of a busy ledger's checkpoints. */
const MOST_SIZES = 4_096;

/** Something that notes show by themselves. */
export type Shown = {
  readonly finding: Finding;
  readonly evidence: Readonly<Record<string, string>>;
};

type Seen = { readonly root: Hash; readonly note: string };

export class SeenCheckpoints {
  private readonly bySize = new Map<number, Seen>();
  private readonly newestOf = new Map<string, { size: number; note: string }>();
  private largestSize = 0;

  constructor(private readonly most = MOST_SIZES) {}

  /** The largest size that was taken. */
  get largest(): number {
    return this.largestSize;
  }

  /** The notes that are kept, by ascending size. */
  get notes(): string[] {
    return [...this.bySize].sort(([a], [b]) => a - b).map(([, { note }]) => note);
  }

  /**
   * Takes a checkpoint; gives what it shows to be wrong.
   * @param witness who vouches for it as the newest that it knows; null for one who only passes it on
   */
  take({ size, root }: Checkpoint, note: string, witness: string | null): Shown[] {
    this.largestSize = Math.max(this.largestSize, size);
    const known = this.bySize.get(size);
    if (known === undefined) this.keep(size, { root, note });
    const shown: Shown[] = [];
    if (known !== undefined && !equalHash(known.root, root)) {
      const detail = `two checkpoints of size ${size} are signed by the log key`;
      const [expected, found] = [known.root.toString('base64'), root.toString('base64')];
      const finding = { code: 'log.forked', index: size, height: null, detail, expected, found } as const;
      shown.push({ finding, evidence: { first: known.note, second: note } });
    }
    const back = witness === null ? null : this.wentBack(witness, size, note);
    return back ? [...shown, back] : shown;
  }

  private wentBack(witness: string, size: number, note: string): Shown | null {
    const before = this.newestOf.get(witness);
    if (before === undefined || size >= before.size) {
      this.newestOf.set(witness, { size, note });
      return null;
    }
    const detail = `${witness} vouched for size ${before.size}, and later for size ${size} as the newest`;
    const finding = { code: 'log.rolled-back', index: size, height: null, detail } as const;
    return { finding, evidence: { before: before.note, after: note } };
  }

  private keep(size: number, seen: Seen): void {
    this.bySize.set(size, seen);
    if (this.bySize.size > this.most) this.bySize.delete(Math.min(...this.bySize.keys()));
  }
}
