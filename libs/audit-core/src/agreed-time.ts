/**
 * The time that several verifiers agree has come. A cosignature carries its verifier's clock, and one of those clocks may be
 * wrong: what follows from it (a closed intake, an alert about somebody else's clock) must not follow from one alone.
 *
 * Each verifier's newest time counts, and of these the earliest: every one of them had come as far. With one verifier it is that
 * verifier's word.
 */

/** The time of a cosignature, seconds since 1970. */
export interface CosignedTime {
  /** Name of the verifier's key. */
  readonly verifier: string;
  readonly seconds: number;
}

/** @returns seconds since 1970; null when nobody has cosigned */
export function agreedSeconds(times: readonly CosignedTime[]): number | null {
  const newest = new Map<string, number>();
  for (const { verifier, seconds } of times) newest.set(verifier, Math.max(seconds, newest.get(verifier) ?? 0));
  return newest.size === 0 ? null : Math.min(...newest.values());
}
