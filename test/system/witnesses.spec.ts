/**
 * Two installations, each with its own broker, database, keys and certificates, that watch each other: the verifier of one is a
 * C2SP witness of the ledger of the other, over HTTPS. Their checkpoints, proofs and policies carry each other's cosignatures;
 * a witness that is away holds up nothing but readers that ask for it; and a history that a thief of the log key made is
 * found: by the log, as soon as it has gone on, and by the witness, with both checkpoints.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  COSIGNATURE_KEY,
  formatAddCheckpoint,
  leafHash,
  NOTE_KEY,
  parseKeyFile,
  parseTlogProof,
  parseWitnessSize,
  proveConsistency,
  sha256,
  signCheckpoint,
  splitBundle,
  treeRoot,
  SigningKey,
  type Hash,
} from '@everseal/audit-core';
import { freePort, repositoryRoot, waitUntil } from '@everseal/local';
import { AlertWatch, InstalledSystem, JournalProducer, temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import pg from 'pg';
import { parse } from 'yaml';

const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const START_MS = 300_000;
const TEST_MS = 240_000;
const WITHIN_MS = 120_000;
const policyOf = (domain: string, more: string): string => `domain: ${domain}
ledgers: [{ name: main, ingesters: [a] }]
producers: [{ name: orders, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
${more}`;
/** Soon; the second test waits until one is overdue. */
const ASKING = { everyMs: 500, overdueMs: 20_000, timeoutMs: 5_000 };

/** A witness that takes connections and says nothing. */
const SILENT = SigningKey.fromSeed('silent.example.org/w', sha256(Buffer.from('silent')), COSIGNATURE_KEY);

/** One of the two. */
interface Side {
  readonly system: InstalledSystem;
  readonly port: number;
  readonly alerts: AlertWatch;
  readonly dba: pg.Client;
}

let folder: TemporaryFolder;
let one: Side;
let two: Side;
let hung: Server;
let producers = 0;

beforeAll(async () => {
  folder = temporaryFolder('witnesses');
  hung = createServer(() => {});
  await new Promise<void>((resolve) => hung.listen(0, '127.0.0.1', resolve));
  const [portOne, portTwo] = [await freePort(), await freePort()];
  const first = await start('audit.one.example', 'readers: [{ name: r1 }]\n');
  const second = await start('audit.two.example');
  one = await sideOf(first, portOne);
  two = await sideOf(second, portTwo);
  await configure(two, one);
  await configure(one, two);
}, START_MS);

afterAll(async () => {
  for (const side of [one, two]) {
    await side?.dba.end();
    await side?.alerts.close();
    await side?.system.stop();
  }
  hung?.close();
  folder?.remove();
}, START_MS);

function start(domain: string, more = ''): Promise<InstalledSystem> {
  const policyFile = path.join(folder.path, `${domain}.yaml`);
  writeFileSync(policyFile, policyOf(domain, more));
  return InstalledSystem.start({ policyFile });
}

async function sideOf(system: InstalledSystem, port: number): Promise<Side> {
  const dba = new pg.Client(await system.installation.logins.superuser());
  await dba.connect();
  return { system, port, dba, alerts: await AlertWatch.open(system.installation) };
}

/** Settings of a verifier that is a witness of another installation's ledger, with the certificate of its operations. */
function witnessOf({ origin, keys }: InstalledSystem, port: number): object {
  const own = '../pki/server/verifier-v1';
  const files = { certFile: `${own}/cert.pem`, keyFile: `${own}/key.pem` };
  return { port, ...files, logs: [{ origin, keys: [keys.log.vkey] }] };
}

const rootsOf = ({ installation }: InstalledSystem): string => installation.logins.certificate('ops', 'ops').caFile;
const fileOf = ({ system }: Side): string => path.join(system.installation.layout.config, 'witnesses');

/** The file of witnesses of a ledger: the other's verifier, which is needed, and the silent one, which is not. */
function writeWitnesses(side: Side, other: Side): void {
  const { port } = hung.address() as AddressInfo;
  const lines = [
    `witness silent ${SILENT.verifier.vkey} https://localhost:${port}`,
    `witness other ${other.system.keys.verifiers[0]!.vkey} https://localhost:${other.port}/`,
    'quorum other',
  ];
  writeFileSync(fileOf(side), `${lines.join('\n')}\n`);
}

