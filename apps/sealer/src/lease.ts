/**
 * One active sealer a ledger: a lease in the head row, by the database's clock. Taking it raises the fence, and every
 * write checks the fence, so a sealer that was paused and lost its lease cannot write when it wakes. Losing it stops
 * the process: what it had in memory is no longer the head.
 */

import { acquireLease, releaseLease, renewLease } from '@everseal/ledger-store';
import { fateOf, StopProcess } from '@everseal/process';
import type { Pool } from 'pg';

/** A dead holder is replaced after at most this long, plus one poll of the standby. */
const LEASE_MS = 3_000;
const RENEW_MS = 1_000;
const STANDBY_POLL_MS = 500;

export class Lease {
  private timer: NodeJS.Timeout | null = null;
  private held: number | null = null;
  private renewing = false;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly holder: string,
    /** Called once when the lease is gone although it should be ours. */
    private readonly onLost: (error: Error) => void,
  ) {}

  get isHeld(): boolean {
    return this.held !== null;
  }

  /**
   * Waits as a standby until the lease is free, then holds and renews it; a lease that is held already stays.
   *
   * @param onTurn called after every look that found another holder: a standby that waits is well
   * @returns the fence, or null when the signal ended the wait
   */
  async take(signal: AbortSignal, onTurn: () => void): Promise<number | null> {
    while (!signal.aborted && this.held === null) {
      const lease = await acquireLease(this.pool, this.ledgerId, this.holder, LEASE_MS);
      if (lease) {
        this.held = lease.fence;
        this.timer = setInterval(() => void this.renew(), RENEW_MS);
      } else {
        onTurn();
        await pause(STANDBY_POLL_MS, signal);
      }
    }
    return this.held;
  }

  /**
   * Renews now and waits for it. The update waits for the row's lock, so a transaction of ours whose answer was lost has
   * ended one way or the other when this returns: the head can be read.
   */
  async confirm(): Promise<void> {
    if (this.held !== null && (await renewLease(this.pool, this.ledgerId, this.held, LEASE_MS))) return;
    this.drop();
    throw new StopProcess('lease.lost', `${this.holder} lost the lease of the ledger to another sealer`);
  }

  private async renew(): Promise<void> {
    // A database that hangs must not be given one more waiting connection every second.
    if (this.held === null || this.renewing) return;
    this.renewing = true;
    try {
      if (await renewLease(this.pool, this.ledgerId, this.held, LEASE_MS)) return;
      if (this.held === null) return; // given back meanwhile
      this.drop();
      this.onLost(new StopProcess('lease.lost', `${this.holder} lost the lease of the ledger to another sealer`));
    } catch (error) {
      // Postgres did not answer, or the outcome is unknown. Every write checks the fence itself, so the next renewal or
      // write tells; a failure that cannot pass ends the process.
      if (fateOf(error) === 'stop' && !isUnknown(error)) this.onLost(error as Error);
    } finally {
      this.renewing = false;
    }
  }

  private drop(): void {
    this.held = null;
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** Gives the lease back at a graceful stop, so that a standby need not wait for it to run out. */
  async release(): Promise<void> {
    const fence = this.held;
    this.drop();
    if (fence !== null) await releaseLease(this.pool, this.ledgerId, fence).catch(() => undefined);
  }
}

/** The store's third outcome: neither done nor not done, the head has to be read again. */
export function isUnknown(error: unknown): boolean {
  return error instanceof Error && 'fate' in error && error.fate === 're-read';
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      // A standby polls for weeks: the signal must not collect a listener every time.
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
