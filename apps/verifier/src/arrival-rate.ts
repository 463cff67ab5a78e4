/** How many entries a second have arrived lately: what the sweeps give way to (docs/decisions/0025). */

/** Entries are counted over about this time. */
const WINDOW_MS = 1_000;

export class ArrivalRate {
  private since = -Infinity;
  private counted = 0;
  private rate = 0;

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {}

  arrived(entries: number): void {
    this.turn();
    this.counted += entries;
  }

  /** Entries a second over the last whole window; 0 after a window without any. */
  perSecond(): number {
    this.turn();
    return this.rate;
  }

  /** Ends the window when it is over. */
  private turn(): void {
    const passed = this.now() - this.since;
    if (passed < WINDOW_MS) return;
    // After a silence longer than a window what was counted is old.
    this.rate = passed < 2 * WINDOW_MS ? (this.counted / passed) * 1_000 : 0;
    this.since = this.now();
    this.counted = 0;
  }
}
