/**
 * Custody on a running installation: what a producer learns of its receipts, and what the verifier says while frames that
 * have receipts are not sealed. The control comes first: load, and a restart of the verifier and of the sealer, and nothing
 * is raised.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { sha256, signCheckpoint, SigningKey } from '@everseal/audit-core';
import { repositoryRoot, waitUntil, type ServiceKind } from '@everseal/local';
import { announceSubject } from '@everseal/policy';
import { AlertWatch, InstalledSystem, JournalProducer, LogOracle } from '@everseal/testing';
import { connect } from '@nats-io/transport-node';

const START_MS = 180_000;
const TEST_MS = 120_000;
const WITHIN_MS = 60_000;
const CLI = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
/** Longer than a service takes to come back here. */
const CUSTODY = { custody: { overdueMs: 15_000 }, sweep: { stream: 0, pauseMs: 200 } };

let system: InstalledSystem;
let alerts: AlertWatch;

beforeAll(async () => {
  system = await InstalledSystem.start({ settings: { 'verifier-v1': CUSTODY } });
  alerts = await AlertWatch.open(system.installation);
}, START_MS);

afterAll(async () => {
  await alerts?.close();
  await system?.stop();
}, START_MS);

afterEach(() => expect(alerts.problems).toEqual([]));

async function restart(service: ServiceKind, name: string): Promise<void> {
  await system.installation.service(service, name).stop();
  await system.installation.startService(service, name);
}

/** The command-line tool, with its exit code and its lines of JSON. */
function everseal(...args: string[]): Promise<{ code: number | null; lines: Record<string, unknown>[]; err: string }> {
  const config = ['--config', system.installation.layout.configFile('cli')];
  const child = spawn(process.execPath, [CLI, ...config, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const lines = (): Record<string, unknown>[] =>
    out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, lines: lines(), err })));
}

/** Sends one event and keeps its receipt in a file of its own. */
async function submitOne(id: string): Promise<string> {
  const file = path.join(system.installation.layout.config, `${id}.receipts`);
  const event = ['--source', 'urn:test', '--type', 'order.made', '--id', id, '--data', '{}'];
  const sent = await everseal('submit', '--producer', 'demo', ...event, '--receipts', file);
  expect(sent).toMatchObject({ code: 0 });
  return file;
}

describe('custody', () => {
  it(
    'raises nothing under load and over a restart of the verifier and of the sealer',
    async () => {
      const { installation, ledger, origin, keys, trust } = system;
      const login = installation.logins.nats('producer', 'orders');
      const source = 'https://orders.example.com/custody';
      const options = { login, ledger, producer: 'orders', origin, ingestKeys: keys.ingest, source };
      const producer = await JournalProducer.open(options);
      const oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
      try {
        let enough = false;
        const load = producer.load(5, 4, () => enough, 10);
        for (const [service, name] of [
          ['verifier', 'v1'],
          ['sealer', 's1'],
          ['verifier', 'v1'],
        ] as const) {
          const goal = producer.receipted.length + 200;
          await waitUntil(() => producer.receipted.length >= goal, { what: 'receipts', timeoutMs: WITHIN_MS });
          await restart(service, name);
        }
        enough = true;
        await load;
        await oracle.caughtUp(producer.journal, WITHIN_MS);
        await oracle.cosigned(WITHIN_MS);
        expect(alerts.seen).toEqual([]);
      } finally {
        await producer.close();
        await oracle.close();
      }
    },
    TEST_MS,
  );

  it(
    'a claim is pending, overdue with custody.overdue while nothing seals, and sealed with a proof afterwards',
    async () => {
      const sealed = await submitOne('custody-1');
      const first = await waitUntil(
        async () => {
          const seen = await everseal('claim', sealed);
          return seen.code === 0 ? seen : null;
        },
        { what: 'the first event sealed', timeoutMs: WITHIN_MS },
      );
      expect(first.lines).toEqual([expect.objectContaining({ state: 'sealed', cosigners: [expect.any(String)] })]);
      const other = await everseal('claim', sealed, '--producer', 'billing');
      expect(other).toMatchObject({ code: 3, lines: [{ state: 'refused', code: 'claim.producer' }] });

      await system.installation.service('sealer', 's1').stop();
      const waiting = await submitOne('custody-2');
      expect(await everseal('claim', waiting)).toMatchObject({ code: 4, lines: [{ state: 'pending' }] });
      const alert = await alerts.raised('custody.overdue', WITHIN_MS);
      expect(alert.source).toContain('/verifier/');
      const overdue = await waitUntil(
        async () => {
          const seen = await everseal('claim', waiting);
          return seen.code === 1 ? seen : null;
        },
        { what: 'the claim overdue', timeoutMs: WITHIN_MS },
      );
      expect(overdue.lines).toEqual([expect.objectContaining({ state: 'overdue' })]);
      expect([...new Set(alerts.open.map(({ code }) => code))]).toEqual(['custody.overdue']);

      await system.installation.startService('sealer', 's1');
      await alerts.allCleared(WITHIN_MS);
      await waitUntil(async () => (await everseal('claim', waiting)).code === 0, {
        what: 'the second event sealed',
        timeoutMs: WITHIN_MS,
      });
      expect([...new Set(alerts.seen.map(({ code }) => code))]).toEqual(['custody.overdue']);
    },
    TEST_MS,
  );

  it(
    'T21: stream.config while the stream has another bound than the policy says',
    async () => {
      const { installation, ledger } = system;
      const nc = await connect(installation.logins.nats('provisioner', 'deploy'));
      try {
        const api = async (what: string, body: object = {}): Promise<{ config: object }> =>
          (await nc.request(`$JS.API.STREAM.${what}.FRAMES_${ledger}`, JSON.stringify(body))).json();
        const { config } = await api('INFO');
        await api('UPDATE', { ...config, max_age: 3_600 * 1e9 });
        const alert = await alerts.raised('stream.config', WITHIN_MS);
        expect(alert.detail).toContain('max_age');
        await api('UPDATE', config);
        await alerts.allCleared(WITHIN_MS);
      } finally {
        await nc.close();
      }
    },
    TEST_MS,
  );

  it(
    'T23: log.forked for an announcement with another checkpoint of a size that was announced',
    async () => {
      const { installation, ledger, origin } = system;
      const subject = announceSubject(ledger);
      const [ops, sealer] = await Promise.all([
        connect(installation.logins.nats('ops', 'ops')),
        connect(installation.logins.nats('sealer', 's1')),
      ]);
      try {
        const newest = await ops.request(`JSA.DIRECT.GET.ANNOUNCEMENTS.${subject}`);
        const announced = newest.json<{ checkpoint: string }>();
        const size = Number(announced.checkpoint.split('\n')[1]);
        const key = SigningKey.fromSkey(readFileSync(installation.keys.log(ledger), 'utf8').trim());
        const checkpoint = signCheckpoint({ origin, size, root: sha256(Buffer.from('another history')) }, key);
        sealer.publish(subject, JSON.stringify({ ...announced, checkpoint }));
        await sealer.flush();
        expect(await alerts.raised('log.forked', WITHIN_MS)).toMatchObject({ first: { index: size } });
        expect(alerts.open.map(({ code }) => code)).toEqual(['log.forked']);
      } finally {
        await Promise.all([ops.close(), sealer.close()]);
      }
    },
    TEST_MS,
  );
});
