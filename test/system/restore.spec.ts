/**
 * Backup, point-in-time recovery and `everseal restore` on a whole installation. A base backup is taken while it works, more
 * is sealed, Postgres is set back: the verifier says so and the sealer refuses. The lost blocks come back byte for byte, from
 * the verifier's own folder while it runs and from a copy of the log in tlog-tiles layout, and everything goes on: same log,
 * nothing that was receipted is lost, alerts cleared, the signer's memory its own. And where nobody has the blocks the ledger is
 * closed for its successor.
 *
 * Controls: without the restore the sealer refuses to start; an archive with one byte changed or with a hole is refused by the
 * name of the record, and nothing is written. (Every other way in which an archive is not good, and what would be written
 * without the checks: apps/cli/src/restore-log.spec.ts.)
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  entriesPath,
  NOTE_KEY,
  openRestore,
  parseAnnouncement,
  signKeySet,
  SigningKey,
  successorOf,
  type KeySet,
} from '@everseal/audit-core';
import { repositoryRoot, waitUntil } from '@everseal/local';
import {
  AlertWatch,
  BaseBackups,
  InstalledSystem,
  JournalProducer,
  LogOracle,
  temporaryFolder,
  writeTilesFolder,
  type SeenAlert,
  type TemporaryFolder,
} from '@everseal/testing';
import { connect } from '@nats-io/transport-node';
import { Client } from 'pg';
import { parse, stringify } from 'yaml';

const START_MS = 240_000;
const TEST_MS = 300_000;
const WITHIN_MS = 60_000;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const SWEEP = { sweep: { bodies: 0, index: 0, stored: 0, pauseMs: 50, busyPercent: 100 } };
/** What a verifier may say of a database that was set back. */
const SET_BACK = ['log.rolled-back', 'log.truncated', 'tile.altered', 'index.missing', 'checkpoint.mismatch'];
const EXIT = { ok: 0, findings: 1, usage: 2 };
/** What a restore has to bring back, as one text; not what differs by nature: when a row was stored, where a frame was read. */
const LOG = `SELECT concat_ws(E'\\n',
  (SELECT string_agg(concat_ws(',', height, first, next, entries, hash, sealed), ' ' ORDER BY height) FROM block),
  (SELECT string_agg(height || ' ' || md5(body), ' ' ORDER BY height) FROM block_body),
  (SELECT string_agg(concat_ws(',', level, number, md5(data), root), ' ' ORDER BY level, number) FROM tile),
  (SELECT string_agg(concat_ws(',', ingester, number, hash, position), ' ' ORDER BY ingester, number) FROM frame),
  (SELECT string_agg(concat_ws(',', ingester, first, last, cause, position), ' ' ORDER BY ingester, first) FROM gap),
  (SELECT concat_ws(',', height, size, previous, frontier, sealed, keys_index, state) FROM ledger_head),
  (SELECT max(size) || ' ' || max(note) FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint))) AS log`;

let folder: TemporaryFolder;
let system: InstalledSystem;
let alerts: AlertWatch;
let producer: JournalProducer;
let backups: BaseBackups;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  folder = temporaryFolder('restore');
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
  backups = await BaseBackups.begin(installation);
}, START_MS);

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

afterAll(async () => {
  await producer?.close();
  await alerts?.close();
  await system?.stop();
  folder?.remove();
}, START_MS);

/** So many events more, sealed and cosigned; each call ends in a block of its own at least. */
async function load(count: number): Promise<void> {
  const goal = producer.receipted.length + count;
  await producer.load(10, 2, () => producer.receipted.length >= goal);
  await withOracle(async (oracle) => {
    await oracle.caughtUp(producer.journal, WITHIN_MS);
    await oracle.cosigned(WITHIN_MS);
  });
}

/** On a connection of its own: Postgres is stopped between two. */
async function withOracle<T>(work: (oracle: LogOracle) => Promise<T>): Promise<T> {
  const oracle = await LogOracle.open(await system.installation.logins.postgres('ops', 'ops'), system.trust);
  return work(oracle).finally(() => oracle.close());
}

async function query<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  const client = new Client(await system.installation.logins.superuser());
  await client.connect();
  try {
    await client.query('SET search_path = everseal');
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

const log = async (): Promise<string> => (await query<{ log: string }>(LOG))[0]!.log;
const height = async (): Promise<number> =>
  Number((await query<{ height: string }>('SELECT height FROM ledger_head'))[0]!.height);
const cursor = async (): Promise<number> =>
  Number((await query<{ at: string }>('SELECT stream_sequence AS at FROM ledger_head'))[0]!.at);
const ofVerifier = (): SeenAlert[] => alerts.open.filter(({ source }) => source.includes('/verifier/'));
const verifierFolder = (): string => system.installation.layout.state('verifier-v1');
const signerMemory = (): string =>
  readFileSync(path.join(system.installation.layout.state('sealer-s1'), 'main.checkpoint'), 'utf8');

interface Ran {
  code: number | null;
  out: Record<string, unknown> | null;
  err: string;
}

function begin(...args: string[]): { child: ChildProcess; ended: Promise<Ran> } {
  const own = ['--dir', system.installation.layout.dir, 'restore', 'main', '--json', ...args];
  const child = spawn(process.execPath, [MAIN, ...own], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let [said, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<Ran>((resolve) =>
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, err, out: said === '' ? null : (JSON.parse(said) as Record<string, unknown>) });
    }),
  );
  return { child, ended };
}

