import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { createLedger } from '../sql/ledger.js';
import { CURSOR, SpecStore } from '../store.fixture.js';

let server: TestPostgres;
let store: SpecStore;
let sealer: Pool;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'bounds');
  sealer = await store.sealer();
  await createLedger(sealer, 'audit.example.com/main', CURSOR);
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

const TOO_LONG = { code: '23514' };

describe('texts that the sealer may write', () => {
  it.each(['holder', 'stream_epoch', 'stream_created'])('%s of the head row has a bound', async (column) => {
    const write = (bytes: number): Promise<unknown> =>
      sealer
        .query(`UPDATE ledger_head SET lease_until = now(), holder = 's1'`)
        .then(() => sealer.query(`UPDATE ledger_head SET ${column} = repeat('x', $1)`, [bytes]));
    await write(1_024); // control
    await expect(write(1_025)).rejects.toMatchObject(TOO_LONG);
    // Control: it is the constraint that refuses.
    await store.sql(`ALTER TABLE everseal.ledger_head DROP CONSTRAINT ledger_head_${column}_bound`);
    await write(1_025);
  });
});
