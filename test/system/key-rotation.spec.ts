/**
 * Keys of a whole installation rotated while producers send: the log's, an ingester's, a verifier's, by `everseal keys` as its
 * users run it. The sealer is killed in the middle. Nothing is lost, nothing false is said, and what was proven before stays
 * proven. The control of the alarm: the same rotation, of which no verifier was told, raises it.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  encodeEventEntry,
  encodeFrameMessage,
  eventPrefix,
  formatTimestamp,
  ingestKeyName,
  leafHash,
  NOTE_KEY,
  parseKeyFile,
  parseVkey,
  signFrame,
  treeRoot,
  ZERO_HASH,
  type Hash,
  type SigningKey,
  type VerifierKey,
} from '@everseal/audit-core';
import { repositoryRoot, waitUntil } from '@everseal/local';
import {
  AlertWatch,
  InstalledSystem,
  type JournalProducer,
  LogOracle,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';

const POLICY = `domain: audit.example.com
ledgers:
  - name: main
    ingesters: [a, c]
producers:
  - name: orders
    ledgers: [main]
    sources: ['https://orders.example.com/*']
ingest:
  - name: a
  - name: c
sealers:
  - name: s1
  - name: s2
verifiers:
  - name: v1
ops:
  - name: ops
`;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const START_MS = 240_000;
const TEST_MS = 300_000;
const WITHIN_MS = 120_000;
/** Codes that a rotation must never raise, whatever is killed meanwhile. */
const FALSE_ALARM = /^(key|checkpoint|block|entry|custody|log|frame)\./;

let folder: TemporaryFolder;
let system: InstalledSystem;
let alerts: AlertWatch;
let dba: pg.Client;
/** Those that the producer believes receipts by; new ones are put in as they are made. */
let ingestKeys: VerifierKey[];
const journal: JournalProducer['journal'][number][] = [];
let producers = 0;

beforeAll(async () => {
  folder = temporaryFolder('key-rotation');
  // The catalog is not what this is about; keys are looked at often.
  system = await InstalledSystem.start({ policy: POLICY, settings: { 'verifier-v1': { guards: { everyMs: 1_000 } } } });
  ingestKeys = [...system.keys.ingest];
  alerts = await AlertWatch.open(system.installation);
  dba = new pg.Client(await system.installation.logins.superuser());
  await dba.connect();
  // Ingester c never takes a request: its lane is for the last test.
  const c = system.installation.service('ingest', 'c');
  c.kill('SIGKILL');
  await c.exited;
}, START_MS);

afterAll(async () => {
  await dba?.end();
  await alerts?.close();
  await system?.stop();
  folder?.remove();
}, START_MS);

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** The tool as a process of its own, with the settings of the installation. */
function everseal(...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, '--dir', system.installation.layout.dir, ...args]);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

const operatorKey = (): string => system.installation.keys.operator('local');
const keySets = (): string => system.installation.keys.keySets('main');
const keysIn = (file: string, name: string): SigningKey[] => parseKeyFile(readFileSync(file, 'utf8'), name, NOTE_KEY);

function rotate(of: string[], keyFile: string, ...more: string[]): Promise<Ran> {
  return everseal('keys', 'rotate', ...of, '--key-file', keyFile, '--operator-key', operatorKey(), ...more);
}

/** Runs `act` while a producer sends, then judges everything that was ever sent. */
async function underLoad(act: () => Promise<void>): Promise<void> {
  const source = `https://orders.example.com/rotation/${producers++}`;
  const producer = await system.openProducer({ ingestKeys, source });
  let enough = false;
  const load = producer.load(2, 4, () => enough, 10);
  const receipts = (more: number): Promise<unknown> => {
    const wanted = producer.receipted.length + more;
    return waitUntil(() => producer.receipted.length >= wanted, { what: `${wanted} receipts`, timeoutMs: WITHIN_MS });
  };
  try {
    await receipts(50);
    await Promise.race([act(), load]);
    await receipts(50);
  } finally {
    enough = true;
    await load;
    journal.push(...producer.journal);
    await producer.close();
  }
  await judge();
}

async function judge(): Promise<void> {
  const oracle = await LogOracle.open(await system.installation.logins.postgres('ops', 'ops'), system.trust);
  try {
    await oracle.caughtUp(journal, WITHIN_MS);
    await oracle.cosigned(WITHIN_MS);
    const { report, sealed, copies, ...verdict } = await oracle.judge({ orders: journal });
    expect(report.findings).toEqual([]);
    expect(verdict).toEqual({ receipted: journal.length, lost: [], unmarked: [], unknown: [], misindexed: [] });
    expect(sealed).toBe(journal.length + copies);
  } finally {
    await oracle.close();
  }
  expect(alerts.problems).toEqual([]);
}

const falseAlarms = (): string[] => alerts.seen.map(({ code }) => code).filter((code) => FALSE_ALARM.test(code));

