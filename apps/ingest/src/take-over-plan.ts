/**
 * Which frames of a closed ledger's spool are framed anew in its successor: all that were built and do not survive. What
 * survives is proven by the head that the successor's note vouches for (audit-core, surviving-heads.ts), not by what the spool
 * itself knows to be sealed: the blocks of such frames may be the ones that were lost. Pure.
 */
import type { SurvivingHead } from '@everseal/audit-core';
import type { FrameRange } from './spool.js';

export type TakeOverPlan = {
  /** Ascending, apart. */
  readonly frames: readonly FrameRange[];
  /** Does not survive and is not held: the spool let go of it when it was sealed, and its block is lost. */
  readonly missing: readonly FrameRange[];
};

/**
 * @param newest number of the newest frame ever built
 * @param held what the spool has: ascending, apart
 * @param head the newest frame that survives; null when none does
 */
export function planTakeOver(newest: number, held: readonly FrameRange[], head: SurvivingHead | null): TakeOverPlan {
  const frames: FrameRange[] = [];
  const missing: FrameRange[] = [];
  for (const [first, last] of [...(head?.debts ?? []), [(head?.number ?? 0) + 1, newest] as const]) {
    let next = first;
    for (const [from, to] of held) {
      const [start, end] = [Math.max(from, next), Math.min(to, last)];
      if (start > end) continue;
      append(missing, next, start - 1);
      append(frames, start, end);
      next = end + 1;
    }
    append(missing, next, last);
  }
  return { frames, missing };
}

function append(ranges: FrameRange[], first: number, last: number): void {
  if (first > last) return;
  const before = ranges.at(-1);
  if (before?.[1] === first - 1) ranges.splice(-1, 1, [before[0], last]);
  else ranges.push([first, last]);
}

/** Every number of the ranges, in order. */
export function numbersIn(ranges: readonly FrameRange[]): number[] {
  return ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
}

/** How many numbers the ranges hold. */
export function countIn(ranges: readonly FrameRange[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
