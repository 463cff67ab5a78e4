import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { blockEvents, JsonTape, LogState, signCheckpoint, splitBundle } from '@everseal/audit-core';
import { EventIndexWriter } from '@everseal/ledger-store';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import type { Pool, PoolClient } from 'pg';
import { KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { BodyRing } from './body-ring.js';
import { FollowLedger } from './follow-ledger.js';
import { LeafFile } from './leaf-file.js';
import { Pace } from './pace.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';
import { SweepAnchors } from './sweep-anchors.js';
import { SweepBodies, type SweepResult } from './sweep-bodies.js';
import { SweepIndex } from './sweep-index.js';
import { SweepStored } from './sweep-stored.js';

/** What somebody with all rights over the database takes away first. */
const NO_CONSTRAINTS = `DO $$ DECLARE c record; BEGIN
  FOR c IN SELECT conname, conrelid::regclass AS t FROM pg_constraint
    WHERE contype IN ('c', 'f') AND connamespace = 'everseal'::regnamespace AND conparentid = 0 LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.t, c.conname);
  END LOOP;
  FOR c IN SELECT oid::regclass AS t FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'everseal'::regnamespace LOOP
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', c.t);
  END LOOP; END $$`;
const nullable = (table: string, column: string): string =>
  `ALTER TABLE everseal.${table} ALTER COLUMN ${column} DROP NOT NULL; UPDATE everseal.${table} SET ${column} = NULL`;

let server: TestPostgres;
let folder: TemporaryFolder;
let log: StoredLog;
let tree: RememberedTree;
let follow: FollowLedger;
let sweeps: { bodies: SweepBodies; index: SweepIndex; stored: SweepStored };
let databases = 0;

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = temporaryFolder('hostile');
  log = await StoredLog.create(server, `hostile${databases++}`);
  const { trust } = log.writer;
  tree = await RememberedTree.load(LeafFile.open(path.join(folder.path, 'leaves')), 0);
  const ring = new BodyRing(path.join(folder.path, 'bodies'), 1_000_000);
  follow = new FollowLedger(trust, log.verifier, log.ledgerId, LogState.empty(trust), tree, ring);
  await log.seal();
  for (const events of [
    ['{"id":"1"}', '{"id":"2"}'],
    Array.from({ length: 254 }, (_, n) => `{"n":${n}}`),
    ['{"n":5}'],
  ]) {
    await log.sealEvents(...events);
  }
  await log.storeCheckpoint(
    signCheckpoint({ origin: ORIGIN, size: log.size, root: log.writer.range.root() }, KEYS.log),
  );
  expect(await follow.catchUp()).toBeNull();
  await project();
  const keys = () => follow.memory;
  const pace = new Pace(() => 1_000_000);
  const { verifier, ledgerId } = log;
  const anchors = new SweepAnchors(verifier, ledgerId, ORIGIN, keys, [], pace);
  sweeps = {
    bodies: new SweepBodies(verifier, ledgerId, tree, keys, pace),
    index: new SweepIndex(verifier, ledgerId, ORIGIN, tree, () => follow.memory, pace),
    stored: new SweepStored(verifier, ledgerId, ORIGIN, tree, keys, () => log.size, pace, anchors),
  };
});
afterEach(async () => {
  tree.close();
  await log.close();
  folder.remove();
});

/** The index as the sealer writes it. */
async function project(): Promise<void> {
  const tape = new JsonTape();
  let first = 0;
  const rows = log.writer.bodies.flatMap((body) => {
    const events = [...blockEvents(body, first, tape)];
    first += splitBundle(body).count;
    return events;
  });
  await new EventIndexWriter(log.sealer, log.ledgerId).write({ from: 0, to: log.size, rows });
}

const pass = (name: keyof typeof sweeps, signal = new AbortController().signal): Promise<SweepResult> =>
  sweeps[name].pass(signal);
const tamper = (sql: string): Promise<void> => log.tamper(`${NO_CONSTRAINTS}; ${sql}`);

