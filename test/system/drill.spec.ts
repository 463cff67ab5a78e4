/**
 * `everseal drill` on a whole installation: every act is found by the verifier, put back byte for byte, cleared and reported;
 * and the controls, without which a drill would prove nothing: a verifier that stands still makes it say so, by its exit code.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openAlert, parseVkey } from '@everseal/audit-core';
import { repositoryRoot, waitUntil } from '@everseal/local';
import {
  AlertWatch,
  InstalledSystem,
  JournalProducer,
  ONE_LEDGER,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import { Client } from 'pg';

const START_MS = 240_000;
const TEST_MS = 240_000;
const WITHIN_MS = 60_000;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const EXIT = { ok: 0, usage: 2, unavailable: 4, alertsOpen: 6, notRaised: 8, notCleared: 9, notRestored: 10 };
/** Everything a drill may change, as one text; none of it changes by itself while the drill ledger is idle. */
const STATE = `SELECT concat_ws(E'\\n',
  (SELECT string_agg(t::text, ' ' ORDER BY t.height) FROM everseal.block t JOIN everseal.ledger USING (ledger_id) WHERE origin = $1),
  (SELECT string_agg(md5(t::text), ' ' ORDER BY t.height) FROM everseal.block_body t JOIN everseal.ledger USING (ledger_id) WHERE origin = $1),
  (SELECT string_agg(md5(t::text), ' ' ORDER BY t.level, t.number) FROM everseal.tile t JOIN everseal.ledger USING (ledger_id) WHERE origin = $1),
  (SELECT string_agg(t::text, ' ' ORDER BY t.size) FROM everseal.checkpoint t JOIN everseal.ledger USING (ledger_id) WHERE origin = $1),
  (SELECT string_agg(t::text, ' ' ORDER BY t.size, t.signer) FROM everseal.cosignature t JOIN everseal.ledger USING (ledger_id) WHERE origin = $1),
  (SELECT string_agg(t::text, ' ' ORDER BY t.position) FROM everseal.event_index t JOIN everseal.ledger USING (ledger_id) WHERE origin = $1),
  (SELECT string_agg(tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text, ' ' ORDER BY tgrelid, tgname) FROM pg_trigger),
  (SELECT string_agg(relname || ' ' || relacl::text, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'everseal'::regnamespace),
  (SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles),
  (SELECT string_agg(setrole::regrole || ' ' || setconfig::text, ' ' ORDER BY setrole) FROM pg_db_role_setting)) AS state`;

interface Ran {
  code: number | null;
  lines: Record<string, unknown>[];
  err: string;
}

let folder: TemporaryFolder;
let system: InstalledSystem;
let alerts: AlertWatch;
let dba: Client;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  folder = temporaryFolder('drill');
  const policyFile = path.join(folder.path, 'everseal.yaml');
  const policy = readFileSync(ONE_LEDGER, 'utf8')
    .replace(/^producers:$/m, '  - { name: drill, ingesters: [a], spoolBytes: 1048576 }\nproducers:')
    .replace(/^ingest:$/m, `  - { name: drill, ledgers: [drill], sources: ['urn:drill:*'] }\ningest:`);
  writeFileSync(policyFile, `${policy}drillLedger: drill\n`);
  system = await InstalledSystem.start({ policyFile });
  alerts = await AlertWatch.open(system.installation);
  dba = new Client(await system.installation.logins.superuser());
  await dba.connect();
}, START_MS);

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  system?.installation.service('verifier', 'v1').kill('SIGCONT');
});

afterAll(async () => {
  await dba?.end();
  await alerts?.close();
  await system?.stop();
  folder?.remove();
}, START_MS);

const out = (): string => path.join(folder.path, 'drills');
const origin = (): string => `${system.installation.policy.domain}/drill`;

function start(...args: string[]): { child: ChildProcess; ended: Promise<Ran> } {
  const { dir } = system.installation.layout;
  const own = ['--dir', dir, 'drill', '--json', '--out', out(), ...args];
  const child = spawn(process.execPath, [MAIN, ...own], { stdio: 'pipe' });
  running.add(child);
  let [said, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end();
  const lines = (): Ran['lines'] =>
    said
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const ended = new Promise<Ran>((resolve) =>
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, err, lines: lines() });
    }),
  );
  return { child, ended };
}

