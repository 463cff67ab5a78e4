/**
 * What this verifier has covered of one ledger, for its heartbeat and its metrics, and the two verdicts about the verifier
 * itself that follow: `verifier.behind` and `verifier.stale`.
 *
 * Only what this process has read counts. Durations are measured by a clock that nobody sets; times of day are for people.
 * What an earlier process wrote down about its last full pass can only make a sweep stale sooner, never later: a file that
 * was changed hides nothing.
 */

import {
  MOST_NOT_COVERED,
  type Coverage,
  type Finding,
  type NotCovered,
  type SweepCoverage,
} from '@everseal/audit-core';

export const SWEEPS = ['bodies', 'index', 'stored'] as const;
export type SweepName = (typeof SWEEPS)[number];

/** Characters of a reason that are told. */
const MOST_WHY = 300;

/** Two clocks, milliseconds: `day` since 1970, `steady` since some moment and never set. */
export interface Clocks {
  readonly day: () => number;
  readonly steady: () => number;
}

export interface CoverageBounds {
  /** Entries that the newest blocks may be behind. */
  readonly behindEntries: number;
  /** Milliseconds for which they may be. */
  readonly behindMs: number;
  /** Age at which the last full pass of a sweep is too old, milliseconds. */
  readonly staleMs: number;
}

/** One pass that came to its end, by reading everything or by giving up. */
export interface PassReport {
  readonly entries: number;
  /** When it began, by both clocks. */
  readonly began: { readonly day: number; readonly steady: number };
  readonly notCovered: readonly NotCovered[];
  /** It looked at everything there was when it began; what it left out is named. */
  readonly complete: boolean;
}

interface Swept {
  readonly coverage: SweepCoverage;
  /** End of the last full pass (before the first: of that of an earlier process, or the start), by the steady clock. */
  readonly freshAt: number;
}

export class LedgerCoverage {
  private readonly swept: Record<SweepName, Swept>;
  private head: number | null = null;
  /** A head that was seen and is not reached yet, and since when. */
  private target: { size: number; since: number } | null = null;
  /** Since when no head could be read. */
  private blindSince: number | null;

  /** @param earlier ends of the last full passes of an earlier process, milliseconds since 1970 */
  constructor(
    private readonly size: () => number,
    private readonly bounds: CoverageBounds,
    private readonly clocks: Clocks,
    earlier: Partial<Record<SweepName, number>>,
  ) {
    const [day, steady] = [clocks.day(), clocks.steady()];
    const start = (name: SweepName): Swept => {
      return { coverage: NEVER, freshAt: steady - Math.max(0, day - (earlier[name] ?? day)) };
    };
    this.swept = { bodies: start('bodies'), index: start('index'), stored: start('stored') };
    this.blindSince = steady;
  }

  of(name: SweepName): SweepCoverage {
    return this.swept[name].coverage;
  }

  passed(name: SweepName, { entries, began, notCovered, complete }: PassReport): void {
    const before = this.swept[name];
    const told = notCovered
      .slice(0, MOST_NOT_COVERED)
      .map(({ first, height, why }) => ({ first, height, why: why.slice(0, MOST_WHY) }));
    if (!complete) {
      this.swept[name] = { ...before, coverage: { ...before.coverage, notCovered: told } };
      return;
    }
    const steady = this.clocks.steady();
    const milliseconds = Math.round(steady - began.steady);
    const coverage = {
      passes: before.coverage.passes + 1,
      endedAt: this.clocks.day(),
      entries,
      milliseconds,
      perSecond: Math.round(entries / (Math.max(milliseconds, 1) / 1_000)),
      // What was not covered was not re-read either.
      oldestReadAt: told.length === 0 ? began.day : before.coverage.oldestReadAt,
      notCovered: told,
    };
    this.swept[name] = { coverage, freshAt: steady };
  }

  /** A look at the head row. @param head entries that it names; null when it could not be read */
  sawHead(head: number | null): void {
    const now = this.clocks.steady();
    if (head === null) {
      this.blindSince ??= now;
      return;
    }
    this.head = head;
    this.blindSince = null;
    if (this.target !== null && this.size() < this.target.size) return;
    this.target = head > this.size() ? { size: head, since: now } : null;
  }

  get coverage(): Coverage {
    const behindMs = Math.max(0, Math.round(this.clocks.steady() - this.behindSince()));
    const { bodies, index, stored } = this.swept;
    return {
      tail: { size: this.size(), head: this.head, behindMs },
      bodies: bodies.coverage,
      index: index.coverage,
      stored: stored.coverage,
    };
  }

  /** What is to be said about this verifier itself. */
  findings(): Finding[] {
    return [this.behind(), this.stale()].flatMap((detail, i) =>
      detail === null ? [] : [{ code: i === 0 ? 'verifier.behind' : 'verifier.stale', ...NOWHERE, detail }],
    );
  }

  private behind(): string | null {
    const { behindEntries, behindMs } = this.bounds;
    const { size, head, behindMs: behind } = this.coverage.tail;
    if (head !== null && head - size > behindEntries) {
      return `${size} of ${head} entries are derived, ${head - size} are not; ${behindEntries} may be behind`;
    }
    if (behind <= behindMs) return null;
    const what = this.blindSince === null ? `the head has been ahead of entry ${size}` : 'no head row could be read';
    return `${what} for ${behind} ms; ${behindMs} ms are allowed`;
  }

  private stale(): string | null {
    const now = this.clocks.steady();
    const old = SWEEPS.filter((name) => now - this.swept[name].freshAt > this.bounds.staleMs);
    if (old.length === 0) return null;
    const ages = old.map((name) => `${name} ${Math.round((now - this.swept[name].freshAt) / 1_000)} s ago`);
    return `the last full pass over ${ages.join(', ')}; ${this.bounds.staleMs / 1_000} s are allowed`;
  }

  /** By the steady clock; now when nothing is behind. */
  private behindSince(): number {
    const now = this.clocks.steady();
    const reached = this.target === null || this.size() >= this.target.size;
    return Math.min(this.blindSince ?? now, reached ? now : this.target!.since);
  }
}

const NEVER: SweepCoverage = {
  passes: 0,
  endedAt: null,
  entries: 0,
  milliseconds: 0,
  perSecond: 0,
  oldestReadAt: null,
  notCovered: [],
};
const NOWHERE = { index: null, height: null } as const;