describe('a sweep over values that nobody sealed', () => {
  it('finds nothing where there are none (control), and comes to its end', async () => {
    for (const name of ['bodies', 'index', 'stored'] as const) {
      expect([name, await pass(name)]).toMatchObject([name, { findings: [], entries: log.size, complete: true }]);
    }
  });

  it('index: ends with the failure when any of its connections cannot be made, which is no finding', async () => {
    let [made, refused] = [0, 0];
    const pool = Object.assign(Object.create(log.verifier) as Pool, {
      connect: (): Promise<PoolClient> => {
        if (++made !== refused) return log.verifier.connect();
        return Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
      },
    });
    const index = new SweepIndex(pool, log.ledgerId, ORIGIN, tree, () => follow.memory, new Pace(() => 1_000_000));
    expect(await index.pass(new AbortController().signal)).toMatchObject({ findings: [], complete: true });
    // That of a comparison, too, which is under way while the next block is derived: whoever comes next meets its failure.
    const connections = made;
    for (refused = 1; refused <= connections; refused++) {
      made = 0;
      const passing = index.pass(new AbortController().signal);
      await expect(passing).rejects.toMatchObject({ code: 'store.unavailable' });
    }
    expect(connections).toBeGreaterThan(10);
  });

  it.each([
    ['a far end', 'next = next + 1000000000'],
    ['a beginning before all', 'first = -5'],
    ['an end before all', 'next = -5'],
    ['a number beyond 2^53', 'next = 9007199254740993 + height'],
    ['a time without end', `sealed = 'infinity'`],
    ['no time at all', 'sealed = NULL'],
  ])('bodies: names the block and goes on: %s', async (_, change) => {
    await tamper(`ALTER TABLE everseal.block ALTER COLUMN sealed DROP NOT NULL;
      UPDATE everseal.block SET ${change} WHERE height = 1;
      UPDATE everseal.block_body SET body = set_byte(body, 40, get_byte(body, 40) # 1) WHERE height = 3`);
    const { findings, complete } = await pass('bodies');
    expect(findings[0]).toMatchObject({ code: 'block.chain', height: 1 });
    expect(findings.at(-1)).toMatchObject({ code: 'entry.altered', height: 3 });
    expect(complete).toBe(true);
    // The signed numbers are enough for the rows of the index.
    const index = await pass('index');
    expect(index.findings.filter(({ height }) => height !== 1)).toEqual([]);
  });

  it.each(['9007199254740993', '9223372036854775807'])(
    'bodies, index: the newest block under the height %s, which no sweep can come to, ends both',
    async (height) => {
      await tamper(`UPDATE everseal.block SET height = ${height} WHERE height = 3;
        UPDATE everseal.block_body SET height = ${height} WHERE height = 3`);
      const bodies = await pass('bodies');
      expect(bodies.findings[0]).toMatchObject({ code: 'block.chain', height: 3 });
      const index = await pass('index');
      expect(index.findings).toEqual([]);
      expect(index.notCovered).toMatchObject([{ height: 3 }]);
    },
  );

  it('bodies: a row before a body that is none reaches no further than a block', async () => {
    await tamper(`UPDATE everseal.block SET first = -7, next = 4000000000 WHERE height = 1;
      DELETE FROM everseal.block WHERE height = 0; UPDATE everseal.block_body SET body = 'x' WHERE height = 1`);
    const { findings } = await pass('bodies');
    expect(findings.map(({ code, height }) => [code, height])).toEqual([
      ['block.missing', 0],
      ['entry.altered', 1],
    ]);
  });

  it.each([
    ['a null', nullable('event_index', 'producer')],
    ['a time after all', `UPDATE everseal.event_index SET accepted = '20000-01-01'`],
    ['a time without end', `UPDATE everseal.event_index SET accepted = 'infinity'`],
  ])('index: names rows of every block: %s', async (_, sql) => {
    await tamper(sql);
    const { findings } = await pass('index');
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['index.altered']));
    expect(findings.length).toBeLessThanOrEqual(100);
    expect(findings[0]!.height).toBe(1);
  });

  it('index: lists a hundred of many, and says that it has not seen all', async () => {
    await tamper(`DELETE FROM everseal.event_index WHERE position > 6`);
    const { findings, complete } = await pass('index');
    expect(findings).toHaveLength(100);
    expect(complete).toBe(false);
  });

  it('index: misses what an index that went back had', async () => {
    await pass('index');
    await tamper('UPDATE everseal.index_head SET position = 3; DELETE FROM everseal.event_index WHERE position >= 3');
    expect((await pass('index')).findings).toMatchObject([{ code: 'index.missing', index: 3 }]);
  });

  it.each([
    ['tile', 'data', 'tile.altered'],
    ['tile', 'root', 'tile.altered'],
    ['checkpoint', 'note', 'checkpoint.signature'],
    ['frame', 'hash', 'index.altered'],
  ])('a null in %s.%s is a finding', async (table, column, code) => {
    const key = table === 'frame' ? 'ALTER TABLE everseal.frame DROP CONSTRAINT frame_pkey;' : '';
    await tamper(key + nullable(table, column));
    const { findings } = await pass(table === 'frame' ? 'index' : 'stored');
    expect(new Set(findings.map((found) => found.code))).toEqual(new Set([code]));
  });

  it('a null in a cosignature is a finding of its checkpoint', async () => {
    const { name } = KEYS.verifier;
    await tamper(`ALTER TABLE everseal.cosignature ALTER COLUMN line DROP NOT NULL;
      INSERT INTO everseal.cosignature (ledger_id, size, signer, key_id, line)
      VALUES (${log.ledgerId}, ${log.size}, '${name}', '\\x${KEYS.verifier.verifier.idHex}', NULL)`);
    expect((await pass('stored')).findings).toMatchObject([{ code: 'checkpoint.signature', index: log.size }]);
  });

  it('is not complete when it was stopped', async () => {
    for (const name of ['bodies', 'index', 'stored'] as const) {
      expect((await pass(name, AbortSignal.abort())).complete).toBe(false);
    }
  });

  it('hands on that the database is away: that is no finding', async () => {
    const { store } = log;
    await store.sql(`SELECT 1`);
    await log.verifier.end();
    for (const name of ['bodies', 'index', 'stored'] as const)
      await expect(pass(name)).rejects.toMatchObject({ fate: 'retry' });
  });
});
