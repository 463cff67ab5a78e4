/**
 * The main job, end to end, as real processes: events in, receipts that verify, blocks in Postgres, a checkpoint that a
 * verifier cosigned, an index that says what the events say; and a log that an outsider verifies from its first byte.
 */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifierKeyName } from '@everseal/audit-core';
import { repositoryRoot, servicesOf, waitUntil } from '@everseal/local';
import { AlertWatch, InstalledSystem, JournalProducer, LogOracle } from '@everseal/testing';

const START_MS = 180_000;
const TEST_MS = 120_000;
const PRODUCERS = ['billing', 'orders'] as const;

let system: InstalledSystem;
let alerts: AlertWatch;
let oracle: LogOracle;
const producers: Record<string, JournalProducer> = {};

beforeAll(async () => {
  system = await InstalledSystem.start({ policyFile: path.join(repositoryRoot(), 'everseal.yaml') });
  const { installation, origin, keys, ledger, trust } = system;
  alerts = await AlertWatch.open(installation);
  oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
  for (const producer of PRODUCERS) {
    producers[producer] = await JournalProducer.open({
      login: installation.logins.nats('producer', producer),
      ledger,
      producer,
      origin,
      ingestKeys: keys.ingest,
      source: `https://${producer}.example.com/checkout`,
    });
  }
}, START_MS);

afterAll(async () => {
  await Promise.all(Object.values(producers).map((producer) => producer.close()));
  await alerts?.close();
  await oracle?.close();
  await system?.stop();
}, START_MS);

const journals = (): Record<string, JournalProducer['journal']> =>
  Object.fromEntries(Object.entries(producers).map(([name, { journal }]) => [name, journal]));

describe('the main job', () => {
  it(
    'seals every event that it gave a receipt for, once, with its bytes',
    async () => {
      const { billing, orders } = producers;
      const enough = (producer: JournalProducer, count: number) => () => producer.receipted.length >= count;
      await Promise.all([billing!.load(20, 4, enough(billing!, 1_200)), orders!.load(1, 8, enough(orders!, 150))]);
      const journal = Object.values(journals()).flat();
      expect(journal.every(({ frame }) => frame !== null)).toBe(true);

      await oracle.caughtUp(journal, TEST_MS);
      await oracle.cosigned(TEST_MS);
      const { report, ...verdict } = await oracle.judge(journals());
      const found = { lost: [], unmarked: [], unknown: [], misindexed: [], copies: 0 };
      expect(verdict).toEqual({ ...found, receipted: journal.length, sealed: journal.length });
      expect(report).toMatchObject({ findings: [], events: journal.length });
      const { domain, verifiers } = system.installation.policy;
      const cosigners = verifiers.map(({ name }) => verifierKeyName(domain, name));
      expect(report.checkpoint).toEqual({ size: report.size, cosigners });
    },
    TEST_MS,
  );

  it(
    'gives an event that is sent again its first receipt, and seals no second copy of it',
    async () => {
      const { orders } = producers;
      const entries = orders!.journal.slice(0, 40);
      const before = entries.map(({ frame }) => frame);
      for (const entry of entries) await orders!.submit([entry]);
      expect(entries.map(({ frame }) => frame)).toEqual(before);
      await oracle.caughtUp(orders!.journal, TEST_MS);
      const verdict = await oracle.judge(journals());
      expect(verdict).toMatchObject({ copies: 0, lost: [], unmarked: [], unknown: [] });
    },
    TEST_MS,
  );

  it(
    'seals a copy that no receipt can be found for any more, and marks it in the index',
    async () => {
      // In another order and another company than before, the events stand at no one place that a receipt could name.
      const { orders } = producers;
      const again = [...orders!.journal.slice(0, 10).toReversed(), ...orders!.newEntries(2)];
      await orders!.submit(again);
      await oracle.caughtUp(orders!.journal, TEST_MS);
      const verdict = await oracle.judge(journals());
      expect(verdict).toMatchObject({ copies: 10, lost: [], unmarked: [], unknown: [], misindexed: [] });
      expect(verdict.report.findings).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'raises no alert, and every sweep has seen all of it',
    async () => {
      const size = (await oracle.judge(journals())).report.size;
      for (const sweep of ['bodies', 'index', 'stored']) {
        const swept = (): Promise<number> => system.metric('verifier', 'v1', `everseal_sweep_${sweep}_entries`);
        await waitUntil(async () => (await swept()) === size, { what: `the ${sweep} sweep`, timeoutMs: TEST_MS });
      }
      expect(alerts.problems).toEqual([]);
      expect(alerts.seen).toEqual([]);
      for (const { service, name } of servicesOf(system.installation.policy)) {
        expect(JSON.parse(await system.ask(service, name, '/ready'))).toMatchObject({ status: 'ready' });
      }
    },
    TEST_MS,
  );
});
