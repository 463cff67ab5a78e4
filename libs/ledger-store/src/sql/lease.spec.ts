import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { blockAfterHead, CURSOR, expectHead, nextBlock, SpecStore } from '../store.fixture.js';
import { StoreUnavailable } from '../store-error.js';
import { inTransaction } from '../transaction.js';
import { commitBlock } from './block.js';
import { closeLedger, lockFence, readHead } from './head.js';
import { acquireLease, releaseLease, renewLease } from './lease.js';
import { createLedger } from './ledger.js';

const LONG = 600_000;

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let ledgers = 0;
let ledgerId: number;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'lease');
  pool = await store.sealer();
});
beforeEach(async () => {
  ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

/** The database's clock goes past the end of the lease. */
async function expire(): Promise<void> {
  await store.sql(
    `UPDATE everseal.ledger_head SET lease_until = clock_timestamp() - interval '1 second' WHERE ledger_id = ${ledgerId}`,
  );
}

describe('lease', () => {
  it('is given to one of many who ask at once', async () => {
    const asked = await Promise.all(
      ['s1', 's2', 's3', 's4', 's5', 's6'].map((s) => acquireLease(pool, ledgerId, s, LONG)),
    );
    expect(asked.filter((lease) => lease !== null)).toEqual([{ fence: 1 }]);
  });

  it('is not given again while it runs, not even to the same name', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    expect(await acquireLease(pool, ledgerId, 's2', LONG)).toBeNull();
    expect(await acquireLease(pool, ledgerId, 's1', LONG)).toBeNull();
    const { leaseLeft, holder } = await readHead(pool, ledgerId);
    expect(holder).toBe('s1');
    expect(leaseLeft).toBeGreaterThan(LONG / 2);
  });

  it('is taken over once the database’s clock is past its end, under a higher fence', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    await expire();
    expect((await readHead(pool, ledgerId)).leaseLeft).toBeLessThan(0);
    expect(await acquireLease(pool, ledgerId, 's2', LONG)).toEqual({ fence: 2 });
    expect(await renewLease(pool, ledgerId, 1, LONG)).toBe(false);
    expect(await renewLease(pool, ledgerId, 2, LONG)).toBe(true);
  });

  it('that ran out is renewed while nobody took it', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    await expire();
    expect(await renewLease(pool, ledgerId, 1, LONG)).toBe(true);
    expect(await acquireLease(pool, ledgerId, 's2', LONG)).toBeNull();
  });

  it('that is released can be taken at once; a late release of an old holder changes nothing', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    await releaseLease(pool, ledgerId, 1);
    expect(await renewLease(pool, ledgerId, 1, LONG)).toBe(false);
    expect(await acquireLease(pool, ledgerId, 's2', LONG)).toEqual({ fence: 2 });
    await releaseLease(pool, ledgerId, 1);
    expect((await readHead(pool, ledgerId)).holder).toBe('s2');
  });
});

describe('fence', () => {
  it('keeps an old holder from writing, whatever it believes', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    const write = await blockAfterHead(pool, ledgerId);
    await expire();
    await acquireLease(pool, ledgerId, 's2', LONG);
    await expect(commitBlock(pool, write)).rejects.toMatchObject({ code: 'store.fence-lost', fate: 'stop' });
    expect(await readHead(pool, ledgerId)).toMatchObject({ height: -1, size: 0, fence: 2 });
    // Control: the same write under the new fence goes through.
    await commitBlock(pool, { ...write, expect: { ...write.expect, fence: 2 } });
    expect(await readHead(pool, ledgerId)).toMatchObject({ height: 0, fence: 2 });
  });

  it('is not raised in the middle of a commit: the take-over waits for it', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    await expire();
    let taken: Promise<{ fence: number } | null> | undefined;
    await inTransaction(pool, 'holding the head', async (client) => {
      await lockFence(client, ledgerId, 1);
      taken = acquireLease(pool, ledgerId, 's2', LONG);
      await waitForLock();
    });
    expect(await taken).toEqual({ fence: 2 });
  });

  it('is free again when its holder stops in the middle of a transaction', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    await expire();
    const stopped = await pool.connect();
    stopped.on('error', () => {}); // the server ends the session
    await stopped.query('BEGIN');
    await lockFence(stopped, ledgerId, 1);
    let taken: { fence: number } | null = null;
    for (let attempt = 0; taken === null && attempt < 20; attempt++) {
      taken = await acquireLease(pool, ledgerId, 's2', LONG).catch((error: unknown) => {
        // lock_timeout: later
        if (!(error instanceof StoreUnavailable)) throw error;
        return null;
      });
    }
    expect(taken).toEqual({ fence: 2 });
    await expect(stopped.query('COMMIT')).rejects.toThrow();
    stopped.release(true);
  });

  it('of a closed ledger lets nothing in', async () => {
    await acquireLease(pool, ledgerId, 's1', LONG);
    await commitBlock(pool, await blockAfterHead(pool, ledgerId));
    await expect(closeLedger(pool, ledgerId, 7)).rejects.toMatchObject({ code: 'store.fence-lost' });
    await closeLedger(pool, ledgerId, 1);
    const head = await readHead(pool, ledgerId);
    expect(head.state).toBe('closed');
    await expect(commitBlock(pool, nextBlock(expectHead(head)))).rejects.toMatchObject({ code: 'store.ledger-closed' });
  });
});

/** Until somebody waits for a lock in this database. */
async function waitForLock(): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const waiting = await store.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if (waiting.length > 0) return;
  }
  throw new Error('nobody waits for a lock');
}
