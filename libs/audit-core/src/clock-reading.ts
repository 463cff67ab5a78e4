/**
 * What can be known about another machine's clock, and what cannot.
 *
 * A message says what its sender's clock showed, and it arrives later: by how much, nobody knows. So a clock that shows more
 * than ours at the arrival is ahead, whatever the delay was; one that shows less may belong to a message that was late. **Late
 * is not skew.** That a clock is behind is known only where what it dated must have come after something that was dated by
 * another clock: a question that it answers, a signature that it had seen.
 *
 * Hence three outcomes. `unknown` neither raises an alert nor clears one.
 */

/** What one clock showed at one moment, and the moments of other clocks between which that was. Milliseconds since 1970, UTC. */
export interface ClockReading {
  readonly says: number;
  /** It came after this; null when it answers nothing. */
  readonly notBefore: number | null;
  /** It came before this. */
  readonly notAfter: number;
}

export type ClockJudgement =
  | { readonly state: 'good' }
  | { readonly state: 'unknown' }
  /** `byMs` is the least that it must be off. */
  | { readonly state: 'ahead' | 'behind'; readonly byMs: number };

/** @param boundMs how far two clocks may be apart, milliseconds; what is exactly that far is still good */
export function judgeClock({ says, notBefore, notAfter }: ClockReading, boundMs: number): ClockJudgement {
  if (says > notAfter + boundMs) return { state: 'ahead', byMs: says - notAfter };
  if (notBefore !== null && says < notBefore - boundMs) return { state: 'behind', byMs: notBefore - says };
  return says >= notAfter - boundMs ? { state: 'good' } : { state: 'unknown' };
}

/**
 * A time that stands in the log. It was written once and may be as old as it likes; it cannot be of the future.
 * @param now our clock when it was read, or later
 */
export function judgeWrittenTime(written: number, now: number, boundMs: number): ClockJudgement {
  return written > now + boundMs ? { state: 'ahead', byMs: written - now } : { state: 'good' };
}
