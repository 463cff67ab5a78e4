/** Waits for a condition instead of for a time: polled, with a bound, so that a test or a start never sleeps longer than it must. */

export interface WaitOptions {
  /** What is waited for, as a noun phrase; stands in the error. */
  what: string;
  /** Bound in milliseconds; 10,000 unless given. */
  timeoutMs?: number;
  /** Pause between two looks in milliseconds; 20 unless given. */
  everyMs?: number;
}

/** The bound of `waitUntil` was reached. */
export class WaitTimeout extends Error {}

/**
 * Calls `look` until it gives something other than undefined, null or false, and returns that.
 * An error thrown by `look` ends the wait; WaitTimeout when the bound is reached.
 */
export async function waitUntil<T>(
  look: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  { what, timeoutMs = 10_000, everyMs = 20 }: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen;
    if (performance.now() > deadline) throw new WaitTimeout(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
