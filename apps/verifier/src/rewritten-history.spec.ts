/**
 * T3 to T6, T10, T12 and T13: a whole database that tells another history, consistent in itself, put in the place of the one
 * that a verifier knows; and a block more, made by somebody who has the log key.
 *
 * The control of each is the same database before a verifier without the check: without the memory, or one that trusts the
 * forger's keys. It finds nothing, so nothing but that check finds it.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { leafHash, signKeySet, type LogTrust } from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { TestPostgres } from '@everseal/testing';
import { forgedKeys, genesisKeys, KEYS, LogWriter, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { SweptLog, type History, type Seen } from './swept-log.fixture.js';

const TEST_MS = 60_000;
const FORGED = forgedKeys();
const SINCE = 4;
/** The height of the block of that number: height 0 holds the genesis, and the gap has a block of its own. */
const HEIGHT = 5;
const genuine: LogTrust = new LogWriter().trust;

let server: TestPostgres;
let count = 0;
let known: SweptLog;
/** Verifiers of this test, whose folders go when it ends. */
let made: SweptLog[] = [];

beforeAll(async () => {
  server = await TestPostgres.start();
}, TEST_MS);
afterAll(() => server.stop());
beforeEach(async () => {
  known = await SweptLog.create(server, `known${++count}`);
  made.push(known);
  expect(await known.look()).toEqual([]);
}, TEST_MS);
afterEach(() => {
  for (const verifier of made) verifier.forget();
  made = [];
});

/** Puts the database of another history in the place of the one that the verifier reads. Gives a fresh verifier's log. */
async function replaceBy(history: History): Promise<SweptLog> {
  const other = await SweptLog.create(server, `other${count}`, history);
  made.push(other);
  await exchange(`known${count}`, `before${count}`);
  await exchange(`other${count}`, `known${count}`);
  return other;
}

async function exchange(name: string, to: string): Promise<void> {
  const rename = async (): Promise<boolean> => {
    await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    return server.query(`ALTER DATABASE "${name}" RENAME TO "${to}"`).then(
      () => true,
      () => false,
    );
  };
  await waitUntil(rename, { what: `${name} renamed`, timeoutMs: 10_000 });
}

const codes = (seen: readonly Seen[]): string[] => [...new Set(seen.map(({ code }) => code))].sort();

/** What a verifier that begins at entry 0 finds in the database that the known verifier reads now. */
async function fresh(trust: LogTrust): Promise<Seen[]> {
  const verifier = await SweptLog.follow(known.log, trust);
  try {
    return await verifier.look(['tail']);
  } finally {
    verifier.forget();
  }
}

describe('another history in the place of the known one', () => {
  const from = (change: (writer: LogWriter) => void): History => ({
    changed: `${SINCE} 0`,
    before: (block, writer) => block === SINCE && change(writer),
  });

  it(
    'T3, T4: block.signature from the first rewritten block on; control: with the log key and no memory, nothing',
    async () => {
      await replaceBy(from((writer) => (writer.logKey = FORGED.log)));
      const seen = await known.look();
      expect(seen.filter(({ look }) => look === 'bodies')[0]).toMatchObject({
        code: 'block.signature',
        height: HEIGHT,
        index: known.firstOf(HEIGHT),
        lastGoodBlock: HEIGHT - 1,
      });
      expect(codes(seen.filter(({ look }) => look === 'bodies'))).toEqual(['block.signature']);
      expect(await fresh(genuine)).toMatchObject([{ code: 'block.signature', height: HEIGHT }]);
    },
    TEST_MS,
  );

  it(
    'T5: checkpoint.mismatch with the log key and the ingest keys; control: without the memory, nothing',
    async () => {
      await replaceBy({ changed: `${SINCE} 0` });
      const seen = await known.look();
      const [first] = seen.filter(({ look }) => look === 'bodies');
      expect(first).toMatchObject({ code: 'checkpoint.mismatch', height: HEIGHT, index: known.firstOf(HEIGHT) });
      expect(codes(seen.filter(({ look }) => look === 'bodies'))).toEqual(['checkpoint.mismatch']);
      expect(codes(seen.filter(({ look }) => look === 'stored'))).toEqual(['checkpoint.mismatch', 'tile.altered']);
      expect(await fresh(genuine)).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'T6: key.changed for keys of the forger from genesis on; control: who trusts that genesis finds nothing',
    async () => {
      const writer = new LogWriter(FORGED, FORGED);
      await replaceBy({ writer });
      expect(await fresh(genuine)).toMatchObject([{ code: 'key.changed', height: 0, index: 0 }]);
      const [first] = (await known.look()).filter(({ look }) => look === 'bodies');
      expect(first).toMatchObject({ code: 'block.signature', height: 0, index: 0 });
      expect(await fresh(writer.trust)).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'T10: log.rolled-back for an older copy; control: without the memory, nothing',
    async () => {
      await replaceBy({ blocks: 9 });
      expect(codes(await known.look(['tail']))).toEqual(['log.rolled-back']);
      expect(codes(await known.look(['bodies']))).toEqual(['log.truncated']);
      expect(await fresh(genuine)).toEqual([]);
    },
    TEST_MS,
  );
});

describe('a block more, sealed with the log key', () => {
  it(
    'T12, T13: custody.forged for events that no ingester signed; control: for who trusts that ingest key, nothing',
    async () => {
      const { writer } = known.log;
      const before = writer.bodies.length;
      writer.keys = { ...KEYS, a: FORGED.a };
      const accepted = new Date(writer.clock - 5_000).toISOString();
      await known.log.seal(writer.frame('a', ['{"id":"backdated"}'], { accepted }));
      expect(await known.look(['tail'])).toMatchObject([{ code: 'custody.forged', height: before }]);
      const trusting = new LogWriter({ ...KEYS, a: FORGED.a }, { ...KEYS, a: FORGED.a });
      const theirs = await SweptLog.create(server, `theirs${count}`, { writer: trusting });
      expect(await theirs.look()).toEqual([]);
      await theirs.close();
    },
    TEST_MS,
  );

  it.each([
    ['key.changed', 'that no operator signed', FORGED.operator],
    [null, 'that the operator signed (control)', KEYS.operator],
  ])(
    "T13: %s for a key set with the forger's ingest key %s",
    async (code, _, operator) => {
      const { writer } = known.log;
      const set = { ...genesisKeys({ ...KEYS, a: FORGED.a }), previous: leafHash(writer.genesis), time: writer.time() };
      await known.log.seal(Buffer.from(signKeySet(set, KEYS.log, operator)));
      expect(codes(await known.look(['tail']))).toEqual(code === null ? [] : [code]);
      expect(set.origin).toBe(ORIGIN);
    },
    TEST_MS,
  );
});
