/** Sweeps that go on where the process before stood, over a log in a real Postgres. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { alertKeyName, LogState, NOTE_KEY, sha256, SigningKey } from '@everseal/audit-core';
import { AlertBook } from '@everseal/process';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { BodyRing } from './body-ring.js';
import type { Place } from './check-stored-block.js';
import { FollowLedger } from './follow-ledger.js';
import { LeafFile } from './leaf-file.js';
import { LedgerCoverage } from './ledger-coverage.js';
import { Pace } from './pace.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';
import { SweepBodies } from './sweep-bodies.js';
import { SweepPlaces, type Leg } from './sweep-places.js';
import { VerifyLedger } from './verify-ledger.js';

const SOURCE = 'audit.example.com/verifier/v1';
const CLOCKS = { day: Date.now, steady: () => performance.now() };
const BOUNDS = { behindEntries: 1_000, behindMs: 60_000, staleMs: 60_000 };
const NEVER = new AbortController().signal;

let server: TestPostgres;
let folder: TemporaryFolder;
let log: StoredLog;
let tree: RememberedTree;
let follow: FollowLedger;
let alerts: AlertBook;
/** Where each leg of a body sweep began. */
let legs: Place[];
let databases = 0;
const file = (): string => path.join(folder.path, 'sweeps.json');

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = temporaryFolder('sweeps');
  log = await StoredLog.create(server, `sweeps${databases++}`);
  for (let i = 0; i < 6; i++) await (i === 0 ? log.seal() : log.sealEvents(`{"n":${i}}`));
  tree = await RememberedTree.load(LeafFile.open(path.join(folder.path, 'leaves')), 0);
  mkdirSync(path.join(folder.path, 'bodies'));
  const ring = new BodyRing(path.join(folder.path, 'bodies'), 1_000_000);
  const { trust } = log.writer;
  follow = new FollowLedger(trust, log.verifier, log.ledgerId, LogState.empty(trust), tree, ring);
  expect(await follow.catchUp()).toBeNull();
  const key = SigningKey.fromSeed(
    alertKeyName('audit.example.com', 'verifier', 'v1'),
    sha256(Buffer.from('k')),
    NOTE_KEY,
  );
  alerts = new AlertBook(path.join(folder.path, 'alerts.json'), SOURCE, key, Date.now, () => Promise.resolve(true));
});
afterEach(async () => {
  tree.close();
  await log.close();
  folder.remove();
});

/** The process after the one that wrote the file of places. */
function verifier(bounds = BOUNDS): VerifyLedger {
  const places = new SweepPlaces(file());
  const coverage = new LedgerCoverage(() => follow.size, bounds, CLOCKS, places.endedAt);
  const { verifier: pool, ledgerId } = log;
  const bodies = new SweepBodies(pool, ledgerId, tree, () => follow.memory, new Pace(() => Infinity));
  legs = [];
  const spied = {
    pass: (signal: AbortSignal, leg: Leg) => {
      legs.push(leg.from);
      return bodies.pass(signal, leg);
    },
  };
  const sweeps = { bodies: spied, index: spied, stored: spied };
  const ring = new BodyRing(path.join(folder.path, 'bodies'), 1_000_000);
  return new VerifyLedger(follow, sweeps, ring, alerts, pool, coverage, places, CLOCKS);
}

const stand = (place: unknown, endedAt: object = {}): void =>
  writeFileSync(file(), JSON.stringify({ places: { bodies: place }, endedAt }));
/** Height 3 begins behind the genesis block (2 entries) and two blocks of 3. */
const THERE: Place = { height: 3, first: 8 };
const FLIP = `UPDATE everseal.block_body SET body = set_byte(body, 40, get_byte(body, 40) # 1) WHERE height = `;

