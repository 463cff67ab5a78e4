/**
 * When a checkpoint is to be anchored. Time is cut into periods of equal length, by the times at which blocks were sealed; of each
 * period that has a checkpoint the last one is anchored, once the period is over. So which checkpoints an anchor holds follows from
 * the log, and one that was away fills in what it missed, in order.
 */

/** Periods that may be missed before `anchor.overdue`. */
const MISSED_PERIODS = 2;

/**
 * End of the period in which a checkpoint was sealed: from then on the last one of it is due.
 * @param sealed milliseconds since 1970, as the block says it @param everyMs length of a period
 */
export function anchorDue(sealed: number, everyMs: number): number {
  return (Math.floor(sealed / everyMs) + 1) * everyMs;
}

/** Whether an anchor that was due is missing for two periods. All in milliseconds. */
export function isAnchorOverdue(due: number, everyMs: number, now: number): boolean {
  return now - due >= MISSED_PERIODS * everyMs;
}
