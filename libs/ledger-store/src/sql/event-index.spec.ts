import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import type { IndexRow } from '../copy/index-row.js';
import { CURSOR, SpecStore, specHash } from '../store.fixture.js';
import {
  EventIndexWriter,
  findSameIdentity,
  MOST_SAME_IDENTITY,
  PARTITION_POSITIONS,
  readIndexHead,
  readIndexRows,
} from './event-index.js';
import { createLedger } from './ledger.js';

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let ledgers = 0;
let ledgerId: number;
let writer: EventIndexWriter;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'index');
  pool = await store.sealer();
});
beforeEach(async () => {
  ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
  writer = new EventIndexWriter(pool, ledgerId);
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

function row(position: number, changes: Partial<IndexRow> = {}): IndexRow {
  return {
    position,
    accepted: 1_795_392_000_000_000n + BigInt(position),
    occurred: 1_795_391_999_123_456n,
    identity: specHash(`${ledgerId} ${position}`).subarray(0, 16),
    duplicateOf: null,
    producer: 'billing',
    eventId: `e${position}`,
    source: '/billing',
    type: 'com.example.invoice.paid',
    subject: null,
    actor: 'user-1',
    action: 'invoice.pay',
    target: 'invoice-1',
    outcome: null,
    ...changes,
  };
}

async function rowsOf(from: number, to: number): Promise<IndexRow[]> {
  const rows: IndexRow[] = [];
  for await (const some of readIndexRows(await store.verifier(), ledgerId, from, to)) rows.push(...some);
  return rows;
}

const asStored = (one: IndexRow): IndexRow => ({ ...one, identity: one.identity && one.identity.subarray(0, 8) });

describe('EventIndexWriter', () => {
  it('stores every kind of text and time byte for byte', async () => {
    const nasty = [
      '',
      '\t\n\\N\\.',
      '"\'',
      'é\u{1F512}',
      '\u{FFFD}',
      '\u{10FFFF}',
      'a'.repeat(256),
      '\u0001\u007f',
      ' x ',
    ];
    const rows = nasty.map((text, i) => {
      const texts = { eventId: text, source: text, type: text, subject: text, actor: text, action: text, target: text };
      return row(i, { ...texts, outcome: text, producer: text });
    });
    const times = [-62_135_596_800_000_000n, -1n, 0n, 946_684_800_000_000n, 253_402_300_799_999_999n];
    times.forEach((time, i) => rows.push(row(100 + i, { occurred: time, accepted: time })));
    const nulls = { eventId: null, source: null, type: null, actor: null, action: null, target: null, identity: null };
    rows.push(row(200, { ...nulls, occurred: null, duplicateOf: 3 }));
    await writer.write({ from: 0, to: 300, rows });
    expect(await rowsOf(0, 300)).toEqual(rows.map(asStored));
    expect(await rowsOf(100, 102)).toHaveLength(2);
    // What SQL sees is what was meant.
    const [first] = await store.sql(
      `SELECT occurred AT TIME ZONE 'UTC' = '0001-01-01 00:00:00' AS earliest FROM everseal.event_index
       WHERE ledger_id = ${ledgerId} AND position = 100`,
    );
    expect(first).toEqual({ earliest: true });
  });

  it('sends batches of many buffers whole, and empty ones', async () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => row(i, { subject: 'x'.repeat(i % 257) }));
    await writer.write({ from: 0, to: 5_000, rows });
    await writer.write({ from: 5_000, to: 6_000, rows: [] });
    expect(await readIndexHead(pool, ledgerId)).toBe(6_000);
    expect(await rowsOf(0, 6_000)).toEqual(rows.map(asStored));
  });

  it('moves the head and the rows together', async () => {
    await writer.write({ from: 0, to: 10, rows: [row(1)] });
    const late = new EventIndexWriter(pool, ledgerId);
    await expect(late.write({ from: 0, to: 10, rows: [row(1)] })).rejects.toMatchObject({ code: 'store.index-moved' });
    await expect(writer.write({ from: 20, to: 30, rows: [] })).rejects.toMatchObject({ code: 'store.index-moved' });
    // A row that cannot be encoded in the middle of a batch of several buffers: nothing of it stays.
    const rows = Array.from({ length: 3_000 }, (_, i) => row(10 + i, i === 2_999 ? { subject: 'a\0' } : {}));
    await expect(writer.write({ from: 10, to: 4_000, rows })).rejects.toThrow();
    expect(await readIndexHead(pool, ledgerId)).toBe(10);
    expect(await rowsOf(0, 5_000)).toHaveLength(1);
    await writer.write({ from: 10, to: 20, rows: [row(12)] });
    expect(await readIndexHead(pool, ledgerId)).toBe(20);
  });

  it('is refused by the key when rows are there already, and leaves the head', async () => {
    await writer.write({ from: 0, to: 10, rows: [row(12)] });
    const rows = Array.from({ length: 2_000 }, (_, i) => row(10 + i));
    await expect(writer.write({ from: 10, to: 2_010, rows })).rejects.toMatchObject({ code: 'store.head-moved' });
    expect(await readIndexHead(pool, ledgerId)).toBe(10);
  });

  it('takes one batch at a time', async () => {
    const first = writer.write({ from: 0, to: 10, rows: [row(1)] });
    await expect(writer.write({ from: 10, to: 20, rows: [] })).rejects.toThrow(RangeError);
    await first;
  });

  it('of two writers lets one through', async () => {
    const other = new EventIndexWriter(pool, ledgerId);
    const results = await Promise.allSettled([
      writer.write({ from: 0, to: 10, rows: [row(1)] }),
      other.write({ from: 0, to: 10, rows: [row(1)] }),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await rowsOf(0, 10)).toHaveLength(1);
  });
});

describe('partitions', () => {
  const partitions = async (): Promise<unknown[]> =>
    (
      await store.sql(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'everseal.event_index'::regclass
         ORDER BY inhrelid`,
      )
    ).map(({ name }) => name);

  it('are made one ahead of the newest entry, as the owner’s, with guards and without grants', async () => {
    await store.sql(
      `UPDATE everseal.ledger_head SET height = 0, size = ${2 * PARTITION_POSITIONS + 5}, previous = sha256('x'), sealed = now()
       WHERE ledger_id = ${ledgerId}`,
    );
    await store.sql(
      `UPDATE everseal.index_head SET position = ${2 * PARTITION_POSITIONS - 1} WHERE ledger_id = ${ledgerId}`,
    );
    const from = 2 * PARTITION_POSITIONS - 1;
    const rows = [row(from), row(from + 1)];
    await writer.write({ from, to: from + 2, rows });
    expect(await partitions()).toEqual([0, 1, 2, 3].map((n) => `everseal.event_index_p${n}`));
    expect(await rowsOf(from, from + 2)).toEqual(rows.map(asStored));

    const shape = (n: number) =>
      store.sql(
        `SELECT relowner::regrole::text AS owner, relacl::text AS acl,
           (SELECT string_agg(tgname || ' ' || tgenabled::text || ' ' || pg_get_triggerdef(t.oid), '; ' ORDER BY tgname)
            FROM pg_trigger t WHERE tgrelid = c.oid) AS triggers,
           (SELECT string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY pg_get_indexdef(indexrelid))
            FROM pg_index WHERE indrelid = c.oid) AS indexes
         FROM pg_class c WHERE c.oid = 'everseal.event_index_p${n}'::regclass`,
      );
    const as2 = JSON.stringify(await shape(0)).replaceAll('event_index_p0', 'event_index_p2');
    expect(await shape(2)).toEqual(JSON.parse(as2));
    expect(await shape(2)).toMatchObject([
      { owner: 'everseal_owner', acl: null, triggers: expect.stringContaining(' A ') },
    ]);
    for (const change of ['TRUNCATE', 'DELETE FROM']) {
      await expect(store.sql(`${change} everseal.event_index_p2`)).rejects.toMatchObject({ code: 'EV001' });
    }
  });

  it('are not made for whoever asks for more', async () => {
    const before = await partitions();
    for (let i = 0; i < 3; i++) await pool.query('SELECT everseal.extend_event_index()');
    expect(await partitions()).toEqual(before);
    const verifier = await store.verifier();
    await expect(verifier.query('SELECT everseal.extend_event_index()')).rejects.toMatchObject({ code: '42501' });
  });

  it('are made while somebody reads the index', async () => {
    const reader = await (await store.verifier()).connect();
    await reader.query('BEGIN; SELECT count(*) FROM everseal.event_index');
    await store.sql(
      `UPDATE everseal.ledger_head SET height = 0, size = ${4 * PARTITION_POSITIONS}, previous = sha256('x'), sealed = now()
       WHERE ledger_id = ${ledgerId}`,
    );
    await pool.query('SELECT everseal.extend_event_index()');
    expect(await partitions()).toHaveLength(6);
    // Control: the other way to make a partition waits for the reader.
    const partitionOf = store.sql(
      `SET lock_timeout = '50ms'; CREATE TABLE everseal.event_index_p6 PARTITION OF everseal.event_index
       FOR VALUES FROM (${6 * PARTITION_POSITIONS}) TO (${7 * PARTITION_POSITIONS})`,
    );
    await expect(partitionOf).rejects.toMatchObject({ code: '55P03' });
    await reader.query('ROLLBACK');
    reader.release();
  });
});

describe('findSameIdentity', () => {
  const A = Buffer.from('aaaaaaaaXXXXXXXX');
  const B = Buffer.from('bbbbbbbbXXXXXXXX');
  const P = PARTITION_POSITIONS;

  /** Rows at any place, as a superuser: what the writer would have written over months. */
  async function put(...rows: [position: number, identity: Buffer, duplicateOf?: number][]): Promise<void> {
    for (const [position, identity, duplicateOf] of rows) {
      await store.sql(
        `INSERT INTO everseal.event_index (ledger_id, position, accepted, producer, identity, duplicate_of)
         VALUES (${ledgerId}, ${position}, '2026-01-31T09:30:00.123Z', 'billing', ${identity.readBigInt64BE(0)}, ${duplicateOf ?? null})`,
      );
    }
  }
  const find = async (partition: number, identities: Buffer[], after?: number, before?: number) =>
    (await findSameIdentity(pool, ledgerId, identities, { partition, after, before })).map(({ asked, position }) => [
      asked,
      position,
    ]);

  it('looks into this partition and the one before, in order of position', async () => {
    await put([5, A], [P + 7, A], [P + 6, B], [2 * P + 1, A], [2 * P + 9, A]);
    expect(await find(0, [A])).toEqual([[0, 5]]);
    expect(await find(1, [B, A])).toEqual([
      [0, P + 6],
      [1, 5],
      [1, P + 7],
    ]);
    expect(await find(2, [A])).toEqual([
      [0, P + 7],
      [0, 2 * P + 1],
      [0, 2 * P + 9],
    ]);
    expect(await find(3, [B])).toEqual([]);
    expect(await find(2, [A, A], P + 7)).toEqual([
      [0, 2 * P + 1],
      [0, 2 * P + 9],
      [1, 2 * P + 1],
      [1, 2 * P + 9],
    ]);
    expect(await find(2, [A], undefined, 2 * P + 9)).toEqual([
      [0, P + 7],
      [0, 2 * P + 1],
    ]);
    expect(await findSameIdentity(pool, ledgerId, [A], { partition: 0 })).toMatchObject([
      { accepted: 1_769_851_800_123_000n },
    ]);
  });

  it('leaves out copies whose original is in reach, and keeps the others', async () => {
    await put([5, A], [6, A, 5], [P + 1, A, 5], [P + 2, A, P + 1], [2 * P + 1, A, P + 1]);
    expect(await find(0, [A])).toEqual([[0, 5]]);
    expect(await find(1, [A])).toEqual([[0, 5]]);
    // Seen from partition 2, position 5 is out of reach: what repeats it is the first one now.
    expect(await find(2, [A])).toEqual([[0, P + 1]]);
    expect(await find(3, [A])).toEqual([[0, 2 * P + 1]]);
  });

  it('keeps ledgers apart', async () => {
    await put([5, A]);
    ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
    expect(await find(0, [A])).toEqual([]);
  });

  it('cuts a flood of versions, and goes on where it cut', async () => {
    const flood = Array.from({ length: MOST_SAME_IDENTITY + 6 }, (_, i) => row(i, { identity: A }));
    await writer.write({ from: 0, to: 1_000, rows: flood });
    const first = await find(0, [A, B]);
    expect(first).toHaveLength(MOST_SAME_IDENTITY);
    expect(await find(0, [A], first.at(-1)![1])).toHaveLength(6);
  });

  it('goes along the index on identity also before there are statistics', async () => {
    // A database of its own, so that nobody else's scans are counted.
    const fresh = await SpecStore.create(server, 'fresh');
    await fresh.sql('ALTER TABLE everseal.event_index_p0 SET (autovacuum_enabled = off)');
    const one = await fresh.sealer({ max: 1 });
    const id = await createLedger(one, 'audit.example.com/main', CURSOR);
    const rows = Array.from({ length: 30_000 }, (_, i) => row(i));
    await new EventIndexWriter(one, id).write({ from: 0, to: 30_000, rows });
    const found = await findSameIdentity(
      one,
      id,
      rows.map(({ identity }) => identity!),
      { partition: 0 },
    );
    expect(found).toHaveLength(30_000);
    await one.end(); // and with it its counts are published
    const scanned = await fresh.sql(
      `SELECT indexrelname FROM pg_stat_user_indexes WHERE relname LIKE 'event\\_index\\_p%' AND idx_scan > 0`,
    );
    expect(scanned).toEqual([{ indexrelname: 'event_index_p0_identity_idx' }]);
  });
});
