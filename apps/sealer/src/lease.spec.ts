import { getEventListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { acquireLease, releaseLease } from '@everseal/ledger-store';
import { TestPostgres } from '@everseal/testing';
import { Lease } from './lease.js';
import { SealerStore } from './sealer-store.fixture.js';

let server: TestPostgres;
let ledger: SealerStore;
beforeAll(async () => {
  server = await TestPostgres.start();
  ledger = await SealerStore.create(server, 'lease');
});
afterAll(async () => {
  await ledger.close();
  await server.stop();
});

describe('a standby', () => {
  it('says that it is well at every look, leaves no listener behind, and takes the lease when it is free', async () => {
    const { pool, ledgerId } = ledger;
    const other = await acquireLease(pool, ledgerId, 's1', 600_000);
    const abort = new AbortController();
    const lease = new Lease(pool, ledgerId, 's2', () => {});
    const listeners: number[] = [];
    const fence = await lease.take(abort.signal, () => {
      listeners.push(getEventListeners(abort.signal, 'abort').length);
      if (listeners.length === 3) void releaseLease(pool, ledgerId, other!.fence);
    });
    // The look that got the lease does not count: the head is not recovered yet.
    expect(listeners.length).toBeGreaterThanOrEqual(3);
    expect(new Set(listeners)).toEqual(new Set([0]));
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    expect(fence).toBe(other!.fence + 1);

    let turns = 0;
    expect(await lease.take(abort.signal, () => turns++)).toBe(fence);
    expect(turns).toBe(0);
    await lease.release();
  });

  it('ends its wait at once when it is stopped', async () => {
    const { pool, ledgerId } = ledger;
    await acquireLease(pool, ledgerId, 's1', 600_000);
    const abort = new AbortController();
    const lease = new Lease(pool, ledgerId, 's2', () => {});
    expect(await lease.take(abort.signal, () => setImmediate(() => abort.abort()))).toBeNull();
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  });
});
