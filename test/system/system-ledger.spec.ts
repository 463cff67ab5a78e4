/**
 * The system ledger, with all services running: an alert that a verifier raises is found sealed there, byte for byte as it
 * was signed, by somebody who verifies that log from its first byte. Also when the ledger was down, and when the verifier
 * was killed between its alert and the receipt for it. The control takes the outbox away: then the alert is missing.
 *
 * And what nats-server and Postgres log is found sealed there, each thing once, while the follower is killed and the logs are
 * rotated. The control calls the logs by other names: then everything is there twice.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  leafHash,
  openAlert,
  openAlertEvent,
  originOf,
  parseVkey,
  type OpenedAlertEvent,
  type VerifierKey,
} from '@everseal/audit-core';
import { repositoryRoot, waitUntil } from '@everseal/local';
import { liveAlertSubject } from '@everseal/policy';
import {
  InstalledSystem,
  LogOracle,
  SYSTEM_LEDGER_POLICY,
  temporaryFolder,
  type TemporaryFolder,
} from '@everseal/testing';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Client } from 'pg';
import { actAtEngines, SECRET } from './engine-acts.fixture.js';

const START_MS = 180_000;
const TEST_MS = 120_000;
const WITHIN_MS = 60_000;
const SWEEP = { sweep: { bodies: 0, index: 0, stored: 0, pauseMs: 50 } };
/** No event but alerts. */
const NO_SCAN = { posture: { everyMs: 86_400_000, endpoints: [] } };
const POLICY = `${SYSTEM_LEDGER_POLICY}followers: [{ name: f1 }]
`;
const ORIGIN = originOf('audit.example.com', 'system');
const BODY = `everseal.block_body WHERE height = 1
  AND ledger_id = (SELECT ledger_id FROM everseal.ledger WHERE origin = 'audit.example.com/main')`;

/** An alert as ops heard it. */
interface Heard {
  readonly number: number;
  readonly state: string;
  readonly json: Buffer;
}

let folder: TemporaryFolder;
let system: InstalledSystem;
let oracle: LogOracle;
let dba: Client;
let ops: NatsConnection;
let alertKeys: VerifierKey[];
let good: Buffer;
/** Alerts of the verifier by number, heard live. */
const heard = new Map<number, Heard>();

beforeAll(async () => {
  folder = temporaryFolder('engine-acts');
  const settings = { 'verifier-v1': { ...SWEEP, ...NO_SCAN }, 'follower-f1': { everyMs: 100 } };
  system = await InstalledSystem.start({ policy: POLICY, settings });
  const { installation } = system;
  const trust = { origin: ORIGIN, genesis: leafHash(readFileSync(installation.keys.genesis('system'))) };
  oracle = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
  dba = new Client(await installation.logins.superuser());
  await dba.connect();
  alertKeys = readFileSync(installation.keys.alertKeys(), 'utf8').trim().split('\n').map(parseVkey);
  ops = await connect({ ...installation.logins.nats('ops', 'ops'), maxReconnectAttempts: -1 });
  ops.subscribe(liveAlertSubject('verifier', '*.*'), { callback: (_error, { data }) => hear(data) });
  await ops.flush();
  await sealSomething();
  good = (await dba.query<{ body: Buffer }>(`SELECT body FROM ${BODY}`)).rows[0]!.body;
}, START_MS);

afterAll(async () => {
  await ops?.close();
  await oracle?.close();
  await dba?.end();
  await system?.stop();
  folder?.remove();
}, START_MS);

function hear(data: Uint8Array): void {
  const { number, json } = openAlert(data, alertKeys);
  const { state } = JSON.parse(json.toString()) as { state: string };
  heard.set(number, { number, state, json: Buffer.from(json) });
}

/** A block of events in ledger main, to be altered. */
async function sealSomething(): Promise<void> {
  const { installation, trust } = system;
  const producer = await system.openProducer();
  const main = await LogOracle.open(await installation.logins.postgres('ops', 'ops'), trust);
  await producer.load(5, 1, () => producer.receipted.length >= 20);
  await main.caughtUp(producer.journal, WITHIN_MS);
  await main.cosigned(WITHIN_MS);
  await Promise.all([producer.close(), main.close()]);
}