/** Makes one installation a witness of the other, and has it witnessed by the other. */
async function configure(side: Side, other: Side): Promise<void> {
  const { system } = side;
  const { installation } = system;
  writeWitnesses(side, other);
  const settings = (id: string): Record<string, unknown> =>
    parse(readFileSync(installation.layout.configFile(id), 'utf8')) as Record<string, unknown>;
  const withFile = (id: string): object => {
    const [ledger] = settings(id)['ledgers'] as object[];
    return { ledgers: [{ ...ledger, witnessesFile: fileOf(side) }] };
  };
  system.changeSettings('verifier-v1', { witness: witnessOf(other.system, side.port) });
  const witnesses = { ...ASKING, caFile: rootsOf(other.system) };
  system.changeSettings('sealer-s1', { ...withFile('sealer-s1'), witnesses });
  system.changeSettings('cli', withFile('cli'));
  const services: ['verifier' | 'sealer' | 'reader', string][] = [
    ['verifier', 'v1'],
    ['sealer', 's1'],
  ];
  if (installation.policy.readers.length > 0) {
    system.changeSettings('reader-r1', withFile('reader-r1'));
    services.push(['reader', 'r1']);
  }
  for (const [service, name] of services) {
    await installation.service(service, name).stop();
    await installation.startService(service, name);
  }
}

/** Has events accepted. */
async function send({ system }: Side, events: number): Promise<string[]> {
  const { installation, ledger, origin, keys } = system;
  const producer = await JournalProducer.open({
    login: installation.logins.nats('producer', 'orders'),
    ledger,
    producer: 'orders',
    origin,
    ingestKeys: keys.ingest,
    source: `https://orders.example.com/witnesses/${producers++}`,
  });
  await producer.load(events, 1, () => producer.receipts >= events);
  await producer.close();
  return producer.receipted.map(({ id }) => id);
}

const sizeOf = ({ system }: Side): Promise<number> => system.metric('sealer', 's1', 'everseal_ledger_size_entries');
const witnessedBy = ({ system }: Side): Promise<number> =>
  system.metric('verifier', 'v1', 'everseal_witnessed_size_entries');
const published = ({ system }: Side): Promise<number> =>
  system.metric('reader', 'r1', 'everseal_published_size_entries');

/** Waits until the newest checkpoint of a log is cosigned by the other's verifier. */
async function witnessed(side: Side, other: Side, least = 1): Promise<number> {
  return waitUntil(
    async () => {
      const { rows } = await side.dba.query<{ size: string | null }>(
        'SELECT max(size) AS size FROM everseal.cosignature WHERE signer = $1',
        [other.system.keys.verifiers[0]!.name],
      );
      const size = Number(rows[0]?.size ?? 0);
      return size >= least ? size : false;
    },
    { what: `a cosignature of the other on size ${least}`, timeoutMs: WITHIN_MS, everyMs: 250 },
  );
}

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

function everseal(side: Side, ...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, '--dir', side.system.installation.layout.dir, ...args]);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

const overdue = ({ alerts }: Side): string[] =>
  alerts.open.filter(({ code }) => code === 'witness.overdue').map(({ detail }) => /^witness (\w+)/.exec(detail!)![1]!);

