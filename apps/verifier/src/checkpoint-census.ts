/**
 * Which checkpoints and cosignatures stood when the tables were last read whole: rows are only ever added, at the end, so one
 * that is gone was taken away. Nothing else shows it, because a checkpoint follows from no entry.
 *
 * Kept a stretch of 256 checkpoints as counts and sums of their sizes, some 50 bytes, for as long as this process lives: what
 * was taken away before its first pass is not known. Anchors are counted the same way. A sum names the row when one is gone; of several the stretch is named.
 */

import type { Finding, VerdictCode } from '@everseal/audit-core';

/** Sums are exact for logs of less than 2^45 entries. */
const STRETCH = 256;

interface Tally {
  count: number;
  sum: number;
}

interface Stretch {
  /** Size of its last checkpoint. */
  upTo: number;
  readonly checkpoints: Tally;
  readonly cosignatures: Tally;
}

const empty = (): Stretch => ({ upTo: 0, checkpoints: { count: 0, sum: 0 }, cosignatures: { count: 0, sum: 0 } });

/** What is said of rows that are gone. */
export interface CensusWords {
  readonly rows: { readonly code: VerdictCode; readonly what: string };
  /** Of what hangs on them. */
  readonly lines: { readonly code: VerdictCode; readonly what: string };
}

const CHECKPOINTS: CensusWords = {
  rows: { code: 'checkpoint.mismatch', what: 'checkpoints' },
  lines: { code: 'checkpoint.signature', what: 'cosignatures' },
};

export class CheckpointCensus {
  private known: Stretch[] = [];

  constructor(private readonly words: CensusWords = CHECKPOINTS) {}

  /** One pass over the table, by size. */
  begin(): CensusPass {
    return new CensusPass(this.words, this.known, (stretches) => (this.known = stretches));
  }
}

export class CensusPass {
  private readonly found: Stretch[] = [];
  private current = empty();

  constructor(
    private readonly words: CensusWords,
    private readonly known: readonly Stretch[],
    private readonly keep: (stretches: Stretch[]) => void,
  ) {}

  /** @param cosignatures lines on it, whoever made them */
  take(size: number, cosignatures: number): void {
    while (this.found.length < this.known.length && size > this.known[this.found.length]!.upTo) this.close();
    const isNew = this.found.length >= this.known.length;
    if (isNew && this.current.checkpoints.count >= STRETCH) this.close();
    this.current.upTo = size;
    add(this.current.checkpoints, 1, size);
    add(this.current.cosignatures, cosignatures, size);
  }

  /** What is gone since the pass before. @param clean whether to keep what this pass has seen, if nothing is gone */
  end(clean: boolean): Finding[] {
    while (this.found.length < this.known.length || this.current.checkpoints.count > 0) this.close();
    const findings = this.known.flatMap((before, i) =>
      missing(this.words, this.known[i - 1]?.upTo ?? 0, before, this.found[i]!),
    );
    if (clean && findings.length === 0) this.keep(joined(this.found));
    return findings;
  }

  private close(): void {
    const before = this.known[this.found.length];
    this.found.push({ ...this.current, upTo: before?.upTo ?? this.current.upTo });
    this.current = empty();
  }
}

function add(tally: Tally, count: number, size: number): void {
  tally.count += count;
  tally.sum += count * size;
}

/** A last stretch that is not full takes in what came behind it. */
function joined(stretches: readonly Stretch[]): Stretch[] {
  const whole: Stretch[] = [];
  for (const stretch of stretches) {
    const last = whole.at(-1);
    if (!last || last.checkpoints.count + stretch.checkpoints.count > STRETCH) whole.push(stretch);
    else whole[whole.length - 1] = { ...sumOf(last, stretch), upTo: stretch.upTo };
  }
  return whole;
}

function sumOf(one: Stretch, other: Stretch): Stretch {
  const both = (a: Tally, b: Tally): Tally => ({ count: a.count + b.count, sum: a.sum + b.sum });
  return {
    upTo: other.upTo,
    checkpoints: both(one.checkpoints, other.checkpoints),
    cosignatures: both(one.cosignatures, other.cosignatures),
  };
}

/** A cosignature may come later than others behind it; a checkpoint may not. With a checkpoint its cosignatures go unread. */
function missing(words: CensusWords, after: number, before: Stretch, now: Stretch): Finding[] {
  const gone = lost(words.rows, after, before.upTo, before.checkpoints, now.checkpoints);
  if (gone) return [gone];
  const unsigned = lost(words.lines, after, before.upTo, before.cosignatures, now.cosignatures);
  return unsigned ? [unsigned] : [];
}

function lost(
  { code, what }: CensusWords['rows'],
  after: number,
  upTo: number,
  before: Tally,
  now: Tally,
): Finding | null {
  const count = before.count - now.count;
  if (count <= 0) return null;
  const index = count === 1 ? before.sum - now.sum : upTo;
  const where = count === 1 ? `size ${index}` : `sizes above ${after}, up to ${upTo}`;
  return { code, index, height: null, detail: `${count} of the ${what} at ${where} stood before and are gone` };
}
