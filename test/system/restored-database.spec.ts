/**
 * T10 on a whole installation: an older copy of the database is put in the place of the newest one, while the verifier runs.
 * The verifier says so, the sealer refuses to start, and everything is well again with the newest copy; the control is the
 * same stop and start of Postgres without another copy.
 */
import { spawnSync } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import {
  AlertWatch,
  InstalledSystem,
  JournalProducer,
  LogOracle,
  recordTamper,
  type SeenAlert,
} from '@everseal/testing';

const START_MS = 180_000;
const TEST_MS = 240_000;
const WITHIN_MS = 60_000;
const SWEEP = { sweep: { bodies: 0, index: 0, stored: 0, pauseMs: 50, busyPercent: 100 } };

let system: InstalledSystem;
let alerts: AlertWatch;
let oracle: LogOracle | null = null;
let producer: JournalProducer;

beforeAll(async () => {
  system = await InstalledSystem.start({ settings: { 'verifier-v1': SWEEP } });
  const { installation, origin, keys, ledger } = system;
  alerts = await AlertWatch.open(installation);
  producer = await JournalProducer.open({
    login: installation.logins.nats('producer', 'orders'),
    ledger,
    producer: 'orders',
    origin,
    ingestKeys: keys.ingest,
    source: 'https://orders.example.com/shop',
  });
}, START_MS);

afterAll(async () => {
  await producer?.close();
  await alerts?.close();
  await oracle?.close();
  await system?.stop();
}, START_MS);

/** So many events more, sealed and cosigned. */
async function load(count: number): Promise<void> {
  const goal = producer.receipted.length + count;
  await producer.load(10, 2, () => producer.receipted.length >= goal);
  // A connection of its own: Postgres is stopped between two loads.
  await oracle?.close();
  oracle = await LogOracle.open(await system.installation.logins.postgres('ops', 'ops'), system.trust);
  await oracle.caughtUp(producer.journal, WITHIN_MS);
  await oracle.cosigned(WITHIN_MS);
  await oracle.close();
  oracle = null;
}

/** Stops Postgres, does something with its files, starts it. */
async function whileStopped(act: (data: string) => void): Promise<void> {
  const { installation } = system;
  await installation.postgres.stop();
  act(path.join(installation.layout.postgres, 'data'));
  await installation.startPostgres();
}

function copy(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cp: ${stderr}`);
}

const ofVerifier = (): SeenAlert[] => alerts.open.filter(({ source }) => source.includes('/verifier/'));

describe('a database that was put back', () => {
  it(
    'T10: log.rolled-back by the verifier, the sealer refuses to start, all is well with the newest copy',
    async () => {
      const { installation } = system;
      await load(100);
      await whileStopped((data) => copy(data, `${data}-older`));
      await load(100);
      expect(ofVerifier()).toEqual([]); // control
      await installation.service('sealer', 's1').stop();

      const began = Date.now();
      await whileStopped((data) => {
        renameSync(data, `${data}-newest`);
        renameSync(`${data}-older`, data);
      });
      const alert = await alerts.raised('log.rolled-back', WITHIN_MS);
      const seconds = (Date.now() - began) / 1_000;
      expect(alert.source).toContain('/verifier/');
      await expect(installation.startService('sealer', 's1')).rejects.toThrow('restore the lost blocks first');

      await whileStopped((data) => {
        rmSync(data, { recursive: true });
        renameSync(`${data}-newest`, data);
      });
      const seen = [...new Set(ofVerifier().map(({ code }) => code))];
      await installation.startService('sealer', 's1');
      await waitUntil(() => ofVerifier().length === 0, { what: 'every alert cleared', timeoutMs: WITHIN_MS });
      await load(20);
      oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), system.trust);
      expect(await oracle.judge({ orders: producer.journal })).toMatchObject({ lost: [], report: { findings: [] } });
      expect(alerts.problems).toEqual([]);
      const what = expect.getState().currentTestName ?? '';
      recordTamper({ act: 'T10', what, expected: ['log.rolled-back'], seen, seconds, named: alert.detail ?? '' });
    },
    TEST_MS,
  );
});