describe('two installations that watch each other', () => {
  it(
    'cosign each other, and proofs and policies carry it; a witness that says nothing holds neither of them up',
    async () => {
      const [id] = await send(one, 20);
      await send(two, 20);
      for (const [side, other] of [
        [one, two],
        [two, one],
      ] as const) {
        await witnessed(side, other, await sizeOf(side));
        expect(await witnessedBy(other)).toBeGreaterThan(0);
      }
      await waitUntil(async () => (await published(one)) >= 20, { what: 'published', timeoutMs: WITHIN_MS });
      const policy = path.join(folder.path, 'one.policy');
      expect(await everseal(one, 'policy', '--out', policy)).toMatchObject({ code: 0, err: '' });
      const proved = await everseal(one, 'prove', id!, '--out', path.join(folder.path, 'proof'), '--json');
      expect(proved).toMatchObject({ code: 0, err: '' });
      const { cosigners, files } = JSON.parse(proved.out) as { cosigners: string[]; files: { proof: string } };
      expect(cosigners.toSorted()).toEqual(['other', 'v1']);
      expect(await everseal(one, 'verify', files.proof, '--policy', policy)).toMatchObject({ code: 0 });
      // Control: without the line of the other it is not believed.
      const { checkpoint } = parseTlogProof(readFileSync(files.proof));
      const line = checkpoint.split('\n').find((text) => text.startsWith(`— ${two.system.keys.verifiers[0]!.name} `))!;
      writeFileSync(files.proof, readFileSync(files.proof, 'utf8').replace(`${line}\n`, ''));
      expect(await everseal(one, 'verify', files.proof, '--policy', policy)).toMatchObject({ code: 1 });
      await waitUntil(() => overdue(one).includes('silent'), { what: 'the silent one overdue', timeoutMs: WITHIN_MS });
      expect(one.alerts.problems).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'go on without a witness that is away; only a reader that asks for it waits, and it is said',
    async () => {
      const verifier = two.system.installation.service('verifier', 'v1');
      await verifier.stop();
      const before = await published(one);
      await send(one, 20);
      const announced = (): Promise<number> => one.system.metric('sealer', 's1', 'everseal_checkpoint_size_entries');
      await waitUntil(async () => (await announced()) >= before + 20, { what: 'announced', timeoutMs: WITHIN_MS });
      await waitUntil(() => overdue(one).includes('other'), { what: 'the other overdue', timeoutMs: WITHIN_MS });
      expect(await published(one)).toBe(before);
      const status = await everseal(one, 'status');
      expect(status.out).toMatch(/other\s+main\s.*OVERDUE/);
      expect(status.out).toMatch(/v1\s+audit\.two\.example\/main\s+\d+/);
      expect(status.out).toContain('witness other of ledger main does not cosign in time');
      await two.system.installation.startService('verifier', 'v1');
      await waitUntil(async () => (await published(one)) >= before + 20, { what: 'published', timeoutMs: WITHIN_MS });
      await waitUntil(() => !overdue(one).includes('other'), { what: 'not overdue', timeoutMs: WITHIN_MS });
    },
    TEST_MS,
  );

  it(
    'find a history that a thief of the log key made: the log when it has gone on, the witness when it sees a second one',
    async () => {
      const codes = (side: Side): string[] => side.alerts.seen.map(({ code }) => code);
      expect([...codes(one), ...codes(two)].filter((code) => /^(witness\.dissent|log\.)/.test(code))).toEqual([]);
      const { installation, origin } = one.system;
      await installation.service('sealer', 's1').stop();
      const leaves = await leavesOf(one);
      const key = parseKeyFile(readFileSync(installation.keys.log('main'), 'utf8'), origin, NOTE_KEY)[0]!;
      const stolen = leaves.concat(Array.from({ length: 5 }, (_, i) => sha256(Buffer.from(`stolen ${i}`))));
      expect((await submit(stolen, key)).status).toBe(200);
      await installation.startService('sealer', 's1');
      await send(one, 30);
      await one.alerts.raised('witness.dissent', WITHIN_MS);
      const other = [...stolen.slice(0, -1), sha256(Buffer.from('another'))];
      expect(await submit(other, key)).toEqual({ status: 409, body: '' });
      const forked = await two.alerts.raised('log.forked', WITHIN_MS);
      expect(forked.first?.index).toBe(stolen.length);
      // What was announced here is not what the thief signed: the own verifier saw nothing.
      expect(codes(one).filter((code) => /^(log|checkpoint)\./.test(code))).toEqual([]);
    },
    TEST_MS,
  );
});

/** The leaf hashes of a ledger, as its database holds them. */
async function leavesOf({ dba }: Side): Promise<Hash[]> {
  const { rows } = await dba.query<{ body: Buffer }>('SELECT body FROM everseal.block_body ORDER BY height');
  return rows.flatMap(({ body }) => {
    const bounds = splitBundle(body);
    return Array.from({ length: bounds.count }, (_, i) => leafHash(body.subarray(bounds.start(i), bounds.end(i))));
  });
}

/** Has the verifier of the second asked to cosign this tree as the ledger of the first, as any client of the protocol would. */
async function submit(leaves: readonly Hash[], key: SigningKey): Promise<{ status: number; body: string }> {
  const checkpoint = signCheckpoint({ origin: key.name, size: leaves.length, root: treeRoot(leaves) }, key);
  const found = await post(formatAddCheckpoint({ old: 0, proof: [], checkpoint }));
  if (found.status !== 409) return found;
  const old = parseWitnessSize(Buffer.from(found.body));
  const proof = old === leaves.length ? [] : proveConsistency(old, leaves);
  return post(formatAddCheckpoint({ old, proof, checkpoint }));
}

function post(body: string): Promise<{ status: number; body: string }> {
  const place = { host: 'localhost', port: two.port, path: '/add-checkpoint', method: 'POST', agent: false } as const;
  return new Promise((resolve, reject) => {
    const asked = request({ ...place, ca: readFileSync(rootsOf(two.system)) }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, body: Buffer.concat(chunks).toString() }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
