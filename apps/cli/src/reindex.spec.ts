/**
 * Putting the event index right, against a real Postgres and the sweep of a real verifier: rows that are deleted, altered, doubled or
 * invented raise its verdicts, and they clear once the index was put right. The control is in each: before that they stand, and a run
 * that may not write changes nothing. A block that is not good is named, and nothing of it is indexed.
 */
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { blockEvents, CheckpointGoals, JsonTape, splitBundle } from '@everseal/audit-core';
import { DuplicateFinder, EventIndexWriter, readIndexHead, readLeafHashes, StoreError } from '@everseal/ledger-store';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import type { Pool } from 'pg';
import { genesisKeys, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { SweptLog } from '../../verifier/src/swept-log.fixture.js';
import { CliFailure } from './cli-failure.js';
import { KeptRows } from './kept-rows.js';
import { reindexLog, type Hand, type ReindexParts } from './reindex-log.js';
import type { ReindexReport } from './reindex-report.js';

const START_MS = 60_000;
const DIFFERENCE = `SELECT count(*)::int AS rows FROM (
  (SELECT * FROM everseal.event_index EXCEPT ALL SELECT * FROM kept.event_index) UNION ALL
  (SELECT * FROM kept.event_index EXCEPT ALL SELECT * FROM everseal.event_index) UNION ALL
  (SELECT h.position, NULL, NULL, NULL, NULL, h.ledger_id, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
   FROM everseal.index_head h WHERE NOT EXISTS (SELECT FROM kept.index_head k WHERE k.position = h.position))) AS d`;
const TRIGGERS = `SELECT DISTINCT tgenabled::text AS state FROM pg_trigger
  WHERE tgname = 'append_only' AND tgrelid IN (SELECT 'everseal.event_index'::regclass UNION SELECT inhrelid FROM pg_inherits)`;

let server: TestPostgres;
let swept: SweptLog;
let folder: TemporaryFolder;
let owner: Pool;
/** Positions of the events of each block. */
let events: number[][];

beforeAll(async () => {
  server = await TestPostgres.start();
  swept = await SweptLog.create(server, 'reindex');
  folder = temporaryFolder('reindex');
  owner = await swept.log.store.pool('everseal_migrator', { transactions: 'long', max: 1 });
  events = swept.log.writer.bodies.map((body, height) => {
    return [...blockEvents(body, swept.firstOf(height), new JsonTape())].map(({ position }) => position);
  });
  await swept.log.store.sql(`CREATE SCHEMA kept; CREATE TABLE kept.event_index AS SELECT * FROM everseal.event_index;
    CREATE TABLE kept.index_head AS SELECT * FROM everseal.index_head`);
}, START_MS);

afterEach(async () => {
  rmSync(keptFile(), { force: true });
  expect(await difference()).toBe(0);
  expect(await swept.log.store.sql(TRIGGERS)).toEqual([{ state: 'A' }]);
});

afterAll(async () => {
  await swept?.close();
  await server?.stop();
  folder?.remove();
});

const keptFile = (): string => path.join(folder.path, 'rows.ndjson');

/** Rows in which the index, and its head, differ from what they were. */
async function difference(): Promise<number> {
  return Number((await swept.log.store.sql(DIFFERENCE))[0]!.rows);
}

/** As a superuser, past every trigger. */
async function tamper(sql: string): Promise<void> {
  const { store } = swept.log;
  await store.sql(`BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL search_path = everseal;
    ALTER TABLE event_index DISABLE TRIGGER append_only; ${sql};
    ALTER TABLE event_index ENABLE ALWAYS TRIGGER append_only; COMMIT`);
}

/** What the verifier's sweep of the index says. */
async function verdicts(): Promise<string[]> {
  return [...new Set((await swept.look(['index'])).map(({ code }) => code))].toSorted();
}

async function run(as: Hand['as'], changes: Partial<ReindexParts> = {}): Promise<ReindexReport> {
  const { log } = swept;
  const goals = new CheckpointGoals(ORIGIN, [genesisKeys()]);
  goals.add(log.writer.checkpoint(), 'a test');
  const kept = new KeptRows(keptFile());
  const parts: ReindexParts = {
    pool: as === 'dry' ? await log.store.reader() : log.sealer,
    ledgerId: log.ledgerId,
    trust: log.writer.trust,
    goals,
    signal: new AbortController().signal,
    hand: as === 'owner' ? { as, pool: owner, kept } : { as },
    onChecked: () => undefined,
    onCompared: () => undefined,
    ...changes,
  };
  return reindexLog(parts).finally(() => kept.close());
}

/** Found by the verifier as long as nobody writes; found by a dry run, which writes nothing. */
async function foundAndLeft(codes: unknown, counts: Partial<ReindexReport>): Promise<void> {
  expect(await verdicts()).toEqual(codes);
  const before = await difference();
  expect(await run('dry')).toMatchObject({ ...counts, isGood: false });
  expect(await difference()).toBe(before);
  expect(await verdicts()).toEqual(codes);
}

/** The place of an event in a block, from its front or its back. */
const at = (height: number, place: number): number => events[height]!.at(place)!;

describe('an index that is what the log says', () => {
  it('is left alone, whoever looks (control)', async () => {
    expect(await verdicts()).toEqual([]);
    for (const as of ['dry', 'sealer', 'owner'] as const) {
      const report = await run(as);
      expect(report).toMatchObject({ missing: 0, altered: 0, extra: 0, isGood: true, size: swept.log.size });
      expect(report.events).toBe(events.flat().length);
    }
  });
});

describe('rows that were deleted', () => {
  it('come back with the rights of a sealer, copies with their originals', async () => {
    const gone = [at(1, 0), at(2, 4), at(3, 4), ...events[8]!];
    await tamper(`DELETE FROM event_index WHERE position IN (${gone.join(', ')})`);
    // The sweep calls copies altered whose original it does not find; a dry run knows better.
    await foundAndLeft(['index.altered', 'index.missing'], { missing: gone.length, altered: 0, extra: 0 });
    expect(await run('sealer')).toMatchObject({ missing: gone.length, altered: 0, isGood: true });
    expect(await verdicts()).toEqual([]);
  });

  it('come back when all are gone', async () => {
    await tamper('DELETE FROM event_index');
    expect(await run('dry')).toMatchObject({ missing: events.flat().length, altered: 0 });
    expect(await run('sealer')).toMatchObject({ isGood: true });
    expect(await verdicts()).toEqual([]);
  });
});

describe('rows that were altered', () => {
  it.each([
    ['the identity, by which copies find it', 'identity = 7'],
    ['what it is said to repeat', 'duplicate_of = 3'],
    ['when it was accepted', `accepted = 'infinity'`],
  ])('%s: are left by a sealer, and replaced by the owner, who keeps them', async (_, change) => {
    const original = at(2, 4);
    await tamper(`UPDATE event_index SET ${change} WHERE position = ${original};
      DELETE FROM event_index WHERE position = ${at(3, 4)}`);
    await foundAndLeft(expect.arrayContaining(['index.altered']), { missing: 1, altered: 1 });
    const left = await run('sealer');
    expect(left).toMatchObject({ missing: 1, altered: 1, left: 1, isGood: false });
    // What came back names its original, though its row does not show it.
    expect(await difference()).toBe(2);
    expect(left.findings).toContainEqual(
      expect.objectContaining({ code: 'index.altered', index: original, fate: 'left' }),
    );
    expect(await run('owner')).toMatchObject({ missing: 0, altered: 1, isGood: true });
    expect(await verdicts()).toEqual([]);
    const kept = readFileSync(keptFile(), 'utf8').trimEnd().split('\n');
    expect(kept.map((line) => JSON.parse(line) as object)).toEqual([expect.objectContaining({ position: original })]);
  });

  it('to what no row can hold: all of the block are replaced', async () => {
    await tamper(`UPDATE event_index SET duplicate_of = ${2n ** 60n} WHERE position = ${at(5, 1)};
      DELETE FROM event_index WHERE position = ${at(5, 2)}`);
    await foundAndLeft(['index.altered'], { altered: 1 });
    expect(await run('sealer')).toMatchObject({ isGood: false });
    expect(await run('owner')).toMatchObject({ isGood: true });
    expect(await verdicts()).toEqual([]);
  });
});

describe('rows too many', () => {
  it('twice, where nothing is sealed, and behind the end: are taken out by the owner alone', async () => {
    const columns = 'accepted, ledger_id, producer, event_id';
    const copy = (position: number): string =>
      `INSERT INTO event_index (position, ${columns}) SELECT ${position}, ${columns} FROM event_index WHERE position = ${at(1, 0)} LIMIT 1`;
    const twice = at(5, 3);
    const note = swept.firstOf(6);
    await tamper(`ALTER TABLE event_index DROP CONSTRAINT event_index_pkey;
      INSERT INTO event_index SELECT * FROM event_index WHERE position = ${twice};
      ${copy(note)}; ${copy(swept.log.size)}; ${copy(swept.log.size + 1_000)}`);
    await foundAndLeft(['index.extra'], { missing: 0, extra: 4 });
    expect(await run('sealer')).toMatchObject({ extra: 4, isGood: false });
    expect(await verdicts()).toEqual(['index.extra']);
    expect(await run('owner')).toMatchObject({ extra: 4, isGood: true });
    expect(await verdicts()).toEqual([]);
    expect(readFileSync(keptFile(), 'utf8').trimEnd().split('\n')).toHaveLength(5);
    await tamper('ALTER TABLE event_index ADD PRIMARY KEY (ledger_id, position)');
  });
});

describe('an index head that was moved', () => {
  it.each([
    ['beyond the log', (size: number) => size + 10],
    ['into a block', (size: number) => size - 1],
  ])('%s: ends with a block again, and the sealer goes on from there', async (_, to) => {
    const { log } = swept;
    await tamper(`UPDATE index_head SET position = ${to(log.size)}`);
    expect(await verdicts()).not.toEqual([]);
    expect(await run('dry')).toMatchObject({ head: { before: to(log.size), after: log.size }, isGood: false });
    expect(await readIndexHead(log.sealer, log.ledgerId)).toBe(to(log.size));
    expect(await run('sealer')).toMatchObject({ altered: 1, isGood: true });
    expect(await verdicts()).toEqual([]);
  });

  it('back: what stands behind it is taken out, and the sealer writes it again', async () => {
    await tamper(`UPDATE index_head SET position = ${swept.firstOf(7)}`);
    const behind = events.slice(7).flat().length;
    await foundAndLeft(['index.extra', 'index.missing'], { missing: 0, extra: behind });
    expect(await run('owner')).toMatchObject({ missing: 0, extra: behind, isGood: true });
    await indexFrom(7);
    expect(await verdicts()).toEqual([]);
  });
});

describe('while a sealer indexes', () => {
  it('nothing is written behind its head, and neither stops the other', async () => {
    const first = swept.firstOf(5);
    await tamper(`DELETE FROM event_index WHERE position >= ${first} OR position IN (${events[2]!.join(', ')});
      UPDATE index_head SET position = ${first}`);
    expect(await run('sealer')).toMatchObject({ missing: events[2]!.length, isGood: true });
    expect(await readIndexHead(swept.log.sealer, swept.log.ledgerId)).toBe(first);
    await tamper(`DELETE FROM event_index WHERE position IN (${events[3]!.join(', ')});
      UPDATE event_index SET actor = NULL WHERE position IN (${events[4]!.join(', ')})`);
    const [report] = await Promise.all([run('owner'), indexFrom(5)]);
    expect(report).toMatchObject({ missing: events[3]!.length, altered: events[4]!.length, isGood: true });
    expect(await verdicts()).toEqual([]);
  });
});

describe('a log that is not good', () => {
  it('is named by its first bad block, and nothing is written; once that stands again, the index is put right', async () => {
    const { log } = swept;
    await tamper(`DELETE FROM event_index WHERE position IN (${[at(1, 0), at(6, 1), at(9, 2)].join(', ')})`);
    const flip = `UPDATE everseal.block_body SET body = set_byte(body, 300, get_byte(body, 300) # 1) WHERE height = 6`;
    await log.tamper(flip);
    for (const as of ['dry', 'sealer', 'owner'] as const) {
      const failure = await run(as).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CliFailure);
      expect((failure as CliFailure).message).toMatch(/^block 6 of the database is not good: .*nothing was written$/);
      expect(await difference()).toBe(3);
    }
    await log.tamper(flip);
    expect(await run('sealer')).toMatchObject({ missing: 3, isGood: true });
    expect(await verdicts()).toEqual([]);
  });

  it('or does not reach a checkpoint that others know, is refused', async () => {
    const { log } = swept;
    await tamper(`DELETE FROM event_index WHERE position = ${at(1, 0)}`);
    const head = 'height = 10, size = b.next FROM everseal.block b WHERE b.height = 10';
    await log.tamper(
      `CREATE TABLE kept.head AS SELECT * FROM everseal.ledger_head; UPDATE everseal.ledger_head SET ${head}`,
    );
    await expect(run('sealer')).rejects.toThrow(/log\.truncated: it ends at size \d+, .*\(a test\)/);
    expect(await difference()).toBe(1);
    await log.tamper('UPDATE everseal.ledger_head h SET height = k.height, size = k.size FROM kept.head k');
    expect(await run('sealer')).toMatchObject({ missing: 1, isGood: true });
  });
});

/** As the sealer's loop does, from a block on to the end. */
async function indexFrom(height: number): Promise<void> {
  const { sealer, ledgerId, writer } = swept.log;
  const finder = new DuplicateFinder(sealer, ledgerId, ORIGIN, (positions) =>
    readLeafHashes(sealer, ledgerId, positions),
  );
  const index = new EventIndexWriter(sealer, ledgerId);
  for (const [i, body] of writer.bodies.slice(height).entries()) {
    const from = swept.firstOf(height + i);
    const rows = [...blockEvents(body, from, new JsonTape())];
    await finder.mark(rows, ({ event }) => event);
    await again(() => index.write({ from, to: from + splitBundle(body).count, rows }));
  }
}

/** A lock that is not granted is asked for again. */
async function again(write: () => Promise<void>): Promise<void> {
  for (let tries = 20; ; tries--) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StoreError) || error.fate !== 'retry' || tries === 0) throw error;
    }
  }
}
