import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Client } from 'pg';
import { blockAfterHead, CURSOR, expectHead, SpecStore, specHash } from '../store.fixture.js';
import { insertAnchor } from '../sql/anchor.js';
import { advanceCursor, commitBlock } from '../sql/block.js';
import { insertCheckpoint } from '../sql/checkpoint.js';
import { insertCosignature } from '../sql/cosignature.js';
import { EventIndexWriter } from '../sql/event-index.js';
import { readHead } from '../sql/head.js';
import { acquireLease } from '../sql/lease.js';
import { createLedger } from '../sql/ledger.js';

let server: TestPostgres;
let store: SpecStore;
/** A superuser's connection in a transaction that is rolled back after each test. */
let client: Client;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'append');
  await fillEveryTable();
  client = await store.superuser();
});
beforeEach(async () => {
  await client.query('ROLLBACK; BEGIN');
});
afterAll(async () => {
  await client.end();
  await store.close();
  await server.stop();
});

async function fillEveryTable(): Promise<void> {
  const pool = await store.sealer();
  const ledgerId = await createLedger(pool, 'audit.example.com/main', CURSOR);
  await acquireLease(pool, ledgerId, 's1', 600_000);
  const write = await blockAfterHead(pool, ledgerId);
  await commitBlock(pool, {
    ...write,
    tiles: [{ level: 0, number: 0, data: Buffer.alloc(8192), root: specHash('root') }],
    frames: [{ ingester: 'a', number: 5, hash: specHash('a 5'), position: 2, sequence: 1 }],
    gaps: [{ ingester: 'a', first: 1, last: 4, cause: 'lost', position: 1 }],
  });
  const held = {
    ingester: 'a',
    number: 7,
    hash: specHash('a 7'),
    sequence: 2,
    bytes: Buffer.from('held'),
    reason: null,
  };
  await advanceCursor(pool, expectHead(await readHead(pool, ledgerId)), CURSOR, [held]);
  const size = write.block.next;
  await insertCheckpoint(pool, ledgerId, 1, { size, note: 'note' });
  await insertCosignature(pool, ledgerId, { size, signer: 'v1', keyId: Buffer.alloc(4), line: 'line' });
  await insertAnchor(pool, ledgerId, { size, kind: 'rfc3161', target: 'tsa', evidence: Buffer.from('token') });
  const texts = {
    eventId: 'e',
    source: 's',
    type: 't',
    subject: null,
    actor: null,
    action: null,
    target: null,
    outcome: null,
  };
  const row = {
    position: 3,
    accepted: 0n,
    occurred: null,
    identity: null,
    duplicateOf: null,
    producer: 'billing',
    ...texts,
  };
  await new EventIndexWriter(pool, ledgerId).write({ from: 0, to: 4, rows: [row] });
}

const ALL =
  'anchor block block_body checkpoint cosignature event_index frame gap index_head ledger ledger_head migration tile'.split(
    ' ',
  );
const HEADS = ['index_head', 'ledger_head'];
const PARTITIONS = ['event_index_p0', 'event_index_p1'];
const REFUSED = { code: 'EV001' };

/** A column that can be set to itself, per table. */
const column = (table: string): string =>
  table === 'migration' ? 'name' : table === 'ledger' ? 'origin' : 'ledger_id';

const changes = (table: string): string[] => [
  `UPDATE everseal.${table} SET ${column(table)} = ${column(table)}`,
  `DELETE FROM everseal.${table}`,
  `TRUNCATE everseal.${table} CASCADE`,
];

describe('the guards know every table', () => {
  it('and no other', async () => {
    const tables = await store.sql(
      `SELECT relname FROM pg_class WHERE relnamespace = 'everseal'::regnamespace AND relkind IN ('r', 'p')
         AND NOT relispartition ORDER BY relname`,
    );
    expect(tables.map(({ relname }) => relname)).toEqual(ALL);
    for (const table of ALL) {
      const rows = await store.sql(`SELECT FROM everseal.${table}`);
      expect([table, rows.length > 0]).toEqual([table, true]);
    }
  });
});

