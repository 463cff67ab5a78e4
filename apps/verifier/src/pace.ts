/**
 * The rate of a sweep: so many entries a second and no more, so that re-reading everything for ever leaves the sealer
 * its share of the machine. Also lets the event loop turn after every piece of work.
 */

export class Pace {
  private start = 0;
  private done = 0;

  /** @param perSecond entries a second; Infinity for as fast as it goes */
  constructor(private readonly perSecond: number) {}

  /** Called after each piece of work; waits when the sweep is ahead of its rate. */
  async spent(entries: number): Promise<void> {
    const now = performance.now();
    // A pause (between passes, or a slow database) is not saved up for a burst.
    if (this.ahead(now) < -1_000) this.reset(now);
    this.done += entries;
    const wait = this.ahead(now);
    await new Promise((resolve) => (wait > 1 ? setTimeout(resolve, wait) : setImmediate(resolve)));
  }

  private ahead(now: number): number {
    return (this.done / this.perSecond) * 1_000 - (now - this.start);
  }

  private reset(now: number): void {
    this.start = now;
    this.done = 0;
  }
}