describe('a sweep after a restart', () => {
  it('goes on where it stood, reads the rest as well, and then begins at the beginning', async () => {
    stand(THERE);
    const verify = verifier();
    await verify.sweep('bodies', NEVER);
    expect(legs).toEqual([THERE, { height: 0, first: 0 }]);
    expect(verify.coverage.of('bodies')).toMatchObject({ passes: 1, entries: log.size, notCovered: [] });
    await verify.sweep('bodies', NEVER);
    expect(legs.slice(2)).toEqual([{ height: 0, first: 0 }]);
    expect(alerts.open).toEqual([]);
  });

  it.each([
    ['a height that begins elsewhere', { height: 3, first: 9 }],
    ['the place of another height', { height: 4, first: 8 }],
    ['a place inside a block', { height: 3, first: 6 }],
    ['beyond the log', { height: 99, first: 9_999 }],
    ['no place', 'x'],
    ['a negative one', { height: -1, first: -5 }],
  ])('begins anew when the file says %s, and raises nothing for it', async (_, place) => {
    stand(place);
    const verify = verifier();
    await verify.sweep('bodies', NEVER);
    expect(legs).toEqual([{ height: 0, first: 0 }]);
    expect(alerts.open).toEqual([]);
  });

  it('begins anew when there is no file or it is damaged', async () => {
    await verifier().sweep('bodies', NEVER);
    expect(legs).toEqual([{ height: 0, first: 0 }]);
    writeFileSync(file(), '{"places":');
    await verifier().sweep('bodies', NEVER);
    expect(legs).toEqual([{ height: 0, first: 0 }]);
  });

  it.each([1, 2, 4])('finds a changed byte of block %i wherever it stood', async (height) => {
    stand(THERE);
    await log.tamper(`${FLIP}${height}`);
    await verifier().sweep('bodies', NEVER);
    expect(alerts.open.map(({ code }) => code)).toEqual(['entry.altered']);
    await log.tamper(`${FLIP}${height}`);
  });

  it('needs both: the proof of the place, and the rest of the round (controls)', async () => {
    const { verifier: pool, ledgerId } = log;
    const bodies = new SweepBodies(pool, ledgerId, tree, () => follow.memory, new Pace(() => Infinity));
    const from = (place: Place): Leg => ({ from: place, until: Infinity, reached: () => undefined });
    // A place that is believed without proof is a false alarm.
    expect((await bodies.pass(NEVER, from({ height: 4, first: 8 }))).findings).not.toEqual([]);
    // A pass that only goes on where it stood does not see what lies before.
    await log.tamper(`${FLIP}1`);
    expect((await bodies.pass(NEVER, from(THERE))).findings).toEqual([]);
  });

  it('claims no full pass for what an earlier process read: a file that says so hides no age', async () => {
    stand(THERE, { bodies: Date.now() });
    const verify = verifier();
    expect(verify.coverage.of('bodies')).toMatchObject({ passes: 0, endedAt: null, oldestReadAt: null });
    stand(THERE, { bodies: Date.now() - 120_000 });
    await verifier().judgeItself();
    expect(alerts.open.map(({ code }) => code)).toEqual(['verifier.stale']);
  });

  it('keeps where it stands and when it ended', async () => {
    const verify = verifier();
    await verify.sweep('bodies', NEVER);
    verify.savePlaces();
    const kept = new SweepPlaces(file());
    expect(kept.endedAt.bodies).toBeGreaterThan(Date.now() - 60_000);
    kept.reached('bodies', THERE);
    kept.save();
    await verifier().sweep('bodies', NEVER);
    expect(legs[0]).toEqual(THERE);
  });
});

describe('what was not covered', () => {
  it('is named with its reason: a body that is gone', async () => {
    await log.tamper('DELETE FROM everseal.block_body WHERE height = 2');
    const verify = verifier();
    await verify.sweep('bodies', NEVER);
    const { notCovered, oldestReadAt } = verify.coverage.of('bodies');
    expect(notCovered).toMatchObject([{ first: 5, height: 2, why: expect.stringContaining('body') }]);
    expect(oldestReadAt).toBeNull();
  });
});

describe('a verifier that judges itself', () => {
  it('raises verifier.behind once while the head is ahead, and clears it when it has caught up', async () => {
    const verify = verifier({ ...BOUNDS, behindEntries: 2 });
    await verify.judgeItself();
    expect(alerts.open).toEqual([]); // control
    await log.sealEvents('{"late":1}');
    await verify.judgeItself();
    await verify.judgeItself();
    expect(alerts.open.map(({ code, number }) => `${number} ${code}`)).toEqual(['1 verifier.behind']);
    expect(verify.coverage.coverage.tail).toMatchObject({ size: log.size - 3, head: log.size });
    await verify.tail();
    await verify.judgeItself();
    expect(alerts.open).toEqual([]);
  });
});
