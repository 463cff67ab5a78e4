import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeEventEntry, eventPrefix, leafHash, sha256, type Hash } from '@everseal/audit-core';
import { TestPostgres } from '@everseal/testing';
import fc from 'fast-check';
import type { Pool } from 'pg';
import { DuplicateFinder } from './duplicate-finder.js';
import { EventIndexWriter, MOST_SAME_IDENTITY, PARTITION_POSITIONS } from './sql/event-index.js';
import { createLedger } from './sql/ledger.js';
import { CURSOR, SpecStore } from './store.fixture.js';

const ORIGIN = 'audit.example.com/main';
const P = PARTITION_POSITIONS;
const ACCEPTED = '2026-01-31T09:30:00.000Z';
const MICROS = 1_769_851_800_000_000n;

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let ledgers = 0;
let ledgerId: number;
let head: number;
/** Leaf hashes of everything indexed, as tiles would give them. */
let leaves: Map<number, Hash>;
let finder: DuplicateFinder;
/** What the newest batch conflicts with: position → position of the earlier event. */
let conflicts: Record<number, number>;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'duplicates');
  pool = await store.sealer();
  // Partitions follow the newest entry of any ledger.
  const far = await createLedger(pool, 'audit.example.com/far', CURSOR);
  await store.sql(
    `UPDATE everseal.ledger_head SET height = 0, size = ${3 * P}, previous = sha256('x'), sealed = now() WHERE ledger_id = ${far}`,
  );
});
beforeEach(async () => {
  ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
  head = 0;
  leaves = new Map();
  finder = new DuplicateFinder(pool, ledgerId, ORIGIN, (positions) =>
    Promise.resolve(new Map(positions.flatMap((p) => (leaves.has(p) ? [[p, leaves.get(p)!]] : [])))),
  );
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

/** An event by its place, its id (null: has none) and its content. */
type Event = [position: number, id: string | null, content: string];

const NO_TEXTS = {
  accepted: MICROS,
  occurred: null,
  producer: 'billing',
  eventId: null,
  source: null,
  type: null,
  subject: null,
  actor: null,
  action: null,
  target: null,
  outcome: null,
};

/** Marks and indexes one batch; gives position → duplicate_of. */
async function index(events: Event[]): Promise<Record<number, number | null>> {
  const rows = events.map(([position, id, content]) => ({
    ...NO_TEXTS,
    position,
    identity: id === null ? null : sha256(Buffer.from(`${ledgerId} ${id}`)),
    duplicateOf: null as number | null,
    event: Buffer.from(JSON.stringify({ id, content })),
  }));
  const found = await finder.mark(rows, ({ event }) => event);
  conflicts = Object.fromEntries(found.map(({ row, earlier }) => [row.position, earlier]));
  for (const { position, event } of rows) {
    leaves.set(position, leafHash(encodeEventEntry(eventPrefix(ORIGIN, 'billing', ACCEPTED), event)));
  }
  const to = events.at(-1)![0] + 1;
  await new EventIndexWriter(pool, ledgerId).write({ from: head, to, rows });
  head = to;
  return Object.fromEntries(rows.map(({ position, duplicateOf }) => [position, duplicateOf]));
}

describe('DuplicateFinder', () => {
  it('marks every copy with the first one, across batches and within one', async () => {
    expect(
      await index([
        [1, 'x', 'one'],
        [2, 'y', 'one'],
        [3, 'x', 'one'],
      ]),
    ).toEqual({ 1: null, 2: null, 3: 1 });
    expect(
      await index([
        [5, 'x', 'one'],
        [6, 'z', 'one'],
        [7, 'z', 'one'],
        [8, 'x', 'one'],
      ]),
    ).toEqual({ 5: 1, 6: null, 7: 6, 8: 1 });
  });

  it('takes other bytes under the same id for another event, each with its own copies', async () => {
    await index([
      [1, 'x', 'one'],
      [2, 'x', 'two'],
    ]);
    expect(
      await index([
        [3, 'x', 'two'],
        [4, 'x', 'three'],
        [5, 'x', 'three'],
        [6, 'x', 'one'],
      ]),
    ).toEqual({ 3: 2, 4: null, 5: 4, 6: 1 });
  });

  it('tells which events have an earlier one of their identity with other bytes, and nothing else', async () => {
    await index([
      [1, 'x', 'one'],
      [2, 'y', 'one'],
      [3, null, 'one'],
      [4, 'x', 'two'],
      [5, 'x', 'one'],
    ]);
    expect(conflicts).toEqual({ 4: 1 });
    await index([
      [6, 'x', 'one'],
      [7, 'y', 'two'],
      [8, 'x', 'three'],
      [9, 'z', 'one'],
    ]);
    expect(conflicts).toEqual({ 7: 2, 8: 1 });
  });

  it('tells no conflict with an event whose leaf hash cannot be told', async () => {
    await index([[1, 'x', 'one']]);
    leaves.delete(1);
    await index([[2, 'x', 'two']]);
    expect(conflicts).toEqual({});
  });

  it('never marks an event without an identity', async () => {
    expect(
      await index([
        [1, null, 'one'],
        [2, null, 'one'],
      ]),
    ).toEqual({ 1: null, 2: null });
  });

  it('reaches as far as the partition before', async () => {
    await index([[1, 'x', 'one']]);
    await index([[P + 1, 'x', 'one']]);
    expect(await index([[2 * P + 1, 'x', 'one']])).toEqual({ [2 * P + 1]: P + 1 });
  });

  it('is the same when a batch lies on the border of two partitions', async () => {
    await index([[1, 'x', 'one']]);
    // 1 is in reach of the second, not of the third, for which the second is the first it can see.
    expect(
      await index([
        [2 * P - 1, 'x', 'one'],
        [2 * P, 'x', 'one'],
        [2 * P + 1, 'x', 'one'],
      ]),
    ).toEqual({
      [2 * P - 1]: 1,
      [2 * P]: 2 * P - 1,
      [2 * P + 1]: 2 * P - 1,
    });
  });

  it('finds the right one among more versions than one answer holds', async () => {
    const flood = Array.from({ length: 2 * MOST_SAME_IDENTITY + 5 }, (_, i): Event => [i + 1, 'x', `version ${i}`]);
    await index(flood);
    const last = flood.length;
    expect(
      await index([
        [1_000, 'x', `version ${last - 1}`],
        [1_001, 'x', 'new'],
        [1_002, 'x', 'version 3'],
      ]),
    ).toEqual({ 1000: last, 1001: null, 1002: 4 });
  });

  it('agrees with the definition however the events are cut into batches', async () => {
    const event = fc.tuple(fc.constantFrom('x', 'y', null), fc.constantFrom('one', 'two', 'three'));
    const batches = fc.array(fc.array(event, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(batches, async (cut) => {
        ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
        [head, leaves] = [0, new Map()];
        finder = new DuplicateFinder(pool, ledgerId, ORIGIN, (positions) =>
          Promise.resolve(new Map(positions.map((p) => [p, leaves.get(p)!]))),
        );
        let position = 0;
        const all: Event[] = [];
        const found: Record<number, number | null> = {};
        for (const batch of cut) {
          const events = batch.map(([id, content]): Event => [++position, id, content]);
          all.push(...events);
          Object.assign(found, await index(events));
        }
        const expected = all.map(([at, id, content]) => {
          const first = all.find(([, otherId, otherContent]) => otherId === id && otherContent === content)![0];
          return [at, id === null || first === at ? null : first];
        });
        expect(found).toEqual(Object.fromEntries(expected));
      }),
      { numRuns: 25 },
    );
  });
});