async function restore(code: number, ...args: string[]): Promise<Ran> {
  const ran = await begin(...args).ended;
  expect({ code: ran.code, err: ran.err }).toEqual({ code, err: ran.err });
  return ran;
}

/** Sets Postgres back while everything else runs; the sealer is stopped and refuses to start again. */
async function setBack(backup: string, time: string | null): Promise<void> {
  await system.installation.service('sealer', 's1').stop();
  await backups.goBackTo(backup, time);
  await waitUntil(() => ofVerifier().some(({ code }) => code === 'log.rolled-back'), {
    what: 'log.rolled-back by the verifier',
    timeoutMs: WITHIN_MS,
  });
  await expect(system.installation.startService('sealer', 's1')).rejects.toThrow('restore the lost blocks first');
  // The sweeps miss what the head misses, and nothing else (docs/operations/backup.md names these).
  const codes = new Set(ofVerifier().map(({ code }) => code));
  expect([...codes].filter((code) => !SET_BACK.includes(code))).toEqual([]);
}

/** The same log as before it was lost, and it goes on; then nothing that was receipted is missing, and nobody complains. */
async function goesOn(): Promise<void> {
  const { installation } = system;
  const memory = signerMemory();
  await installation.startService('sealer', 's1');
  // Checkpoints that nobody kept are gone for good; a verifier that counted them says so until it counts anew.
  await waitUntil(() => ofVerifier().every(({ code }) => code === 'checkpoint.mismatch'), {
    what: 'log.rolled-back cleared',
    timeoutMs: WITHIN_MS,
  });
  await installation.service('verifier', 'v1').stop();
  await installation.startService('verifier', 'v1');
  await load(20);
  await waitUntil(() => ofVerifier().length === 0, {
    what: 'every alert of the verifier cleared',
    timeoutMs: WITHIN_MS,
  });
  const verdict = await withOracle((oracle) => oracle.judge({ orders: producer.journal }));
  expect(verdict).toMatchObject({ lost: [], unmarked: [], unknown: [], misindexed: [], report: { findings: [] } });
  // It went on from what it had signed: sizes only grew.
  expect(sizeOf(signerMemory())).toBeGreaterThan(sizeOf(memory));
  expect(alerts.problems).toEqual([]);
  // The sealer's own word, once said, waits for an acknowledgement; it says nothing else.
  expect([...new Set(alerts.open.map(({ code }) => code))]).toEqual(['log.rolled-back']);
}

const sizeOf = (checkpoint: string): number => Number(checkpoint.split('\n')[1]);

