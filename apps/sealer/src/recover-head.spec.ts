import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import { recoverHead } from './recover-head.js';
import { SealerStore } from './sealer-store.fixture.js';

let server: TestPostgres;
let ledger: SealerStore;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  ledger = await SealerStore.create(server, `head${databases++}`);
  for (let i = 0; i < 3; i++) await ledger.sealEvents(5);
});
afterEach(() => ledger.close());
afterAll(() => server.stop());

describe('recovering the head', () => {
  it('goes on behind what is stored', async () => {
    const head = await recoverHead(ledger.recoverFrom);
    expect([head.height, head.size, head.lanes.head('a')?.number]).toEqual([3, ledger.tree.size, 3]);
    expect(head.tree.root()).toEqual(ledger.tree.root());
  });

  it.each([
    ['a body is no bundle', `UPDATE everseal.block_body SET body = '\\x0005ff' WHERE height = 1`, 'head.damaged'],
    [
      // Same length, same hash in the row: only the note says which frame it is.
      'a lane points at another frame',
      `DELETE FROM everseal.frame WHERE number = 3;
       UPDATE everseal.frame SET number = 7 WHERE number = 2`,
      'head.damaged',
    ],
    [
      'a lane points at an entry that is not there',
      'UPDATE everseal.frame SET position = 9000 WHERE number = 3',
      'head.damaged',
    ],
    ['a frame is another one', `UPDATE everseal.frame SET hash = sha256('x') WHERE number = 3`, 'head.frame'],
  ])('stops the process when %s', async (_, sql, code) => {
    await ledger.tamper(sql);
    await expect(recoverHead(ledger.recoverFrom)).rejects.toMatchObject({ code, fate: 'stop' });
  });

  it('is tried again when Postgres does not answer', async () => {
    const pool = await ledger.store.sealer({ port: 1 });
    await expect(recoverHead({ ...ledger.recoverFrom, pool })).rejects.toMatchObject({ fate: 'retry' });
  });
});
