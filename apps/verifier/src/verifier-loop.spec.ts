/**
 * A right that a superuser takes away must not end a verifier, neither its loops nor its start: the catalog guard's alert would go with
 * it. The control of each act: the same failure under the fates of every other service, which ends the loop.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { deployKeyName, NOTE_KEY, sha256, signCatalog, SigningKey } from '@everseal/audit-core';
import { assertSchema, createLedger, databaseTime, findLedger, readCatalog } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { Health, Loop } from '@everseal/process';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import type { Pool } from 'pg';
import { KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { AnchorGuard } from './anchor-guard.js';
import { CatalogGuard } from './catalog-guard.js';
import { ClockGuard } from './clock-guard.js';
import { DurabilityGuard } from './durability-guard.js';
import { LostKeys } from './lost-keys.js';
import { onceRead } from './refused-start.js';
import { runVerifierLoop } from './verifier-loop.js';

const DOMAIN = 'audit.example.com';
const DATABASE = 'refusing';
const KEY = SigningKey.fromSeed(deployKeyName(DOMAIN), sha256(Buffer.from('deploy')), NOTE_KEY);
const ANCHOR = { target: 'tsa', kind: 'rfc3161', everyMs: 60_000, check: () => undefined } as const;

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let ledgerId: number;
let folder: TemporaryFolder;
let alerts: SpecBook;
let catalog: CatalogGuard;
const warned: string[] = [];
const logger = { warn: (_: object, text: string) => void warned.push(text), error: () => undefined };

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, DATABASE);
  ledgerId = await createLedger(await store.sealer(), ORIGIN, { epoch: '', created: '', sequence: 0, hash: null });
  pool = await store.verifier();
});
afterAll(async () => {
  await store.close();
  await server.stop();
});
beforeEach(async () => {
  folder = temporaryFolder('refusing');
  alerts = new SpecBook();
  warned.length = 0;
  const { schema, installation } = await readCatalog(pool);
  const agreementFile = path.join(folder.path, 'catalog.note');
  const agreed = {
    domain: DOMAIN,
    database: DATABASE,
    time: '2026-01-31T09:30:00.250Z',
    lines: [...schema, ...installation],
  };
  writeFileSync(agreementFile, signCatalog(agreed, KEY));
  catalog = new CatalogGuard(pool, alerts.book, {
    domain: DOMAIN,
    database: DATABASE,
    agreementFile,
    deployKey: KEY.verifier,
  });
});
afterEach(() => {
  alerts.remove();
  folder.remove();
});

const anchored = (): (() => Promise<void>) => {
  const guard = new AnchorGuard(pool, alerts.book, [{ origin: ORIGIN, ledgerId, anchors: [ANCHOR] }], () => 0);
  return () => guard.look();
};
const durable = (): (() => Promise<void>) => {
  const guard = new DurabilityGuard(pool, alerts.book, DOMAIN);
  return () => guard.look();
};
let brokerAsked = 0;
const clocks = (): (() => Promise<void>) => {
  const guard = new ClockGuard(alerts.book, {
    domain: DOMAIN,
    boundMs: 60_000,
    now: Date.now,
    steady: () => performance.now(),
    asked: [
      { name: 'Postgres', ask: () => databaseTime(pool) },
      { name: 'the broker', ask: () => Promise.resolve(brokerAsked++).then(() => null) },
    ],
    ledgers: [],
  });
  return () => guard.look();
};

describe('a loop whose reads are refused', () => {
  const VERIFIER = 'everseal_verifier';
  it.each([
    [
      'anchors',
      anchored,
      `REVOKE SELECT ON everseal.anchor FROM ${VERIFIER}`,
      `GRANT SELECT ON everseal.anchor TO ${VERIFIER}`,
    ],
    [
      'durability',
      durable,
      'REVOKE SELECT ON pg_catalog.pg_settings FROM PUBLIC',
      'GRANT SELECT ON pg_catalog.pg_settings TO PUBLIC',
    ],
    [
      'clocks',
      clocks,
      'REVOKE EXECUTE ON FUNCTION pg_catalog.clock_timestamp() FROM PUBLIC',
      'GRANT EXECUTE ON FUNCTION pg_catalog.clock_timestamp() TO PUBLIC',
    ],
  ])('of the %s tries again, and goes on when they are not', async (name, looking, act, undo) => {
    const look = looking();
    const health = new Health();
    const condition = health.condition(name, 'starting');
    const state = { stopped: [] as string[], looks: 0 };
    const options = {
      name,
      logger,
      within: 10_000,
      body: () => look().then(() => (state.looks++, 10)),
      onStop: (error: Error) => void state.stopped.push(error.message),
    };
    await store.sql(act);
    const loop = runVerifierLoop({ ...options, condition, pulse: health.pulse(name, 10_000) });
    const control = Loop.run({ ...options, name: 'control', pulse: health.pulse('control', 10_000) });
    await control.ended;
    expect(state).toEqual({ stopped: [expect.stringContaining('refused')], looks: 0 });
    const asked = brokerAsked;
    await waitUntil(() => warned.length >= 2, { what: 'it has tried again' });
    expect(health.ready().conditions).toMatchObject([
      { ok: false, reason: expect.stringContaining('Postgres refused') },
    ]);
    if (name === 'clocks') expect(brokerAsked).toBeGreaterThan(asked);
    await store.sql(undo);
    await waitUntil(() => state.looks > 0, { what: 'it has looked' });
    await loop.stop();
    expect(state.stopped).toHaveLength(1);
  });
});

describe('a start whose reads are refused', () => {
  const lost = (): Promise<void> =>
    LostKeys.open(folder.path).look(
      pool,
      [{ trust: { origin: ORIGIN, genesis: sha256(Buffer.alloc(0)) }, ledgerId, remembered: 0 }],
      [KEYS.verifier],
    );
  it.each([
    ['cosignature', lost],
    ['migration', () => assertSchema(pool)],
    ['ledger', () => findLedger(pool, ORIGIN)],
  ] as const)('of table %s waits, and store.catalog is raised meanwhile', async (table, read) => {
    await store.sql(`REVOKE SELECT ON everseal.${table} FROM everseal_verifier`);
    await expect(read()).rejects.toMatchObject({ fate: 'stop' });
    let isRead = false;
    const started = onceRead<unknown>({ catalog, logger }, read, 10).then(() => (isRead = true));
    await waitUntil(() => alerts.open.length > 0 && warned.length >= 2, { what: 'the alert' });
    expect([isRead, alerts.open]).toEqual([false, ['store.catalog']]);
    expect((await alerts.lastRaised()).detail).toContain(table);
    await store.sql(`GRANT SELECT ON everseal.${table} TO everseal_verifier`);
    await started;
    await catalog.look();
    expect(alerts.open).toEqual([]);
  });

  it('does not wait for anything else', async () => {
    const read = (): Promise<never> => Promise.reject(new Error('a bug'));
    await expect(onceRead({ catalog, logger }, read, 10)).rejects.toThrow('a bug');
    expect(warned).toEqual([]);
  });
});