const CASES = [...ALL.filter((table) => !HEADS.includes(table) && table !== 'frame'), 'event_index_p0']
  .flatMap((table) => changes(table).map((change) => [table, change] as const))
  .concat(
    HEADS.flatMap((table) =>
      changes(table)
        .slice(1)
        .map((change) => [table, change] as const),
    ),
  )
  .concat(changes('frame').map((change) => ['frame', change] as const));

describe('a change that is not an insert', () => {
  it.each(CASES)('of %s: %s', async (_, change) => {
    await client.query('SET LOCAL ROLE everseal_owner; SAVEPOINT s');
    await expect(client.query(change)).rejects.toMatchObject(REFUSED);
    // ENABLE ALWAYS: also where ordinary triggers do not fire.
    await client.query("ROLLBACK TO s; RESET ROLE; SET LOCAL session_replication_role = 'replica'");
    await expect(client.query(change)).rejects.toMatchObject(REFUSED);
    // Control: with the triggers off it goes through, so nothing else is in the way.
    await client.query(`ROLLBACK TO s; RESET ROLE; ${DISABLE}`);
    const { rowCount } = await client.query(change);
    expect(change.startsWith('TRUNCATE') || rowCount! > 0).toBe(true);
  });
});

/** TRUNCATE … CASCADE reaches the tables that refer to this one; DELETE and UPDATE are stopped by foreign keys too. */
const DISABLE = `SET LOCAL session_replication_role = 'replica';
  ${[...ALL, ...PARTITIONS].map((table) => `ALTER TABLE everseal.${table} DISABLE TRIGGER USER;`).join(' ')}`;

describe('the two head rows', () => {
  it.each(HEADS)('of %s may change', async (table) => {
    await client.query('SET LOCAL ROLE everseal_owner');
    const { rowCount } = await client.query(`UPDATE everseal.${table} SET ledger_id = ledger_id`);
    expect(rowCount).toBe(1);
  });
});

describe('a frame', () => {
  const HELD = 'WHERE position IS NULL';
  const seal = `UPDATE everseal.frame SET position = 9 ${HELD}`;

  it('that waits gets its position, once, and loses its bytes', async () => {
    const { rowCount } = await client.query(seal);
    expect(rowCount).toBe(1);
    const { rows } = await client.query('SELECT position, bytes FROM everseal.frame WHERE number = 7');
    expect(rows).toEqual([{ position: '9', bytes: null }]);
    await expect(client.query('UPDATE everseal.frame SET position = 10 WHERE number = 7')).rejects.toMatchObject(
      REFUSED,
    );
  });

  it.each([
    'ledger_id = 2',
    "ingester = 'b'",
    'number = 8',
    "hash = sha256('x')",
    'sequence = 3',
    'sequence = NULL',
    "reason = 'r'",
    "bytes = 'x'",
  ])('that waits does not change in anything else: %s', async (change) => {
    await client.query('SAVEPOINT s');
    await expect(client.query(`UPDATE everseal.frame SET position = 9, ${change} ${HELD}`)).rejects.toMatchObject(
      REFUSED,
    );
    await client.query('ROLLBACK TO s');
    await expect(client.query(`UPDATE everseal.frame SET ${change} ${HELD}`)).rejects.toMatchObject(REFUSED);
  });

  it.each(['position = 8', 'position = NULL', "bytes = 'x'", "reason = 'r'"])(
    'that is sealed does not change: %s',
    async (change) => {
      await expect(client.query(`UPDATE everseal.frame SET ${change} WHERE number = 5`)).rejects.toMatchObject(REFUSED);
    },
  );

  it('has bytes or a position, not both and not neither', async () => {
    const insert = 'INSERT INTO everseal.frame (ledger_id, ingester, number, hash, position, bytes)';
    await client.query('SAVEPOINT s');
    for (const values of ["9, 'x'", 'NULL, NULL']) {
      await expect(client.query(`${insert} VALUES (1, 'a', 99, sha256('x'), ${values})`)).rejects.toMatchObject({
        code: '23514',
      });
      await client.query('ROLLBACK TO s');
    }
  });
});
