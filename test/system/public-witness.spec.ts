/**
 * Our witness client against public witnesses that we did not write: cosigned and proven, through restarts on both sides, when one knows
 * less and when it knows more than we think, and when it knows another history. Of each that is here (libs/testing,
 * public-witness.ts); skipped without.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  formatAddCheckpoint,
  leafHash,
  NOTE_KEY,
  parseKeyFile,
  parseWitnessSize,
  proveConsistency,
  sha256,
  signCheckpoint,
  splitBundle,
  treeRoot,
  type Hash,
} from '@everseal/audit-core';
import { repositoryRoot, waitUntil } from '@everseal/local';
import {
  AlertWatch,
  InstalledSystem,
  JournalProducer,
  PublicWitness,
  publicWitnesses,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import pg from 'pg';
import { parse } from 'yaml';

const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const START_MS = 300_000;
const TEST_MS = 240_000;
const WITHIN_MS = 120_000;
const POLICY = `domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }]
producers: [{ name: orders, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;

let folder: TemporaryFolder;
let system: InstalledSystem;
let witness: PublicWitness;
let alerts: AlertWatch;
let dba: pg.Client;
let producers = 0;

const programs = publicWitnesses();
if (programs.length === 0)
  process.stderr.write('public-witness.spec: skipped, LITEWITNESS_BIN and OMNIWITNESS_BIN name none\n');

async function start(program: (typeof programs)[number]): Promise<void> {
  folder = temporaryFolder('public-witness');
  const policyFile = path.join(folder.path, 'policy.yaml');
  writeFileSync(policyFile, POLICY);
  system = await InstalledSystem.start({ policyFile });
  const { installation, origin, keys } = system;
  const own = path.join(installation.layout.dir, 'pki', 'server', 'verifier-v1');
  const tls = { certFile: path.join(own, 'cert.pem'), keyFile: path.join(own, 'key.pem') };
  const log = { origin, vkey: keys.log.vkey };
  witness = await PublicWitness.start(program, path.join(folder.path, 'witness'), log, tls);
  const file = path.join(installation.layout.config, 'witnesses');
  writeFileSync(file, `witness public ${witness.vkey} ${witness.url}\nquorum public\n`);
  for (const id of ['sealer-s1', 'cli']) {
    const settings = parse(readFileSync(installation.layout.configFile(id), 'utf8')) as { ledgers: object[] };
    system.changeSettings(id, { ledgers: [{ ...settings.ledgers[0], witnessesFile: file }] });
  }
  const { caFile } = installation.logins.certificate('ops', 'ops');
  system.changeSettings('sealer-s1', { witnesses: { everyMs: 500, overdueMs: 60_000, timeoutMs: 5_000, caFile } });
  await restart('sealer', 's1');
  dba = new pg.Client(await installation.logins.superuser());
  await dba.connect();
  alerts = await AlertWatch.open(installation);
}

async function restart(service: 'sealer' | 'verifier', name: string): Promise<void> {
  await system.installation.service(service, name).stop();
  await system.installation.startService(service, name);
}

async function send(events: number): Promise<void> {
  const { installation, ledger, origin, keys } = system;
  const login = installation.logins.nats('producer', 'orders');
  const source = `https://orders.example.com/public-witness/${producers++}`;
  const options = { login, ledger, producer: 'orders', origin, ingestKeys: keys.ingest, source };
  const producer = await JournalProducer.open(options);
  await producer.load(events, 1, () => producer.receipts >= events);
  await producer.close();
}

/** How many entries are sealed. */
async function headSize(): Promise<number> {
  const { rows } = await dba.query<{ size: string }>('SELECT max(next) AS size FROM everseal.block');
  return Number(rows[0]!.size);
}

/** Size of the newest checkpoint that it cosigned, as the database holds it. */
async function cosignedSize(): Promise<number> {
  const found = await dba.query<{ size: string | null }>(
    'SELECT max(size) AS size FROM everseal.cosignature WHERE signer = $1',
    [witness.name],
  );
  return Number(found.rows[0]?.size ?? 0);
}

/** Has events sealed, and waits until it has cosigned a checkpoint over them. */
async function cosignedAfter(events: number): Promise<void> {
  const before = Math.max(await cosignedSize(), await headSize());
  await send(events);
  const what = `a cosignature of the witness beyond ${before}`;
  await waitUntil(async () => (await cosignedSize()) >= before + events, { what, timeoutMs: WITHIN_MS, everyMs: 250 });
}

async function leavesOf(): Promise<Hash[]> {
  const { rows } = await dba.query<{ body: Buffer }>('SELECT body FROM everseal.block_body ORDER BY height');
  return rows.flatMap(({ body }) => {
    const bounds = splitBundle(body);
    return Array.from({ length: bounds.count }, (_, i) => leafHash(body.subarray(bounds.start(i), bounds.end(i))));
  });
}

