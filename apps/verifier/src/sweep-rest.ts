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

/** @param pass duration of the pass, milliseconds. @returns milliseconds */
export function restAfter(pass: number, { pauseMs, longestPauseMs, busyPercent }: RestSettings): number {
  const share = pass * (100 / busyPercent - 1);
  return Math.max(pauseMs, Math.min(longestPauseMs, Math.round(share)));
}