const drill = (...args: string[]): Promise<Ran> => start(...args).ended;
const state = async (): Promise<string> => (await dba.query<{ state: string }>(STATE, [origin()])).rows[0]!.state;
const verifier = (signal: 'SIGSTOP' | 'SIGCONT'): void => system.installation.service('verifier', 'v1').kill(signal);
const folders = (): string[] => (existsSync(out()) ? readdirSync(out()).sort() : []);
const restoreFile = (): string | undefined =>
  folders()
    .flatMap((name) => readdirSync(path.join(out(), name)).map((file) => path.join(out(), name, file)))
    .find((file) => /restore-\w+\.json$/.test(file));

/** Starts a drill of one act that a stopped verifier cannot find, and comes back once the act is done. */
async function inTheMiddle(): Promise<ReturnType<typeof start>> {
  const before = await state();
  verifier('SIGSTOP');
  const begun = start('--yes', '--acts', 'T1', '--within', '600');
  const changed = async (): Promise<boolean> => restoreFile() !== undefined && (await state()) !== before;
  await waitUntil(changed, { what: 'the act', timeoutMs: WITHIN_MS });
  return begun;
}

describe('a drill of every act', () => {
  it(
    'fills its ledger, is found, put back, cleared and reported',
    async () => {
      const ran = await drill('--yes', '--acts', 'all');
      const acts = ran.lines.filter(({ act }) => act !== undefined);
      expect(acts.map(({ act, outcome, problem }) => [act, outcome, problem])).toEqual(
        acts.map(({ act }) => [act, 'found', undefined]),
      );
      expect(acts).toHaveLength(15);
      expect(ran.code).toBe(EXIT.ok);
      expect(alerts.open).toEqual([]);
      expect(alerts.problems).toEqual([]);
      expect(restoreFile()).toBeUndefined();
    },
    TEST_MS,
  );

  it(
    'leaves nothing changed, and tells an auditor everything',
    async () => {
      const before = await state();
      const raisedBefore = alerts.seen.length;
      const ran = await drill('--yes', '--acts', 'T1,T8,T15,T16,T17,T18');
      expect({ code: ran.code, err: ran.err }).toMatchObject({ code: EXIT.ok });
      expect(await state()).toBe(before);
      const place = path.join(out(), folders().at(-1)!);
      const text = readFileSync(path.join(place, 'report.md'), 'utf8');
      expect(text).toContain('11 of 11 acts found, exit code 0');
      expect(text).toContain('UPDATE everseal.block_body SET body = set_byte(body,');
      const report = JSON.parse(readFileSync(path.join(place, 'report.json'), 'utf8')) as {
        acts: { raised: { message: string; number: number }[]; cleared: { message: string }[] }[];
      };
      const keys = readFileSync(system.installation.keys.alertKeys(), 'utf8').trim().split('\n').map(parseVkey);
      const told = report.acts.flatMap(({ raised, cleared }) => [...raised, ...cleared]);
      const opened = told.map(({ message }) => openAlert(readFileSync(path.join(place, message)), keys).number);
      expect(opened.sort((a, b) => a - b)).toEqual(alerts.seen.slice(raisedBefore).map(({ number }) => number));
    },
    TEST_MS,
  );
});

