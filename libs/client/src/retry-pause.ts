/** How long a request waits before it is sent again. */

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * The longest that an ingester's `retryAfterMs` is heeded. It is a hint of somebody whom nothing forces to be honest: a
 * larger one would keep a slot for as long as it says, and from 2^31 on Node's timers fire at once.
 */
export const MOST_HINT_MS = 60_000;

/** Doubles with every attempt, half of it left to chance, and is never shorter than the hint. */
export class RetryPause {
  private whole = FIRST_PAUSE_MS;

  /** Milliseconds before the next attempt. @param hintMs what the answer asked for; null when it asked for nothing */
  next(hintMs: number | null): number {
    const hint = Math.min(hintMs ?? 0, MOST_HINT_MS);
    const pause = Math.max(hint, this.whole / 2) + (Math.random() * this.whole) / 2;
    this.whole = Math.min(2 * this.whole, LONGEST_PAUSE_MS);
    return pause;
  }
}
