/**
 * A ledger is closed while its ingester holds events that were receipted and never sealed: `everseal restore --close` as its users run
 * it, the successor's sealer, the ingester told what it continues. They are in the successor's log, once and in order, and
 * what the closed ledger sealed is not. The log key is what is lost here; that lost blocks come back from a spool as well, and
 * every way in which a take-over is refused: apps/ingest/src/take-over.spec.ts.
 *
 * Control: the ingester that is not told leaves them where they are.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { leafHash, openRestore, openGenesis, originOf, type KeySet } from '@everseal/audit-core';
import { repositoryRoot, waitUntil, type LocalInstallation } from '@everseal/local';
import {
  InstalledSystem,
  type JournalProducer,
  LogOracle,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import { Client } from 'pg';
import { parse, stringify } from 'yaml';

const POLICY = `domain: audit.example.com
ledgers:
  - name: main
    ingesters: [a]
  - name: main-r1
    ingesters: [a]
producers:
  - name: orders
    ledgers: [main, main-r1]
    sources: ['https://orders.example.com/*']
ingest:
  - name: a
sealers:
  - name: s1
verifiers:
  - name: v1
ops:
  - name: ops
`;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const START_MS = 240_000;
const TEST_MS = 300_000;
const WITHIN_MS = 120_000;
const SUCCESSOR = originOf('audit.example.com', 'main-r1');

type Ledger = { name: string; continues?: object; successorNoteFile?: string };

let folder: TemporaryFolder;
let system: InstalledSystem;
const producers: JournalProducer[] = [];

beforeAll(async () => {
  folder = temporaryFolder('successor');
  const prepared = (installation: LocalInstallation): void => {
    for (const id of ['sealer-s1', 'verifier-v1']) ledgersOf(installation, id, ([main]) => [main!]);
  };
  system = await InstalledSystem.start({ policy: POLICY, prepared });
}, START_MS);

afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.close()));
  await system?.stop();
  folder?.remove();
}, START_MS);

/** Changes the ledgers in a service's settings. */
function ledgersOf({ layout }: LocalInstallation, id: string, change: (ledgers: Ledger[]) => Ledger[]): void {
  const file = layout.configFile(id);
  const settings = parse(readFileSync(file, 'utf8')) as { ledgers: Ledger[] };
  writeFileSync(file, stringify({ ...settings, ledgers: change(settings.ledgers) }));
}

/** The successor's, for a service that has only those of the closed ledger: files are named after their ledger. */
const successorFrom = (closed: Ledger): Ledger =>
  JSON.parse(JSON.stringify(closed).replaceAll('main', 'main-r1')) as Ledger;

async function restart(service: 'ingest' | 'verifier', name: string): Promise<void> {
  await system.installation.service(service, name).stop();
  await system.installation.startService(service, name);
}

async function producerOf(ledger: string): Promise<JournalProducer> {
  const producer = await system.openProducer({ ledger });
  producers.push(producer);
  return producer;
}

async function withOracle<T>(ledger: string, work: (oracle: LogOracle) => Promise<T>): Promise<T> {
  const genesis = leafHash(readFileSync(system.installation.keys.genesis(ledger)));
  const login = await system.installation.logins.postgres('ops', 'ops');
  const oracle = await LogOracle.open(login, { origin: originOf('audit.example.com', ledger), genesis });
  return work(oracle).finally(() => oracle.close());
}

async function isBegun(ledger: string): Promise<boolean> {
  const client = new Client(await system.installation.logins.postgres('ops', 'ops'));
  await client.connect();
  try {
    const asked = 'SELECT 1 FROM everseal.ledger WHERE origin = $1';
    return (await client.query(asked, [originOf('audit.example.com', ledger)])).rowCount === 1;
  } finally {
    await client.end();
  }
}