/** Changes one event of ledger main, or puts it back, and waits for the verifier to say so. */
async function alter(isGood: boolean): Promise<Heard> {
  const before = Math.max(0, ...heard.keys());
  const body = Buffer.from(good);
  if (!isGood) body[body.indexOf('"event":{') + 12]! ^= 1;
  // The trigger is back within the transaction: the catalog's guard is to see nothing, for its alert would be another one.
  await dba.query('BEGIN; ALTER TABLE everseal.block_body DISABLE TRIGGER append_only');
  await dba.query(`UPDATE ${BODY.replace(' WHERE', ' SET body = $1 WHERE')}`, [body]);
  await dba.query('ALTER TABLE everseal.block_body ENABLE ALWAYS TRIGGER append_only; COMMIT');
  const state = isGood ? 'cleared' : 'raised';
  const find = (): Heard | undefined => [...heard.values()].find((one) => one.number > before && one.state === state);
  return waitUntil(find, { what: `an alert is ${state}`, timeoutMs: WITHIN_MS });
}

/** What an outsider finds in the system ledger of the verifier's alerts. */
async function sealed(): Promise<OpenedAlertEvent[]> {
  const events = await oracle.sealedEvents();
  return events
    .filter(({ producer, bytes }) => producer === 'verifier-v1' && isAlert(bytes))
    .map(({ bytes }) => openAlertEvent(bytes, alertKeys));
}

/** Not what the broker said, which a verifier brings into it as well. */
function isAlert(bytes: Buffer): boolean {
  return (JSON.parse(bytes.toString()) as { type: string }).type.startsWith('io.everseal.alert.');
}

async function sealedOf(number: number): Promise<OpenedAlertEvent[]> {
  return (await sealed()).filter((one) => one.number === number);
}

function untilSealed(number: number): Promise<unknown> {
  const isThere = async (): Promise<boolean> => (await sealedOf(number)).length > 0;
  return waitUntil(isThere, { what: `alert ${number} in the system ledger`, timeoutMs: WITHIN_MS, everyMs: 200 });
}

const outbox = (): string => path.join(system.installation.layout.state('verifier-v1'), 'system-events');

function linesOf(kind: 'events' | 'outcomes'): number {
  return readFileSync(path.join(outbox(), `1.${kind}.ndjson`), 'utf8').split('\n').length - 1;
}

function isBookEmpty(): boolean {
  const book = path.join(system.installation.layout.state('verifier-v1'), 'alerts.json');
  return (JSON.parse(readFileSync(book, 'utf8')) as { outbox: unknown[] }).outbox.length === 0;
}

/** An alert while ingest is down, and the verifier killed before it can have a receipt. */
async function alertThenKill(): Promise<Heard> {
  const { installation } = system;
  await installation.service('ingest', 'a').stop();
  const alert = await alter(false);
  // In the outbox, and no longer in the alert book, which would send it again.
  const isTaken = (): boolean => linesOf('events') > linesOf('outcomes') && isBookEmpty();
  await waitUntil(isTaken, { what: 'the alert in the outbox alone', timeoutMs: WITHIN_MS });
  const verifier = installation.service('verifier', 'v1');
  verifier.kill('SIGKILL');
  await verifier.exited;
  expect(await sealedOf(alert.number)).toEqual([]);
  return alert;
}

async function startBoth(): Promise<void> {
  await Promise.all([
    system.installation.startService('ingest', 'a'),
    system.installation.startService('verifier', 'v1'),
  ]);
}

/** Runs the command-line tool; its standard output as JSON lines. */
function everseal(...args: string[]): Promise<{ code: number | null; lines: Record<string, unknown>[] }> {
  const main = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
  const child = spawn(process.execPath, [main, '--dir', system.installation.layout.dir, ...args, '--json']);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  return new Promise((resolve) =>
    child.once('close', (code) => {
      const texts = out.split('\n').filter((line) => line !== '');
      resolve({ code, lines: texts.map((line) => JSON.parse(line) as Record<string, unknown>) });
    }),
  );
}

