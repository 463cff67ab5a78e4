/**
 * When a block is sealed, and whether this machine's clock may say so (docs/decisions/0066). A block that is dated an hour
 * ahead would date all blocks of that hour, so a clock that was just set is found before the block and not by the next guard.
 */

import { formatTimestamp, parseTimestamp } from '@everseal/audit-core';
import { StopProcess } from '@everseal/process';
import type { Sealing } from './sealing.js';

/** A sealer whose clock is further ahead than this of both Postgres and the newest frame does not seal. */
const CLOCK_AHEAD_MS = 10 * 60_000;

type Clocks = Pick<Sealing, 'postgres' | 'sealed' | 'lanes'>;

/**
 * Now, and later than the block before; milliseconds since 1970.
 * @throws StopProcess clock.ahead; StoreError
 */
export async function timeOfBlock(sealing: Clocks, now: () => number): Promise<number> {
  const { postgres, sealed } = sealing;
  const time = Math.max(now(), sealed === '' ? 0 : parseTimestamp(sealed) + 1);
  if (postgres.ahead(now()) > CLOCK_AHEAD_MS) {
    await postgres.ask();
    if (postgres.ahead(now()) > CLOCK_AHEAD_MS) refuseWildClock(sealing, time);
  }
  return time;
}

/** Milliseconds since 1970, by this machine's clock or Postgres's, whichever is behind. */
export function laterClock({ postgres }: Clocks, now: () => number): number {
  const time = now();
  return time - Math.max(0, postgres.ahead(time));
}

/** Frames that are as far ahead say that it is the clock of Postgres that is behind. */
function refuseWildClock({ lanes }: Clocks, time: number): void {
  const accepted = [...lanes.snapshot().values()].map((head) => parseTimestamp(head.accepted));
  if (time - Math.max(0, ...accepted) <= CLOCK_AHEAD_MS) return;
  throw new StopProcess(
    'clock.ahead',
    `this sealer's clock (${formatTimestamp(time)}) is more than ten minutes ahead of Postgres and of every frame; ` +
      'set the clock right before sealing goes on',
  );
}
