/**
 * Is this machine's clock fit to date frames with? `accepted` never goes back, so one frame dated a year ahead would date all
 * frames of the year; and a clock that is hours behind would give times that everybody else contradicts.
 *
 * Measured against what others and we ourselves have said: the newest frame's time, what all cosigning verifiers agree has come, and the
 * monotonic clock since the last look (a wall clock that moved by more than the time that passed was set by somebody).
 */

export type ClockEvidence = {
  /** When the newest frame was accepted, ms since 1970; null before the first. */
  readonly newestAccepted: number | null;
  /** What the verifiers that cosigned last agree has come, seconds since 1970; null before the first. */
  readonly cosignedSeconds: number | null;
};

export class ClockGuard {
  #before: { wall: number; steady: number } | null = null;

  /**
   * @param wall wall clock, ms since 1970
   * @param steady monotonic clock, ms
   * @param bound ms that may be between the clock and the evidence
   */
  constructor(
    private readonly wall: () => number,
    private readonly steady: () => number,
    private readonly bound: number,
  ) {}

  /** Why the clock cannot be trusted, null when nothing speaks against it. */
  problem({ newestAccepted, cosignedSeconds }: ClockEvidence): string | null {
    const now = this.wall();
    const ahead = this.jump(now);
    if (newestAccepted !== null && now < newestAccepted - this.bound) {
      return `the clock is ${seconds(newestAccepted - now)} s behind the newest frame: correct the clock`;
    }
    if (cosignedSeconds !== null && now < cosignedSeconds * 1_000 - this.bound) {
      return `the clock is ${seconds(cosignedSeconds * 1_000 - now)} s behind the signatures of verifiers: correct the clock`;
    }
    if (Math.abs(ahead) > this.bound) {
      return `the clock was set by ${seconds(ahead)} s while this process ran: correct it, or start the process again if it is right now`;
    }
    this.#before ??= { wall: now, steady: this.steady() };
    return null;
  }

  /**
   * The time to date a frame with, ms since 1970: the wall clock's, but for one that has just been set far off. That is found by
   * the next look only, and one frame dated a year ahead would date all that follow.
   */
  date(): number {
    const now = this.wall();
    const ahead = this.jump(now);
    return Math.abs(ahead) > this.bound ? now - ahead : now;
  }

  /** How far the wall clock has moved beyond the time that passed since the first good look. */
  private jump(now: number): number {
    return this.#before === null ? 0 : now - this.#before.wall - (this.steady() - this.#before.steady);
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(0);
}
