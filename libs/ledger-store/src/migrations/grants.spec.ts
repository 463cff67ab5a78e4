import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { SpecStore, type LoginRole } from '../store.fixture.js';

/** Everything each role may do with tables, and nothing else. Columns of INSERT and UPDATE are named. */
const SEALER: Record<string, string> = {
  anchor: 'SELECT INSERT(ledger_id size kind target evidence)',
  block: 'SELECT INSERT(ledger_id height first next entries hash sealed)',
  block_body: 'SELECT INSERT(ledger_id height body)',
  checkpoint: 'SELECT INSERT(ledger_id size note)',
  cosignature: 'SELECT INSERT(ledger_id size signer key_id line)',
  event_index:
    'SELECT INSERT(position accepted occurred identity duplicate_of ledger_id producer event_id source type subject ' +
    'actor action target outcome)',
  event_index_p0: '',
  event_index_p1: '',
  frame: 'SELECT INSERT(ledger_id ingester number hash position sequence reason bytes) UPDATE(position)',
  gap: 'SELECT INSERT(ledger_id ingester first last cause position)',
  index_head: 'SELECT INSERT(ledger_id position) UPDATE(position)',
  ledger: 'SELECT INSERT(origin)',
  ledger_head:
    'SELECT INSERT(ledger_id height size previous frontier sealed keys_index stream_epoch stream_created ' +
    'stream_sequence stream_hash holder fence lease_until state) UPDATE(height size previous frontier sealed keys_index ' +
    'stream_epoch stream_created stream_sequence stream_hash holder fence lease_until state)',
  migration: 'SELECT',
  tile: 'SELECT INSERT(ledger_id level number data root)',
};
const READ_ONLY = Object.fromEntries(
  Object.entries(SEALER).map(([table, rights]) => [table, rights === '' ? '' : 'SELECT']),
);
const NOTHING = Object.fromEntries(Object.keys(SEALER).map((table) => [table, '']));

let server: TestPostgres;
let store: SpecStore;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'grants');
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