async function close(out: string): Promise<void> {
  const { keys, layout } = system.installation;
  const orders = ['--close', '--log-key-lost', '--yes', '--reason', 'the log key is lost', '--out', out];
  const files = ['--log-key', keys.log('main-r1'), '--operator-key', keys.operator('local')];
  const args = [MAIN, '--dir', layout.dir, 'restore', 'main', ...orders, ...files];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect({ code, said }).toEqual({ code: 0, said });
}

it(
  'has what its closed ledger accepted and did not seal, once, and nothing that it sealed',
  async () => {
    const { installation } = system;
    const producer = await producerOf('main');
    const sealed = producer.newEntries(10);
    await producer.submit(sealed);
    await withOracle('main', async (oracle) => {
      await oracle.caughtUp(sealed, WITHIN_MS);
      await oracle.cosigned(WITHIN_MS);
    });
    await installation.service('sealer', 's1').stop();
    const requests = Array.from({ length: 4 }, () => producer.newEntries(5));
    for (const entries of requests) await producer.submit(entries);
    const unsealed = requests.flat();

    const out = path.join(folder.path, 'successor.note');
    await close(out);
    const genesis: KeySet = openGenesis(readFileSync(installation.keys.genesis('main-r1')), SUCCESSOR);
    expect(openRestore(readFileSync(out), genesis, system.keys)).toMatchObject({ reason: 'the log key is lost' });
    ledgersOf(installation, 'sealer-s1', ([main]) => [{ ...successorFrom(main!), successorNoteFile: out }]);
    // Each waits for the other: a verifier for the ledger in the database, a sealer for the word of a verifier.
    const answering = async (): Promise<void> => {
      await waitUntil(() => isBegun('main-r1'), { what: 'the successor in the database', timeoutMs: WITHIN_MS });
      ledgersOf(installation, 'verifier-v1', ([main]) => [main!, successorFrom(main!)]);
      await restart('verifier', 'v1');
    };
    await Promise.all([installation.startService('sealer', 's1'), answering()]);

    // Control: the ingester serves both, and the successor has nothing but its beginning.
    await restart('ingest', 'a');
    await withOracle('main-r1', (oracle) => oracle.cosigned(WITHIN_MS));
    expect(await withOracle('main-r1', (oracle) => oracle.sealedEvents())).toEqual([]);

    const continues = { ledger: 'main', successorNoteFile: out, headsFile: `${out}.heads` };
    ledgersOf(installation, 'ingest-a', (ledgers) => [{ ...ledgers[1]!, continues }]);
    await restart('ingest', 'a');
    expect(await system.metric('ingest', 'a', 'everseal_ingest_taken_over_events')).toBe(unsealed.length);
    // Sent again they get the receipts of their new places, and a new one comes behind them.
    const again = await producerOf('main-r1');
    for (const entries of requests) await again.submit(entries);
    const fresh = again.newEntries(1);
    await again.submit(fresh);
    await withOracle('main-r1', async (oracle) => {
      await oracle.caughtUp([...unsealed, ...fresh], WITHIN_MS);
      const events = (await oracle.sealedEvents()).map(({ bytes }) => bytes.toString());
      expect(events).toEqual([...unsealed, ...fresh].map(({ bytes }) => bytes.toString()));
      const verdict = await oracle.judge({ orders: [...unsealed, ...fresh] });
      expect(verdict).toMatchObject({ lost: [], copies: 0, unknown: [], misindexed: [], report: { findings: [] } });
    });
    // The closed ledger stands as it stood.
    const before = await withOracle('main', (oracle) => oracle.sealedEvents());
    expect(before.map(({ bytes }) => bytes.toString())).toEqual(sealed.map(({ bytes }) => bytes.toString()));
    await waitUntil(() => system.metric('ingest', 'a', 'everseal_ingest_take_over_frames_left').then((n) => n === 0), {
      what: 'nothing left to take over',
      timeoutMs: WITHIN_MS,
    });
  },
  TEST_MS,
);
