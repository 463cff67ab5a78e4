/**
 * The lease on a ledger while blocks are put back: no sealer seals meanwhile, and every write is under its fence. A sealer
 * that died may still hold one that runs out in seconds, so it is asked for until then; one that renews it is at work, and
 * the restore is refused.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLease, readHead, releaseLease, renewLease, StoreError } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { usage } from './cli-failure.js';

/** A restore that is killed keeps sealers waiting for this long. */
const LEASE_MS = 10_000;
const RENEW_MS = 2_000;
const ASK_EVERY_MS = 500;
const HOLDER = 'everseal-restore';

export class RestoreLease {
  private readonly timer: NodeJS.Timeout;
  private renewing: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    readonly fence: number,
  ) {
    this.timer = setInterval(() => (this.renewing = this.renew()), RENEW_MS);
  }

  /** @throws CliFailure while somebody else is at work; StoreError */
  static async take(pool: Pool, ledgerId: number): Promise<RestoreLease> {
    for (let before = Infinity; ;) {
      const lease = await acquireLease(pool, ledgerId, HOLDER, LEASE_MS);
      if (lease) return new RestoreLease(pool, ledgerId, lease.fence);
      const { holder, leaseLeft, origin } = await readHead(pool, ledgerId);
      if (leaseLeft !== null && leaseLeft > before) {
        throw usage(`${holder} holds the lease of ${origin} and renews it: stop every sealer of it first`);
      }
      before = leaseLeft ?? Infinity;
      await sleep(ASK_EVERY_MS);
    }
  }

  /** Lets a sealer take over at once. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    await this.renewing;
    await releaseLease(this.pool, this.ledgerId, this.fence).catch(() => undefined);
  }

  /** One that fails is no matter here: every write checks the fence itself. */
  private async renew(): Promise<void> {
    try {
      await renewLease(this.pool, this.ledgerId, this.fence, LEASE_MS);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
}