/** Has it cosign this tree, as somebody who has the log key. @returns the status */
async function submit(leaves: readonly Hash[]): Promise<number> {
  const { installation, origin } = system;
  const [key] = parseKeyFile(readFileSync(installation.keys.log('main'), 'utf8'), origin, NOTE_KEY);
  const checkpoint = signCheckpoint({ origin, size: leaves.length, root: treeRoot(leaves) }, key!);
  const found = await post(formatAddCheckpoint({ old: 0, proof: [], checkpoint }));
  if (found.status !== 409) return found.status;
  const old = parseWitnessSize(found.body);
  return (await post(formatAddCheckpoint({ old, proof: proveConsistency(old, leaves), checkpoint }))).status;
}

function post(body: string): Promise<{ status: number; body: Buffer }> {
  const { caFile } = system.installation.logins.certificate('ops', 'ops');
  const place = {
    host: 'localhost',
    port: witness.port,
    path: '/add-checkpoint',
    method: 'POST',
    agent: false,
  } as const;
  return new Promise((resolve, reject) => {
    const asked = request({ ...place, ca: readFileSync(caFile) }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, body: Buffer.concat(chunks) }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

function everseal(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, '--dir', system.installation.layout.dir, ...args], { encoding: 'utf8' });
}

/** Statuses of its answers since then. */
const since = (from: number): string[] =>
  witness.seen.slice(from).map(({ old, status }) => `${old > 0 ? 'n' : 0}:${status}`);

const describeEach = programs.length === 0 ? describe.skip.each(['no program']) : describe.each(programs);

describeEach('%s', (program) => {
  beforeAll(() => start(program as (typeof programs)[number]), START_MS);

  afterAll(async () => {
    await alerts?.close();
    await dba?.end();
    await witness?.stop();
    await system?.stop();
    folder?.remove();
  }, START_MS);

  it(
    'cosigns our checkpoints, and proofs under its quorum hold',
    async () => {
      await cosignedAfter(20);
      const policy = path.join(folder.path, 'policy');
      expect(everseal('policy', '--out', policy)).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(policy, 'utf8')).toContain(witness.vkey);
      const proved = everseal('prove', '--index', '3', '--out', path.join(folder.path, 'proof'), '--json');
      expect(proved).toMatchObject({ status: 0, stderr: '' });
      const { cosigners, files } = JSON.parse(proved.stdout) as { cosigners: string[]; files: { proof: string } };
      expect(cosigners).toContain('public');
      expect(everseal('verify', files.proof, '--policy', policy)).toMatchObject({ status: 0 });
      // Control: without its line nothing is believed.
      const lines = readFileSync(files.proof, 'utf8').split('\n');
      writeFileSync(files.proof, lines.filter((line) => !line.startsWith(`— ${witness.name} `)).join('\n'));
      expect(everseal('verify', files.proof, '--policy', policy)).toMatchObject({ status: 1 });
    },
    TEST_MS,
  );

  it(
    'goes on after restarts on either side: we learn its size from its 409, it remembers what it cosigned',
    async () => {
      let from = witness.seen.length;
      await restart('sealer', 's1');
      await cosignedAfter(20);
      expect(since(from).slice(0, 2)).toEqual(['0:409', 'n:200']);
      await witness.pause();
      witness.keep();
      await witness.resume();
      from = witness.seen.length;
      await cosignedAfter(20);
      expect(new Set(since(from))).toEqual(new Set(['n:200']));
    },
    TEST_MS,
  );

  it(
    'is taken up from where it stands when it was set back, or has gone further than the newest checkpoint here',
    async () => {
      await witness.pause();
      witness.setBack();
      await witness.resume();
      let from = witness.seen.length;
      await cosignedAfter(20);
      expect(since(from).slice(0, 2)).toEqual(['n:409', 'n:200']);

      // Sealed, and no checkpoint over it yet: it is given one by hand.
      await system.installation.service('verifier', 'v1').stop();
      const before = await headSize();
      await send(20);
      await waitUntil(async () => (await headSize()) >= before + 20, { what: 'sealed', timeoutMs: WITHIN_MS });
      const leaves = await leavesOf();
      expect(await submit(leaves)).toBe(200);
      from = witness.seen.length;
      await restart('sealer', 's1');
      await waitUntil(() => since(from).includes('0:409'), { what: 'asked from nothing', timeoutMs: WITHIN_MS });
      expect(await cosignedSize()).toBeLessThan(leaves.length);
      await system.installation.startService('verifier', 'v1');
      await cosignedAfter(20);
      expect(alerts.seen.filter(({ code }) => code === 'witness.dissent')).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'knows another history after a thief of the log key showed it one: 422, and witness.dissent',
    async () => {
      await system.installation.service('sealer', 's1').stop();
      const stolen = (await leavesOf()).concat(Array.from({ length: 5 }, (_, i) => sha256(Buffer.from(`stolen ${i}`))));
      expect(await submit(stolen)).toBe(200);
      const from = witness.seen.length;
      await system.installation.startService('sealer', 's1');
      await send(30);
      await alerts.raised('witness.dissent', WITHIN_MS);
      expect(since(from)).toContain('n:422');
    },
    TEST_MS,
  );
});
