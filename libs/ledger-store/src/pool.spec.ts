import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import { SpecStore } from './store.fixture.js';
import { parseInt8, parseTimestamptz } from './column-parsers.js';
import { durabilityProblems } from './durability-problems.js';
import { readDurability, assertDurable } from './durability.js';
import { openPool } from './pool.js';
import { findLedger } from './sql/ledger.js';

let server: TestPostgres;
let store: SpecStore;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'pool');
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

describe('a session', () => {
  const settings = `SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'transaction_timeout',
    'idle_in_transaction_session_timeout', 'search_path', 'TimeZone', 'default_transaction_read_only', 'jit', 'application_name')`;

  it('of a writer is short and ends when it waits', async () => {
    const { rows } = await (
      await store.sealer({ name: 'sealer-s1' })
    ).query<{ name: string; setting: string }>(settings);
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      application_name: 'sealer-s1',
      default_transaction_read_only: 'off',
      idle_in_transaction_session_timeout: '2000',
      jit: 'off',
      lock_timeout: '1000',
      search_path: 'everseal,pg_catalog',
      TimeZone: 'UTC',
      transaction_timeout: '5000',
    });
  });

  it('of a reader may take its time and writes nothing', async () => {
    const { rows } = await (await store.verifier()).query<{ name: string; setting: string }>(settings);
    const found = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    expect(found).toMatchObject({ default_transaction_read_only: 'on', transaction_timeout: '0' });
  });

  it('of a writer may take its time where it says so, whatever its role has', async () => {
    const pool = await store.sealer({ transactions: 'long' });
    const { rows } = await pool.query("SELECT current_setting('transaction_timeout') AS timeout");
    expect(rows).toEqual([{ timeout: '0' }]);
  });

  it('is TLS 1.3 with the client’s certificate', async () => {
    const pool = await store.sealer();
    const { rows } = await pool.query('SELECT version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    expect(rows).toEqual([{ version: 'TLSv1.3', client_dn: '/CN=everseal_sealer' }]);
  });

  it('is refused to another role’s certificate, and to a server that is not known', async () => {
    const own = await store.address('everseal_verifier');
    const options = { name: 'spec', max: 1, transactions: 'long', onIdleError: () => {} } as const;
    const other = openPool({ ...own, ...options, user: 'everseal_sealer' });
    await expect(findLedger(other, 'x')).rejects.toMatchObject({ code: 'store.refused', cause: { code: '28000' } });
    await other.end();
    const unknown = openPool({ ...own, ...options, tls: { ...own.tls, ca: own.tls.cert } });
    await expect(findLedger(unknown, 'x')).rejects.toMatchObject({ code: 'store.unavailable' });
    await unknown.end();
  });

  it('that is idle and breaks is reported and replaced', async () => {
    const errors: Error[] = [];
    let told: () => void;
    const broken = new Promise<void>((resolve) => (told = resolve));
    const pool = await store.sealer({
      onIdleError: (error) => {
        errors.push(error);
        told();
      },
    });
    const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await store.sql(`SELECT pg_terminate_backend(${rows[0]!.pid}, 5000)`);
    await broken;
    expect(errors).toHaveLength(1);
    expect(await findLedger(pool, 'x')).toBeNull();
  });
});

describe('columns', () => {
  it('are numbers, buffers and timestamps, in these pools only', async () => {
    const sql = `SELECT 9007199254740991::bigint AS most, -1::bigint AS least, '\\x00ff'::bytea AS bytes, NULL::bigint AS none,
      timestamptz '2026-01-31 10:30:00.25+01' AS time, timestamptz '0001-01-01 00:00:00Z' AS early, 1::smallint AS small`;
    const { rows } = await (await store.sealer()).query(sql);
    expect(rows).toEqual([
      {
        most: 9007199254740991,
        least: -1,
        bytes: Buffer.from([0, 255]),
        none: null,
        time: '2026-01-31T09:30:00.250Z',
        early: '0001-01-01T00:00:00.000Z',
        small: 1,
      },
    ]);
    // Control: the driver's own parser was left alone.
    expect(await store.sql('SELECT 1::bigint AS n')).toEqual([{ n: '1' }]);
  });

  it('that are beyond what a number holds are refused', async () => {
    const pool = await store.sealer();
    await expect(pool.query('SELECT 9007199254740992::bigint')).rejects.toMatchObject({ code: 'store.unsafe-integer' });
    expect(() => parseInt8('-9223372036854775808')).toThrow(expect.objectContaining({ code: 'store.unsafe-integer' }));
    for (const time of [
      'infinity',
      '2026-01-31 09:30:00.1234+00',
      '0044-03-15 00:00:00+00 BC',
      '10000-01-01 00:00:00+00',
      '2026-01-31 09:30:00+01',
    ]) {
      expect(() => parseTimestamptz(time)).toThrow(expect.objectContaining({ code: 'store.unexpected-value' }));
    }
  });
});

describe('assertDurable', () => {
  it('is content with a server as it should be', async () => {
    const pool = await store.sealer();
    await assertDurable(pool);
    expect(durabilityProblems(await readDurability(pool))).toEqual([]);
  });

  it('sees what was turned off for one role only', async () => {
    await store.sql("ALTER ROLE everseal_sealer SET synchronous_commit = 'off'");
    const pool = await store.sealer();
    await expect(assertDurable(pool)).rejects.toMatchObject({ code: 'store.not-durable', fate: 'stop' });
    // Control: another role of the same server.
    await assertDurable(await store.reader());
    await store.sql('ALTER ROLE everseal_sealer RESET synchronous_commit');
  });

  it('names everything that is wrong with a server', async () => {
    const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'local' };
    const careless = await TestPostgres.start({ settings });
    const other = await SpecStore.create(careless, 'careless');
    const told = await assertDurable(await other.sealer()).catch((error: Error) => error.message);
    for (const [name, value] of Object.entries(settings)) expect(told).toContain(`${name} is ${value}`);
    await other.close();
    await careless.stop();
  });
});
