/**
 * How long a sweep rests after a pass. A pass over a small ledger is over in no time, and another one right behind it has
 * little to gain and costs the machine as much as the first; so a sweep whose passes are short is at work for a share of the
 * time only. The rest is bounded on both sides: tampering with what is old is found within two passes and one rest.
 */

export interface RestSettings {
  /** The least rest, milliseconds. */
  readonly pauseMs: number;
  /** The longest. */
  readonly longestPauseMs: number;
  /** Share of the time at work, percent, between those two. */
  readonly busyPercent: number;
}

/**
 * @param work how long the pass was at work, milliseconds; waiting to keep to the rate is none
 * @returns milliseconds
 */
export function restAfter(work: number, { pauseMs, longestPauseMs, busyPercent }: RestSettings): number {
  const share = work * (100 / busyPercent - 1);
  return Math.max(pauseMs, Math.min(longestPauseMs, Math.round(share)));
}
