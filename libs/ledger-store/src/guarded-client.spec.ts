/** Against a real server: what it sends is what a row would make it send. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { copyOut } from './copy/copy-out.js';
import { openReadSource } from './event-record.js';
import { readHead } from './sql/head.js';
import { createLedger } from './sql/ledger.js';
import { CURSOR, SpecStore } from './store.fixture.js';
import { onConnection } from './transaction.js';

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'guarded');
  pool = await store.verifier();
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

/** Longer than the longest string of V8. */
const BEYOND_STRINGS = `SELECT repeat('x', 600000000) AS text`;
/** A string all right, and more than anything honest. */
const BEYOND_BOUND = `SELECT repeat('x', 67108864) AS text`;

const ask = (sql: string): Promise<unknown> =>
  onConnection(pool, 'asking', async (client) => (await client.query(sql)).rows);

const answers = async (): Promise<void> => expect(await ask('SELECT 1 AS one')).toEqual([{ one: 1 }]);

describe('an answer that cannot be read', () => {
  it.each([
    ['longer than a string can be', BEYOND_STRINGS],
    ['longer than the bound', BEYOND_BOUND],
  ])('fails its question, and nothing else: %s', async (_what, sql) => {
    await expect(ask(sql)).rejects.toMatchObject({ code: 'store.unexpected-value', fate: 'stop' });
    await answers();
    await expect(pool.query(sql)).rejects.toMatchObject({ code: 'store.unexpected-value' });
    await answers();
  });

  it('fails its question where events are searched', async () => {
    const options = { name: 'spec', max: 1, readStatementMs: 60_000, onIdleError: () => {} };
    const source = await openReadSource({ ...(await store.address('everseal_reader')), ...options });
    try {
      await expect(source.query(BEYOND_STRINGS)).rejects.toMatchObject({ driverError: expect.any(Error) });
      expect(await source.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await source.destroy();
    }
  });

  it('fails its question whatever the driver throws', async () => {
    const asked = onConnection(pool, 'asking', (client) => {
      const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
      connection.once('dataRow', () => {
        throw new TypeError('a bug');
      });
      return client.query('SELECT 1');
    });
    await expect(asked).rejects.toMatchObject({
      code: 'store.unexpected-value',
      cause: { cause: new TypeError('a bug') },
    });
    await answers();
  });

  it('control: the longest body is read, and rows by COPY', async () => {
    const [row] = (await ask(`SELECT decode(repeat('00', 9437184), 'hex') AS body`)) as { body: Buffer }[];
    expect(row?.body).toHaveLength(9_437_184);
    let rows = 0;
    const numbers = copyOut(pool, 'SELECT generate_series(1, 100000)', 4, 'copying');
    for await (const some of numbers) rows += some.length;
    expect(rows).toBe(100_000);
    await answers();
  });
});

describe('a row that cannot be read', () => {
  it('fails who reads it: the head with a name of 600 MB', async () => {
    const ledgerId = await createLedger(await store.sealer(), 'audit.example.com/main', CURSOR);
    // As a superuser may; the sealer's login alone cannot write so much.
    await store.sql('ALTER TABLE everseal.ledger_head DROP CONSTRAINT ledger_head_holder_bound');
    const holder = (text: string): Promise<unknown> =>
      store.sql(`UPDATE everseal.ledger_head SET holder = ${text}, lease_until = now()`);
    await holder(`repeat('x', 600000000)`);
    await expect(readHead(pool, ledgerId)).rejects.toMatchObject({ code: 'store.unexpected-value' });
    await holder(`'s1'`);
    expect(await readHead(pool, ledgerId)).toMatchObject({ holder: 's1' });
  });
});