/** Full passes of the verifier's sweeps over tiles and checkpoints, and looks of its key guard. */
async function looks(): Promise<number[]> {
  const guards = await system.ask('verifier', 'v1', '/metrics');
  const keys = /everseal_guard_looks_total\{[^}]*guard="keys"[^}]*\} (\d+)/.exec(guards)?.[1];
  const stored = /everseal_sweep_stored_passes_total\{[^}]*\} (\d+)/.exec(guards)?.[1];
  return [Number(keys ?? Number.NaN), Number(stored ?? Number.NaN)];
}

/** Waits until the verifier has looked at everything again since now. */
async function lookedAgain(): Promise<void> {
  const before = await looks();
  expect(before.every(Number.isFinite)).toBe(true);
  await waitUntil(async () => (await looks()).every((count, i) => count >= before[i]! + 2), {
    what: 'the verifier looked at keys and checkpoints again',
    timeoutMs: WITHIN_MS,
    everyMs: 500,
  });
}

async function holder(): Promise<string> {
  const { rows } = await dba.query<{ holder: string | null }>('SELECT holder FROM everseal.ledger_head');
  return rows[0]?.holder ?? '';
}

/** A proof of the first event that was ever sealed here, and the whole ledger, made before any key was rotated. */
const OLD_PROOF = 'old-proof';
const OLD_EXPORT = 'old-export';

describe('keys rotated under load', () => {
  it(
    'the log key, while the sealer that is at work is killed',
    async () => {
      const { installation, origin } = system;
      await underLoad(async () => {});
      const { id, source } = journal[0]!;
      const proved = await everseal('prove', id, '--source', source, '--out', path.join(folder.path, OLD_PROOF));
      expect(proved).toMatchObject({ code: 0 });
      const exported = await everseal('export', 'main', '--to', path.join(folder.path, OLD_EXPORT));
      expect(exported).toMatchObject({ code: 0 });
      const keyFile = installation.keys.log('main');
      const [old] = keysIn(keyFile, origin);
      await underLoad(async () => {
        const rotating = rotate(['log'], keyFile, '--timeout', '20');
        await waitUntil(() => existsSync(keySets()) && readdirSync(keySets()).length > 0, {
          what: 'the verifier told of the key set',
          timeoutMs: WITHIN_MS,
          everyMs: 5,
        });
        const killed = await holder();
        const process = installation.service('sealer', killed);
        process.kill('SIGKILL');
        await process.exited;
        await rotating;
        // Whatever became of it, the same again goes on from there; two keys in the file say that it is not at its end.
        const again = async (): Promise<boolean> =>
          keysIn(keyFile, origin).length === 1 || (await rotate(['log'], keyFile)).code === 0;
        await waitUntil(again, { what: 'the log key rotated', timeoutMs: WITHIN_MS });
        await installation.startService('sealer', killed);
      });
      const [fresh, ...others] = keysIn(keyFile, origin);
      expect(others).toEqual([]);
      expect(fresh!.verifier.vkey).not.toBe(old!.verifier.vkey);
      expect(statSync(keyFile).mode & 0o777).toBe(0o600);
      const shown = await everseal('keys', 'show', '--json');
      expect(shown.out).toContain(fresh!.verifier.idHex);
      expect(shown.out).not.toContain(old!.verifier.idHex);
      await lookedAgain();
      await alerts.allCleared(WITHIN_MS);
      expect(falseAlarms()).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'an ingester’s key: both are in force, then it signs with the new one, then the old one is not any more',
    async () => {
      const { installation } = system;
      const keyFile = installation.keys.ingest('a');
      const name = ingestKeyName('audit.example.com', 'a');
      await underLoad(async () => {
        const made = await everseal('keys', 'new', 'ingest', 'a', '--key-file', keyFile);
        expect(made).toMatchObject({ code: 0 });
        ingestKeys.push(parseVkey(made.out.trim()));
        expect(keysIn(keyFile, name)).toHaveLength(2);
        const ran = await rotate(['ingest', 'a'], keyFile);
        expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('used: ')]);
      });
      const [fresh, ...others] = keysIn(keyFile, name);
      expect([fresh!.verifier.vkey, others]).toEqual([ingestKeys.at(-1)!.vkey, []]);
      await lookedAgain();
      await alerts.allCleared(WITHIN_MS);
      expect(falseAlarms()).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'a verifier’s key, and everybody starts again with what there is now',
    async () => {
      const { installation } = system;
      await underLoad(async () => {
        const ran = await rotate(['verifier', 'v1'], installation.keys.verifier('v1'));
        expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('used: ')]);
        for (const [kind, service] of [
          ['verifier', 'v1'],
          ['ingest', 'a'],
          ['sealer', 's1'],
          ['sealer', 's2'],
        ] as const) {
          // prettier-ignore
          const process = installation.service(kind, service);
          process.kill('SIGKILL');
          await process.exited;
          await installation.startService(kind, service);
        }
      });
      await lookedAgain();
      await alerts.allCleared(WITHIN_MS);
      expect(falseAlarms()).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'without a word to the verifier, which then says so until it is told (control)',
    async () => {
      const elsewhere = path.join(folder.path, 'not-told');
      mkdirSync(elsewhere);
      await underLoad(async () => {
        const ran = await rotate(['log'], system.installation.keys.log('main'), '--key-sets', elsewhere);
        expect(ran.code).toBe(0);
        await alerts.raised('key.unknown', WITHIN_MS);
      });
      for (const name of readdirSync(elsewhere)) renameSync(path.join(elsewhere, name), path.join(keySets(), name));
      await alerts.allCleared(WITHIN_MS);
      expect(falseAlarms()).toEqual(['key.unknown', 'key.unknown']);
    },
    TEST_MS,
  );
});