describe('a canary', () => {
  it(
    'proves the way of an alarm, and keeps its evidence',
    async () => {
      const ran = await drill('--canary');
      expect({ code: ran.code, err: ran.err }).toMatchObject({ code: EXIT.ok });
      const place = folders().find((name) => name.endsWith('-canary'))!;
      expect(readdirSync(path.join(out(), place, 'alerts'))).toHaveLength(2);
    },
    TEST_MS,
  );

  it(
    'control: says that nothing was raised while the verifier stands still, and has put everything back',
    async () => {
      const before = await state();
      verifier('SIGSTOP');
      const ran = await drill('--canary', '--within', '5');
      expect({ code: ran.code, outcome: ran.lines[0]?.['outcome'] }).toEqual({
        code: EXIT.notRaised,
        outcome: 'not-raised',
      });
      expect(await state()).toBe(before);
    },
    TEST_MS,
  );

  it(
    'control: says that nothing was cleared when the verifier stands still after it found it',
    async () => {
      await alerts.allCleared(WITHIN_MS);
      const before = await state();
      const { ended } = start('--canary', '--within', '10');
      await alerts.raised('entry.altered', WITHIN_MS);
      verifier('SIGSTOP');
      expect(await ended).toMatchObject({ code: EXIT.notCleared });
      expect(await state()).toBe(before);
      verifier('SIGCONT');
      await alerts.allCleared(WITHIN_MS);
    },
    TEST_MS,
  );
});

describe('a drill that does not come to its end', () => {
  it(
    'killed in the middle: nothing begins until --restore has put it back',
    async () => {
      const before = await state();
      const { child, ended } = await inTheMiddle();
      child.kill('SIGKILL');
      await ended;
      expect(await state()).not.toBe(before);
      expect(await drill('--canary')).toMatchObject({ code: EXIT.notRestored });
      const file = restoreFile()!;
      expect(await drill('--restore', file)).toMatchObject({ code: EXIT.ok });
      expect(await state()).toBe(before);
      expect(restoreFile()).toBeUndefined();
      verifier('SIGCONT');
      await alerts.allCleared(WITHIN_MS);
      expect(await drill('--canary')).toMatchObject({ code: EXIT.ok });
    },
    TEST_MS,
  );

  it(
    'ended by Ctrl-C: it puts everything back first',
    async () => {
      const before = await state();
      const { child, ended } = await inTheMiddle();
      child.kill('SIGINT');
      const ran = await ended;
      expect({ code: ran.code, outcome: ran.lines[0]?.['outcome'] }).toEqual({
        code: EXIT.unavailable,
        outcome: 'interrupted',
      });
      expect(await state()).toBe(before);
      verifier('SIGCONT');
      await alerts.allCleared(WITHIN_MS);
    },
    TEST_MS,
  );
});

describe('a drill is refused', () => {
  it('on another ledger than the one that the policy names', async () => {
    const ran = await drill('--yes', '--ledger', 'main');
    expect(ran).toMatchObject({ code: EXIT.usage });
    expect(ran.err).toContain('with no other ledger');
  });

  it('without a yes, when nobody types the name of the ledger', async () => {
    expect(await drill('--acts', 'T1')).toMatchObject({ code: EXIT.usage });
  });

  it(
    'while something is wrong with its ledger already',
    async () => {
      await dba.query('GRANT UPDATE ON everseal.anchor TO everseal_sealer');
      await alerts.raised('store.catalog', WITHIN_MS);
      expect(await drill('--yes', '--acts', 'T17')).toMatchObject({ code: EXIT.alertsOpen });
      await dba.query('REVOKE UPDATE ON everseal.anchor FROM everseal_sealer');
      await alerts.allCleared(WITHIN_MS);
    },
    TEST_MS,
  );

  it(
    'on a ledger that holds anything else than drill events, whatever the policy says',
    async () => {
      const producer = await JournalProducer.open({
        login: system.installation.logins.nats('producer', 'drill'),
        ledger: 'drill',
        producer: 'drill',
        origin: origin(),
        ingestKeys: system.keys.ingest,
        source: 'urn:drill:somebody',
      });
      await producer.load(1, 1, () => producer.receipted.length >= 1);
      await producer.close();
      const foreign = `SELECT 1 FROM everseal.event_index WHERE source = 'urn:drill:somebody'`;
      const indexed = async (): Promise<boolean> => ((await dba.query(foreign)).rowCount ?? 0) > 0;
      await waitUntil(indexed, { what: 'the event in the index', timeoutMs: WITHIN_MS });
      const ran = await drill('--canary');
      expect(ran).toMatchObject({ code: EXIT.usage });
      expect(ran.err).toContain('not tampered with');
    },
    TEST_MS,
  );
});