/** Whether the role may run it: what counts is the server's verdict, not what the catalog says. */
async function may(pool: Pool, sql: string): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN READ WRITE');
    await client.query(sql);
    return true;
  } catch (error) {
    const { code } = error as { code: string };
    if (code === '42501') return false;
    throw error;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

/**
 * What a role can do with a table, tried verb by verb and column by column (on no rows: the check comes first), in one
 * block on the server. generated_always: a column that nobody may insert into.
 */
async function rightsOn(pool: Pool, table: string, columns: readonly string[]): Promise<string> {
  const attempts = [
    ['SELECT', '', `SELECT FROM everseal.${table} WHERE false`],
    ...columns.map((name) => ['INSERT', name, `INSERT INTO everseal.${table} (${name}) SELECT NULL WHERE false`]),
    ...columns.map((name) => ['UPDATE', name, `UPDATE everseal.${table} SET ${name} = DEFAULT WHERE false`]),
    ['DELETE', '', `DELETE FROM everseal.${table} WHERE false`],
    ['TRUNCATE', '', `TRUNCATE everseal.${table} CASCADE`],
  ] as const;
  const client = await pool.connect();
  await client.query('BEGIN READ WRITE');
  await client.query(`DO $do$
    DECLARE attempt text; allowed text := '';
    BEGIN
      FOREACH attempt IN ARRAY ARRAY[${attempts.map(([, , sql]) => `'${sql}'`).join(', ')}] LOOP
        BEGIN
          EXECUTE attempt;
          allowed := allowed || '+';
        EXCEPTION WHEN insufficient_privilege OR generated_always THEN allowed := allowed || '-';
        END;
      END LOOP;
      PERFORM set_config('spec.allowed', allowed, true);
    END $do$`);
  const { rows } = await client.query<{ allowed: string }>("SELECT current_setting('spec.allowed') AS allowed");
  await client.query('ROLLBACK');
  client.release();
  const allowed = attempts.filter((_, i) => rows[0]!.allowed[i] === '+');
  const verbs = [...new Set(allowed.map(([verb]) => verb))];
  return verbs
    .map((verb) => {
      const names = allowed.filter(([of, name]) => of === verb && name !== '').map(([, name]) => name);
      return names.length > 0 ? `${verb}(${names.join(' ')})` : verb;
    })
    .join(' ');
}

describe('rights on tables', () => {
  it.each<[LoginRole, Record<string, string>]>([
    ['everseal_sealer', SEALER],
    ['everseal_verifier', READ_ONLY],
    ['everseal_reader', READ_ONLY],
    ['everseal_migrator', NOTHING],
  ])('of %s', async (role, expected) => {
    const tables = await store.sql(
      `SELECT relname AS table, array_agg(attname::text ORDER BY attnum) AS columns
       FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
       WHERE relnamespace = 'everseal'::regnamespace AND relkind IN ('r', 'p') GROUP BY relname`,
    );
    const pool = await store.pool(role, { transactions: 'long' });
    const found: Record<string, string> = {};
    for (const { table, columns } of tables as { table: string; columns: string[] }[]) {
      found[table] = await rightsOn(pool, table, columns);
    }
    expect(found).toEqual(expected);
  });
});

const ATTEMPTS = [
  'CREATE TABLE everseal.mine ()',
  'CREATE TABLE public.mine ()',
  'CREATE TEMP TABLE mine ()',
  'CREATE SCHEMA mine',
  'CREATE FUNCTION everseal.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  'CREATE RULE mine AS ON INSERT TO everseal.block DO INSTEAD NOTHING',
  'CREATE TRIGGER mine BEFORE INSERT ON everseal.block EXECUTE FUNCTION everseal.refuse_change()',
  'ALTER TABLE everseal.block DISABLE TRIGGER ALL',
  'ALTER TABLE everseal.block ENABLE ROW LEVEL SECURITY',
  'DROP TABLE everseal.event_index_p0',
  'ALTER TABLE everseal.event_index DETACH PARTITION everseal.event_index_p0',
  'ALTER SCHEMA everseal RENAME TO elsewhere',
  "SET session_replication_role = 'replica'",
  'SELECT lo_create(0)',
  "SELECT lo_from_bytea(0, 'x')",
  "COPY everseal.ledger TO PROGRAM 'true'",
  "SELECT pg_read_file('postgresql.conf')",
  'ALTER SYSTEM SET fsync = off',
  'ALTER ROLE everseal_reader SUPERUSER',
  'SELECT rolpassword FROM pg_authid',
];

describe('everything else', () => {
  it.each<LoginRole>(['everseal_sealer', 'everseal_verifier', 'everseal_reader', 'everseal_migrator'])(
    'is refused to %s',
    async (role) => {
      const pool = await store.pool(role, { transactions: 'long' });
      const allowed: string[] = [];
      for (const attempt of ATTEMPTS) if (await tries(pool, attempt)) allowed.push(attempt);
      expect(allowed).toEqual([]);
    },
  );

  it('of the services is refused: acting as the owner', async () => {
    for (const role of ['everseal_sealer', 'everseal_verifier', 'everseal_reader'] as const) {
      expect(await may(await store.pool(role), 'SET ROLE everseal_owner')).toBe(false);
    }
    // Control: the migrator can, which is what it is for.
    expect(await may(await store.pool('everseal_migrator'), 'SET ROLE everseal_owner')).toBe(true);
  });

  it('that needs UPDATE in disguise is refused to the sealer', async () => {
    const pool = await store.sealer();
    const insert = 'INSERT INTO everseal.gap (ledger_id, ingester, first, last, cause, position)';
    for (const disguise of [
      'SELECT FROM everseal.block FOR UPDATE',
      'SELECT FROM everseal.block FOR SHARE',
      'LOCK TABLE everseal.block IN EXCLUSIVE MODE',
      `${insert} SELECT 1, 'a', 1, 1, 'lost', 1 WHERE false ON CONFLICT (ledger_id, ingester, first) DO UPDATE SET last = 2`,
      'MERGE INTO everseal.gap g USING everseal.ledger l ON false WHEN MATCHED THEN UPDATE SET last = 2',
    ]) {
      expect([disguise, await may(pool, disguise)]).toEqual([disguise, false]);
    }
    // Control: the same with nothing to update.
    expect(await may(pool, `${insert} SELECT 1, 'a', 1, 1, 'lost', 1 WHERE false ON CONFLICT DO NOTHING`)).toBe(true);
  });

  it('of giving rights away does nothing', async () => {
    const acl = "SELECT relacl::text FROM pg_class WHERE oid = 'everseal.block'::regclass";
    const before = await store.sql(acl);
    // Postgres answers with a warning, not an error.
    await (await store.sealer()).query('GRANT ALL ON everseal.block TO everseal_sealer, everseal_reader');
    expect(await store.sql(acl)).toEqual(before);
  });

  it('that writes fails for a reader even before rights are looked at, in a session that asks for nothing', async () => {
    const pool = await store.reader();
    await expect(pool.query('INSERT INTO everseal.ledger (origin) VALUES (1)')).rejects.toMatchObject({
      code: '25006',
    });
  });
});

/** As `may`, outside a transaction, and with the reading roles' default set aside: it is the rights that must hold. */
async function tries(pool: Pool, sql: string): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query('SET default_transaction_read_only = off');
    await client.query(sql);
    return true;
  } catch (error) {
    if ((error as { code: string }).code !== '42501') throw error;
    return false;
  } finally {
    client.release(true);
  }
}

describe('PUBLIC', () => {
  it('has nothing in a database that was set up; control: it has in one that was not', async () => {
    await server.query('CREATE ROLE stranger LOGIN');
    await server.createDatabase('plain');
    const files = await server.client('stranger');
    const { Client } = await import('pg');
    const attempt = async (database: string, sql: string) => {
      const client = new Client({ ...server.connection('stranger', files), database });
      try {
        await client.connect();
        await client.query(sql);
        return 'done';
      } catch (error) {
        return (error as { code: string }).code;
      } finally {
        await client.end();
      }
    };
    expect(await attempt('plain', 'CREATE TEMP TABLE mine ()')).toBe('done');
    expect(await attempt('plain', 'SELECT lo_create(0)')).toBe('done');
    expect(await attempt('grants', 'SELECT 1')).toBe('42501');
  });
});