describe('after all that', () => {
  it(
    'the log verifies from its first byte, and what was proven and exported before by the policy of today',
    async () => {
      const policy = path.join(folder.path, 'policy');
      expect(await everseal('policy', '--out', policy)).toMatchObject({ code: 0 });
      expect(readFileSync(policy, 'utf8').match(/^log /gm)).toHaveLength(3);
      const proofs = readdirSync(path.join(folder.path, OLD_PROOF)).filter((name) => name.endsWith('.tlog-proof'));
      expect(proofs).toHaveLength(1);
      const proof = path.join(folder.path, OLD_PROOF, proofs[0]!);
      expect(await everseal('verify', proof, '--policy', policy)).toMatchObject({ code: 0 });
      const whole = path.join(folder.path, OLD_EXPORT);
      expect(await everseal('verify', whole, '--policy', policy)).toMatchObject({ code: 0 });
      // The same export brought up to date, over all key sets.
      expect(await everseal('export', 'main', '--to', whole)).toMatchObject({ code: 0 });
      expect(await everseal('verify', whole, '--policy', policy)).toMatchObject({ code: 0 });
      // Control: a policy that names the newest log key alone knows nothing of it.
      const [newest] = readFileSync(policy, 'utf8').match(/^log .*$/gm)!;
      const others = readFileSync(policy, 'utf8').replaceAll(/^log .*\n/gm, '');
      writeFileSync(policy, `${newest}\n${others}`);
      expect((await everseal('verify', proof, '--policy', policy)).code).toBe(1);
      expect(await everseal('verify')).toMatchObject({ code: 0 });
    },
    TEST_MS,
  );

  it(
    'frames that a revoked ingest key signed are a gap by that cause, and the lane goes on',
    async () => {
      const { installation } = system;
      const keyFile = installation.keys.ingest('c');
      const [old] = keysIn(keyFile, ingestKeyName('audit.example.com', 'c')) as [SigningKey];
      // A second operator, who orders it.
      const second = path.join(folder.path, 'second.skey');
      expect(await rotate(['operator', 'second'], second)).toMatchObject({ code: 0 });
      const revoke = ['ingest', 'c', '--key-file', keyFile, '--operator-key', second, '--revoke'];
      expect(await everseal('keys', 'rotate', ...revoke)).toMatchObject({ code: 0 });
      const [fresh] = keysIn(keyFile, old.name);
      const first = frameOf(1, ZERO_HASH, old);
      await publish(first.message, frameOf(2, first.hash, fresh!).message);
      const declare = ['gap', 'declare', 'c', '1', '1', '--key', operatorKey(), '--json'];
      // Refused until the sealer has come to both frames.
      const declared = await waitUntil(
        async () => {
          const said = await everseal(...declare);
          return said.code === 0 ? said : undefined;
        },
        { what: 'the gap declared', timeoutMs: WITHIN_MS, everyMs: 500 },
      );
      expect(declared.out).toContain('"cause":"key-revoked"');
      expect(await everseal('verify')).toMatchObject({ code: 0 });
      await lookedAgain();
      const since = new Set(alerts.seen.map(({ code }) => code));
      // The sealer says that somebody signs with that key and that the lane waited; nobody, that a frame is overdue or the gap false.
      const said = [...since].filter((code) => FALSE_ALARM.test(code)).sort();
      expect(said).toEqual(['custody.forged', 'custody.gap', 'key.unknown']);
    },
    TEST_MS,
  );
});

function frameOf(number: number, previous: Hash, key: SigningKey): { message: Buffer; hash: Hash } {
  const accepted = formatTimestamp(Date.now());
  const prefix = eventPrefix(system.origin, 'orders', accepted);
  const entry = encodeEventEntry(prefix, Buffer.from(`{"id":"c-${number}","source":"https://orders.example.com/c"}`));
  const root = treeRoot([leafHash(entry)]);
  const frame = { origin: system.origin, ingester: 'c', number, previous, count: 1, root, accepted };
  const note = Buffer.from(signFrame(frame, key));
  return { message: Buffer.from(encodeFrameMessage(note, [entry])), hash: leafHash(note) };
}

async function publish(...messages: Buffer[]): Promise<void> {
  const nc = await connect(system.installation.logins.nats('ingest', 'c'));
  try {
    for (const message of messages) await nc.request('audit.frames.main.c', message, { timeout: 10_000 });
  } finally {
    await nc.close();
  }
}
