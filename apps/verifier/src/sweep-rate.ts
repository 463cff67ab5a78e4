/**
 * How fast a sweep goes: at its set rate, and at a tenth of it while many new entries arrive. Nothing is lost by giving
 * way: the newest blocks are checked by the tail, and what a sweep would find in old ones stands there afterwards, too.
 */

/** Above so many new entries a second the sweeps give way. */
export const BUSY_ENTRIES_A_SECOND = 500;
const SHARE_WHEN_BUSY = 0.1;

/**
 * @param set the rate of the settings, entries a second; 0 means as fast as it goes, always
 * @param arriving new entries a second
 */
export function sweepRate(set: number, arriving: number): number {
  if (set === 0) return Infinity;
  return arriving > BUSY_ENTRIES_A_SECOND ? set * SHARE_WHEN_BUSY : set;
}