/** Changes one byte in the middle of a file. */
function spoil(file: string): void {
  const bytes = readFileSync(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(file, bytes);
}

function copyOf(from: string, name: string): string {
  const to = path.join(folder.path, name);
  cpSync(from, to, { recursive: true });
  return to;
}

describe('a database that was set back', () => {
  it(
    'after a point-in-time recovery comes back whole from the folder of the running verifier',
    async () => {
      await load(40);
      const backup = await backups.take();
      const atBackup = await height();
      for (let i = 0; i < 3; i++) await load(20);
      const time = await backups.timeOfAll();
      const atTime = await height();
      for (let i = 0; i < 4; i++) await load(20);
      await backups.archived();
      const newest = await height();
      expect(ofVerifier()).toEqual([]); // control
      await system.installation.service('sealer', 's1').stop();
      const whole = await log();
      const memory = signerMemory();
      const newestCursor = await cursor();

      await setBack(backup, time);
      expect(await height()).toBe(atTime);
      expect(atTime).toBeGreaterThan(atBackup);
      const setBackLog = await log();

      const lost = String(atTime + 2).padStart(16, '0');
      const altered = copyOf(verifierFolder(), 'altered');
      spoil(path.join(altered, 'main', 'bodies', lost));
      expect((await restore(EXIT.findings, '--from', altered)).err).toContain(`bodies/${lost} is not good`);
      expect(await log()).toBe(setBackLog);

      await killedHalfWay(atTime);
      const { out } = await restore(EXIT.ok, '--from', verifierFolder());
      expect(out).toMatchObject({ height: newest, checkpoint: { size: sizeOf(memory) } });
      expect(await log()).toBe(whole);
      expect(signerMemory()).toBe(memory);
      // It stands where the backup had it: what is read again is skipped by its hash, and nothing is skipped that is not sealed.
      expect(await cursor()).toBeLessThan(newestCursor);

      await goesOn();
      expect((await restore(EXIT.usage, '--from', verifierFolder())).err).toContain('stop every sealer');
    },
    TEST_MS,
  );

  it(
    'as an old base backup left it comes back whole from a copy in tlog-tiles layout',
    async () => {
      const backup = await backups.take();
      const survives = await query<{ size: string }>('SELECT size FROM ledger_head');
      await load(600);
      await load(20);
      await system.installation.service('sealer', 's1').stop();
      const whole = await log();
      const mirror = path.join(folder.path, 'mirror');
      writeTilesFolder(mirror, await bodies(), await announcedCheckpoint());
      await setBack(backup, null);
      const setBackLog = await log();

      const holed = copyOf(mirror, 'holed-mirror');
      // A full bundle, none of whose entries survive.
      const bundle = entriesPath(Math.floor(Number(survives[0]!.size) / 256) + 1, 256);
      rmSync(path.join(holed, bundle));
      expect((await restore(EXIT.findings, '--from', holed)).err).toContain(`${bundle} is not there`);
      expect(await log()).toBe(setBackLog);

      await restore(EXIT.ok, '--from', holed, mirror);
      expect(await log()).toBe(whole);
      await goesOn();
    },
    TEST_MS,
  );

  it(
    'is closed for its successor when nobody has the blocks, and is not sealed any more',
    async () => {
      const backup = await backups.take();
      await load(20);
      await setBack(backup, null);
      const survives = await query<{ size: string }>('SELECT size FROM ledger_head');
      const successor = nameSuccessor();
      const out = path.join(folder.path, 'successor.note');
      const { operatorKey, logKey } = successor;
      const own = ['--close', '--log-key', logKey, '--operator-key', operatorKey, '--reason', 'a test', '--out', out];
      const refused = await restore(EXIT.usage, ...own, '--yes', '--from', verifierFolder());
      expect(refused.err).toContain('nothing is lost for good');
      await restore(EXIT.ok, ...own, '--yes');
      const note = openRestore(readFileSync(out), successor.keys, system.keys);
      expect(note).toMatchObject({ closed: system.origin, surviving: { size: Number(survives[0]!.size) } });
      await expect(system.installation.startService('sealer', 's1')).rejects.toThrow('main-r1 continues it');
    },
    TEST_MS,
  );
});

/** A restore is killed while it waits to put back the second lost block: the first one stands, and no more. */
async function killedHalfWay(head: number): Promise<void> {
  const blocker = new Client(await system.installation.logins.superuser());
  await blocker.connect();
  try {
    await blocker.query('BEGIN');
    await blocker.query('SET LOCAL session_replication_role = replica'); // its parent does not stand yet
    await blocker.query(
      `INSERT INTO everseal.block (ledger_id, height, first, next, entries, hash, sealed)
       VALUES (1, $1, 1000000, 1000001, 0, sha256(''), now())`,
      [head + 2],
    );
    const { child, ended } = begin('--from', verifierFolder());
    const isHalfWay = async (): Promise<boolean> => (await height()) === head + 1;
    await waitUntil(isHalfWay, { what: 'the first lost block put back', timeoutMs: WITHIN_MS });
    child.kill('SIGKILL'); // or it has given up on the lock by now: the same for whoever comes next
    expect((await ended).code).not.toBe(0);
  } finally {
    await blocker.query('ROLLBACK');
    await blocker.end();
  }
  expect(await height()).toBe(head + 1);
}

/** A successor in the settings of the command line: its log key, and its first key set with the operator of the closed ledger. */
function nameSuccessor(): { keys: KeySet; logKey: string; operatorKey: string } {
  const { keys: folderOfKeys, layout } = system.installation;
  const origin = successorOf(system.origin);
  const key = SigningKey.fromSeed(origin, randomBytes(32), NOTE_KEY);
  const keys = { ...system.keys, origin, log: key.verifier };
  const operatorKey = folderOfKeys.operator('local');
  const operator = SigningKey.fromSkey(readFileSync(operatorKey, 'utf8').trim());
  const [logKey, genesis] = [path.join(folder.path, 'log.skey'), path.join(folder.path, 'genesis.note')];
  writeFileSync(logKey, key.skey, { mode: 0o600 });
  writeFileSync(genesis, signKeySet(keys, key, operator));
  const cli = layout.configFile('cli');
  const settings = parse(readFileSync(cli, 'utf8')) as { ledgers: object[] };
  settings.ledgers.push({ name: 'main-r1', genesisFile: genesis });
  writeFileSync(cli, stringify(settings));
  return { keys, logKey, operatorKey };
}

async function bodies(): Promise<Buffer[]> {
  return (await query<{ body: Buffer }>('SELECT body FROM block_body ORDER BY height')).map(({ body }) => body);
}

async function announcedCheckpoint(): Promise<string> {
  const nc = await connect(system.installation.logins.nats('ops', 'ops'));
  try {
    const asked = JSON.stringify({ last_by_subj: 'audit.announce.main' });
    const { data } = await nc.request('JSA.DIRECT.GET.ANNOUNCEMENTS', asked);
    return parseAnnouncement(data).checkpoint;
  } finally {
    await nc.close();
  }
}
