/**
 * Keeps alerts about the system ledger itself from feeding on each other: what is sealed there may be what the next alert
 * is about (an index that cannot go on, a verifier that falls behind), and that alert would be sealed there, too.
 *
 * Of those about the system ledger a service seals so many in an hour and no more. Alerts about other ledgers are not
 * counted and not held up. What is left out stays in the alert book and in the stream ALERTS, and shows in the system
 * ledger as a missing number.
 */
export const SELF_ALERTS_AN_HOUR = 20;

const HOUR_MS = 3_600_000;

export class SelfAlerts {
  /** Times of those let through in the last hour, oldest first. */
  private times: number[] = [];

  /** @param now milliseconds, of a clock that only goes forward */
  constructor(private readonly now: () => number) {}

  /** Whether one more may be sealed; counts it if so. */
  admit(): boolean {
    const now = this.now();
    this.times = this.times.filter((time) => time > now - HOUR_MS);
    if (this.times.length >= SELF_ALERTS_AN_HOUR) return false;
    this.times.push(now);
    return true;
  }
}