describe('the system ledger', () => {
  it(
    'holds every alert exactly as it was signed, raised and cleared, once',
    async () => {
      for (const isGood of [false, true]) {
        const alert = await alter(isGood);
        await untilSealed(alert.number);
        const [found, ...others] = await sealedOf(alert.number);
        expect(others).toEqual([]);
        expect(found).toMatchObject({ code: 'entry.altered', state: isGood ? 'cleared' : 'raised' });
        expect(found?.json?.equals(alert.json)).toBe(true);
      }
      const numbers = (await sealed()).map(({ number }) => number);
      expect(numbers).toEqual(numbers.map((_number, i) => i + 1));
      await waitUntil(() => linesOf('events') === linesOf('outcomes'), {
        what: 'a receipt for each',
        timeoutMs: WITHIN_MS,
      });
    },
    TEST_MS,
  );

  it(
    'is one more ledger to the command-line tool',
    async () => {
      const isHealthy = async (): Promise<boolean> => (await everseal('status')).code === 0;
      await waitUntil(isHealthy, { what: 'a healthy status', timeoutMs: WITHIN_MS });
      const [status] = (await everseal('status')).lines as [{ ledgers: { ledger: string }[] }];
      expect(status.ledgers.map(({ ledger }) => ledger)).toEqual(['main', 'system']);
      for (const ledger of ['main', 'system']) {
        const { code, lines } = await everseal('verify', '--ledger', ledger);
        expect([code, lines.at(-1)]).toEqual([0, expect.objectContaining({ origin: `audit.example.com/${ledger}` })]);
      }
      const { code, lines } = await everseal('alerts');
      expect([code, lines.length > 0]).toEqual([0, true]);
    },
    TEST_MS,
  );

  it(
    'gets an alert once although the ledger was down and the verifier was killed before a receipt',
    async () => {
      const alert = await alertThenKill();
      await startBoth();
      await untilSealed(alert.number);
      const cleared = await alter(true);
      await untilSealed(cleared.number);
      const found = await sealedOf(alert.number);
      expect(found).toHaveLength(1);
      expect(found[0]?.json?.equals(alert.json)).toBe(true);
      expect((await sealed()).map(({ number }) => number)).toEqual([...heard.keys()].sort((a, b) => a - b));
    },
    TEST_MS,
  );

  it(
    'control: without the outbox that alert is missing, and the numbers show it',
    async () => {
      const alert = await alertThenKill();
      rmSync(outbox(), { recursive: true });
      await startBoth();
      const cleared = await alter(true);
      await untilSealed(cleared.number);
      expect(await sealedOf(alert.number)).toEqual([]);
      expect((await sealed()).map(({ number }) => number)).not.toContain(alert.number);
    },
    TEST_MS,
  );
});

/** What the follower told, as it stands in the system ledger. */
interface Told {
  id: string;
  action: string;
  outcome: string;
  actor: string;
  target: string;
  reason: string;
  details: Record<string, string>;
  count: number;
}

async function told(): Promise<Told[]> {
  const events = (await oracle.sealedEvents()).filter(({ producer }) => producer === 'follower-f1');
  return events.map(({ bytes }) => {
    expect(bytes.includes(SECRET)).toBe(false);
    const { id, data } = JSON.parse(bytes.toString()) as {
      id: string;
      data: Omit<Told, 'id' | 'actor' | 'target'> & { actor: { id: string }; target: { id: string } };
    };
    return { ...data, id, actor: data.actor.id, target: data.target.id };
  });
}

/** How often each of the acts of a mark is told. */
function countsOf(all: readonly Told[], mark: string): Record<string, number> {
  const sum = (is: (one: Told) => boolean): number => all.filter(is).reduce((total, { count }) => total + count, 0);
  const of = (action: string, outcome: string, is: (one: Told) => boolean): number =>
    sum((one) => one.action === action && one.outcome === outcome && is(one));
  const statement = (one: Told): string => one.details['statement'] ?? '';
  return {
    publish: of('nats.publish', 'refused', ({ target }) => target === `forbidden.publish.${mark}`),
    subscribe: of('nats.subscribe', 'refused', ({ target }) => target === `forbidden.subscribe.${mark}`),
    login: of('postgres.login', 'allowed', ({ details }) => details['application'] === `acts-${mark}`),
    refused: of('postgres.login', 'refused', ({ actor }) => actor === `nobody_${mark}`),
    table: of('postgres.create.table', 'asked', (one) => statement(one).includes(`acts_${mark} `)),
    password: of('postgres.alter.role', 'asked', (one) => statement(one) === `ALTER ROLE acts_${mark} PASSWORD '...'`),
  };
}

