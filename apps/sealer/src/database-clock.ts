/**
 * The clock of Postgres, asked for now and then and carried on in between by a clock that nobody sets: what it must show by now.
 * A machine that slept is behind with it until it asks again, so nothing is concluded before that.
 */
export class DatabaseClock {
  private asked: { says: number; steady: number } | null = null;

  /**
   * @param read what Postgres says, milliseconds since 1970
   * @param steady monotonic clock, milliseconds
   */
  constructor(
    private readonly read: () => Promise<number>,
    private readonly steady: () => number,
  ) {}

  /** @throws StoreError */
  async ask(): Promise<void> {
    const says = await this.read();
    this.asked = { says, steady: this.steady() };
  }

  /** How far this time is ahead of Postgres, milliseconds; the first call comes after `ask`. */
  ahead(time: number): number {
    if (this.asked === null) throw new Error('the clock of Postgres was not asked yet');
    return time - this.asked.says - (this.steady() - this.asked.steady);
  }
}