/** How often the acts that leave no mark are told. */
function unmarked(all: readonly Told[]): Record<string, number> {
  const sum = (is: (one: Told) => boolean): number => all.filter(is).reduce((total, { count }) => total + count, 0);
  return {
    unknown: sum(({ action, reason }) => action === 'nats.connect' && reason === 'authentication error'),
    foreign: sum(({ action, reason }) => action === 'nats.handshake' && reason.includes('unknown authority')),
    role: sum(({ action, actor, outcome }) => {
      return action === 'postgres.login' && actor === 'everseal_sealer' && outcome === 'refused';
    }),
  };
}

const times = (n: number) => ({ publish: n, subscribe: n, login: n, refused: n, table: n, password: n });

function untilTold(marks: readonly string[], n: number): Promise<unknown> {
  const isThere = async (): Promise<boolean> => {
    const all = await told();
    return marks.every((mark) => Object.values(countsOf(all, mark)).every((count) => count >= n));
  };
  const what = `${marks.join(', ')} told ${n} times`;
  return waitUntil(isThere, { what, timeoutMs: WITHIN_MS, everyMs: 500 });
}

async function killFollower(): Promise<void> {
  const follower = system.installation.service('follower', 'f1');
  follower.kill('SIGKILL');
  await follower.exited;
}

/** As logrotate does it: nats-server's log is copied and cut, Postgres's is renamed and written anew. */
async function rotate(): Promise<void> {
  const { nats, postgres } = system.installation.layout.engineLogs;
  copyFileSync(nats, `${nats}.1`);
  truncateSync(nats, 0);
  const [file] = readdirSync(postgres).filter((name) => name.endsWith('.json'));
  renameSync(path.join(postgres, file!), path.join(postgres, 'everseal-rotated.json'));
  await dba.query('SELECT pg_rotate_logfile()');
  const isNew = (): boolean => readdirSync(postgres).filter((name) => name.endsWith('.json')).length === 2;
  await waitUntil(isNew, { what: 'a new log of Postgres', timeoutMs: WITHIN_MS });
}

describe('what the engines log', () => {
  const act = (mark: string): Promise<void> => actAtEngines(system.installation, mark, folder.path);

  it(
    'is told once each, with who it was, and without secrets',
    async () => {
      await act('one');
      await untilTold(['one'], 1);
      const all = await told();
      expect(countsOf(all, 'one')).toEqual(times(1));
      expect(unmarked(all)).toEqual({ unknown: 1, foreign: 1, role: 1 });
      const publish = all.find(({ target }) => target === 'forbidden.publish.one');
      expect(publish).toMatchObject({
        actor: 'spiffe://audit.example.com/producer/orders',
        details: { account: 'orders' },
      });
      const login = all.find(({ details }) => details['application'] === 'acts-one');
      expect(login).toMatchObject({ actor: 'postgres', target: 'everseal' });
      expect(login?.details['tls']).toMatch(/^TLSv1\.3 /);
      const identity = all.find(({ action, target }) => action === 'postgres.authenticate' && target === 'postgres');
      expect(identity?.actor).toContain('admin-deploy');
      expect(all.filter(({ action }) => /unreadable|cut/.test(action))).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'is told once each although the follower was killed twice and both logs were rotated',
    async () => {
      await act('two');
      await killFollower();
      await rotate();
      await act('three');
      await system.installation.startService('follower', 'f1');
      await untilTold(['two'], 1);
      await killFollower();
      await act('four');
      await system.installation.startService('follower', 'f1');
      const marks = ['one', 'two', 'three', 'four'];
      await untilTold(marks, 1);
      const all = await told();
      for (const mark of marks) expect([mark, countsOf(all, mark)]).toEqual([mark, times(1)]);
      expect(unmarked(all)).toEqual({ unknown: 4, foreign: 4, role: 4 });
      expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
      expect(all.filter(({ action }) => /unreadable|cut/.test(action))).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'control: is told twice when the logs are called otherwise, because then the same lines are other events',
    async () => {
      await system.installation.service('follower', 'f1').stop();
      const { nats, postgres } = system.installation.layout.engineLogs;
      system.changeSettings('follower-f1', {
        logs: [
          { name: 'nats-again', engine: 'nats', files: `${nats}*` },
          { name: 'postgres-again', engine: 'postgres', files: path.join(postgres, 'everseal-*.json') },
        ],
      });
      await system.installation.startService('follower', 'f1');
      await untilTold(['one', 'four'], 2);
      const all = await told();
      for (const mark of ['one', 'two', 'three', 'four']) expect(countsOf(all, mark)).toEqual(times(2));
    },
    TEST_MS,
  );
});
