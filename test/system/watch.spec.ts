/**
 * `everseal watch` against a whole installation with two verifiers: what the installation cannot say about itself, seen from
 * outside, by exit code and JSON. Each case begins with its control: a look that finds all well.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  COSIGNATURE_KEY,
  cosign,
  appendSignatures,
  formatTimestamp,
  parseNote,
  sha256,
  signAlert,
  SigningKey,
  type KeyType,
} from '@everseal/audit-core';
import { repositoryRoot, waitUntil } from '@everseal/local';
import { alertSubject, heartbeatSubject } from '@everseal/policy';
import { InstalledSystem, JournalProducer, ONE_LEDGER, temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { connect, type NatsConnection } from '@nats-io/transport-node';

const START_MS = 240_000;
const TEST_MS = 150_000;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const RAISED = 7;

type Line = Record<string, unknown>;
interface Ran {
  code: number | null;
  lines: Line[];
  err: string;
}

let folder: TemporaryFolder;
let system: InstalledSystem;
let producer: JournalProducer;
/** As verifier v2 itself, and as the operator. */
let v2: NatsConnection;
let ops: NatsConnection;
let hook: Server;
let pages: { transitions: Line[] }[];

beforeAll(async () => {
  folder = temporaryFolder('watch');
  const policyFile = path.join(folder.path, 'everseal.yaml');
  const policy = readFileSync(ONE_LEDGER, 'utf8');
  writeFileSync(policyFile, policy.replace(/^( {2}- name: v1)$/m, '$1\n  - name: v2'));
  system = await InstalledSystem.start({ policyFile });
  const { logins } = system.installation;
  producer = await JournalProducer.open({
    login: logins.nats('producer', 'orders'),
    ledger: system.ledger,
    producer: 'orders',
    origin: system.origin,
    ingestKeys: system.keys.ingest,
    source: 'https://orders.example.com/shop',
  });
  v2 = await connect({ ...logins.nats('verifier', 'v2'), maxReconnectAttempts: -1 });
  ops = await connect({ ...logins.nats('ops', 'ops'), maxReconnectAttempts: -1 });
  pages = [];
  hook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      pages.push(JSON.parse(Buffer.concat(chunks).toString()) as (typeof pages)[number]);
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  writeFileSync(url(), `http://127.0.0.1:${(hook.address() as AddressInfo).port}/page\n`, { mode: 0o600 });
}, START_MS);

afterAll(async () => {
  await producer?.close();
  await Promise.all([v2?.close(), ops?.close()]);
  await system?.stop();
  hook?.close();
  folder?.remove();
}, START_MS);

const url = (): string => path.join(folder.path, 'webhook-url');
const state = (name: string): string => path.join(folder.path, `${name}.json`);

function watch(...args: string[]): Promise<Ran> {
  const { dir } = system.installation.layout;
  const child = spawn(process.execPath, [MAIN, '--dir', dir, 'watch', '--json', ...args], { stdio: 'pipe' });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const lines = (): Line[] =>
    out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, err, lines: lines() })));
}

const of = (ran: Ran, observed: string): Line[] => ran.lines.filter((line) => line['observed'] === observed);
const parts = (ran: Ran, observed: string, code: string): unknown[] =>
  of(ran, observed)
    .filter((line) => line['code'] === code)
    .map(({ part }) => part)
    .sort();

/** Everybody is heard and nothing stands; services that were stopped get their time to come back. */
async function allWell(...args: string[]): Promise<Ran> {
  let ran = await watch('--once', ...args);
  const well = async (): Promise<boolean> => ran.code === 0 || (ran = await watch('--once', ...args)).code === 0;
  await waitUntil(well, { what: 'all well', timeoutMs: 100_000, everyMs: 100 }).catch(() => undefined);
  expect({ code: ran.code, standing: ran.lines.at(-1), err: ran.err }).toMatchObject({ code: 0 });
  return ran;
}

const stop = (service: 'verifier' | 'sealer', name: string): void =>
  system.installation.service(service, name).kill('SIGSTOP');
const go = (service: 'verifier' | 'sealer', name: string): void =>
  system.installation.service(service, name).kill('SIGCONT');
const frames = (what: 'newest' | 'covered'): Promise<number> =>
  system.metric('ingest', 'a', `everseal_ingest_${what}_frame`);

async function send(events: number): Promise<void> {
  const wanted = producer.receipted.length + events;
  await producer.load(5, 1, () => producer.receipted.length >= wanted);
}

function keyIn(file: string, type?: KeyType): SigningKey {
  return SigningKey.fromSkey(readFileSync(file, 'utf8').trim(), type);
}

describe('an installation with two verifiers', () => {
  it(
    'is all well when both are heard, and every checkpoint has both cosignatures',
    async () => {
      await send(20);
      const ran = await allWell('--state', state('well'));
      const heard = of(ran, 'heartbeat').filter(({ counts }) => counts);
      const names = new Set(heard.map(({ service, name }) => `${String(service)} ${String(name)}`));
      expect([...names].sort()).toEqual(['ingest a', 'sealer s1', 'verifier v1', 'verifier v2']);
      const announced = (): Promise<number> =>
        ops.request('JSA.DIRECT.GET.ANNOUNCEMENTS.audit.announce.main', '', { timeout: 5_000 }).then(({ data }) => {
          const { checkpoint } = JSON.parse(Buffer.from(data).toString()) as { checkpoint: string };
          return parseNote(checkpoint).signatures.filter(({ name }) => name.includes('/verifier/')).length;
        });
      await waitUntil(async () => (await announced()) === 2, { what: 'two cosignatures', timeoutMs: 30_000 });
    },
    TEST_MS,
  );

  it(
    'names the one that is silent, once and to the pager; sealing goes on and the other one releases spools',
    async () => {
      const kept = ['--state', state('silent'), '--webhook', url(), '--period', '6'];
      await allWell(...kept); // control
      stop('verifier', 'v2');
      await send(20);
      const newest = await frames('newest');
      await waitUntil(async () => (await frames('covered')) >= newest, { what: 'spools released', timeoutMs: 60_000 });

      const first = await watch('--for', '19', ...kept);
      expect([first.code, parts(first, 'raised', 'heartbeat.missing')]).toEqual([RAISED, ['verifier/v2']]);
      const again = await watch('--for', '19', ...kept);
      expect([again.code, of(again, 'raised')]).toEqual([RAISED, []]);

      go('verifier', 'v2');
      await allWell(...kept);
      const paged = pages.flatMap(({ transitions }) => transitions.map(({ state: s, part }) => [s, part]));
      expect(paged).toEqual([
        ['raised', 'verifier/v2'],
        ['cleared', 'verifier/v2'],
      ]);
    },
    TEST_MS,
  );
});

describe('either of two verifiers', () => {
  it.each(['v1', 'v2'])(
    'is enough to seal and to release spools; without both nothing is released (control): %s alone',
    async (alone) => {
      const released = async (): Promise<boolean> => (await frames('covered')) >= (await frames('newest'));
      const other = alone === 'v1' ? 'v2' : 'v1';
      stop('verifier', other);
      try {
        await send(5);
        await waitUntil(released, { what: `spools released by ${alone}`, timeoutMs: 90_000 });
        stop('verifier', alone);
        const size = (): Promise<number> => system.metric('sealer', 's1', 'everseal_ledger_size_entries');
        const before = await size();
        await send(5);
        await waitUntil(async () => (await size()) > before + 5, { what: 'it is sealed', timeoutMs: 30_000 });
        expect(await released()).toBe(false);
      } finally {
        go('verifier', 'v1');
        go('verifier', 'v2');
      }
      await waitUntil(released, { what: 'spools released again', timeoutMs: 90_000 });
    },
    TEST_MS,
  );
});

describe('a heartbeat on the right subject', () => {
  it(
    'does not count when it is an old one sent again or signed by a foreign key; it does when it is genuine',
    async () => {
      const subject = heartbeatSubject('verifier', 'v2');
      const captured: Buffer[] = [];
      const subscription = ops.subscribe(subject, { callback: (_, { data }) => void captured.push(Buffer.from(data)) });
      const old = await waitUntil(() => captured[0], { what: 'a heartbeat of v2', timeoutMs: 30_000 });
      subscription.unsubscribe();
      stop('verifier', 'v2');
      const { checkpoint, coverage } = JSON.parse(old.toString()) as { checkpoint: string; coverage: object };
      const [signed] = parseNote(checkpoint).signatures.map(({ line }) => line);
      const fresh = (key: SigningKey): Buffer => {
        const { text } = parseNote(checkpoint);
        const line = cosign(text, key, Math.floor(Date.now() / 1_000));
        return Buffer.from(JSON.stringify({ checkpoint: appendSignatures(`${text}\n${signed!}\n`, [line]), coverage }));
      };
      const genuine = keyIn(system.installation.keys.verifier('v2'), COSIGNATURE_KEY);
      const foreign = SigningKey.fromSeed(genuine.name, sha256(Buffer.from('foreign')), COSIGNATURE_KEY);
      const publishing = async (messages: () => Buffer[]): Promise<Ran> => {
        const timer = setInterval(() => messages().forEach((message) => v2.publish(subject, message)), 500);
        try {
          return await watch('--for', '19', '--period', '6', '--skew', '9');
        } finally {
          clearInterval(timer);
        }
      };
      const heard = Date.now();
      await waitUntil(() => Date.now() > heard + 10_000, { what: 'it is older than the bound', timeoutMs: 30_000 });
      const replayed = await publishing(() => [old, fresh(foreign)]);
      expect([replayed.code, parts(replayed, 'raised', 'heartbeat.missing')]).toEqual([RAISED, ['verifier/v2']]);
      const reasons = of(replayed, 'heartbeat')
        .filter(({ name, counts }) => name === 'v2' && !counts)
        .map(({ reason }) => String(reason));
      expect(reasons.some((reason) => reason.includes(' old by the clock'))).toBe(true);
      expect(reasons.some((reason) => reason.startsWith('heartbeat.cosignature'))).toBe(true);

      const control = await publishing(() => [fresh(genuine)]);
      expect(parts(control, 'raised', 'heartbeat.missing')).toEqual([]);
      go('verifier', 'v2');
    },
    TEST_MS,
  );
});

describe('a log that stands still', () => {
  it(
    'is frozen when its sealer is stopped, and not while it seals',
    async () => {
      let sending = true;
      const trickle = producer.load(1, 1, () => !sending, 500);
      try {
        await allWell('--frozen', '15'); // control
        stop('sealer', 's1');
        const ran = await watch('--for', '19', '--period', '6', '--frozen', '15');
        expect([ran.code, of(ran, 'raised').map(({ code }) => code)]).toEqual([
          RAISED,
          expect.arrayContaining(['log.frozen']),
        ]);
      } finally {
        go('sealer', 's1');
        sending = false;
        await trickle;
      }
    },
    TEST_MS,
  );
});

describe('the numbers of the alerts', () => {
  it(
    'are dense: one that is missing is itself reported',
    async () => {
      const { installation } = system;
      const key = keyIn(installation.keys.alerts('verifier', 'v2'));
      const source = `${installation.policy.domain}/verifier/v2`;
      const raise = async (number: number): Promise<void> => {
        const time = formatTimestamp(Date.now());
        const body = {
          source,
          number,
          time,
          code: 'clock.skew',
          state: 'cleared',
          clears: 9_999,
          ledger: system.origin,
        };
        const message = signAlert(Buffer.from(JSON.stringify(body)), source, number, time, key);
        await v2.request(alertSubject('clock.skew'), message, { timeout: 5_000 });
      };
      const missing = (ran: Ran): Line[] => of(ran, 'raised').filter(({ code }) => code === 'alert.missing');
      const before = await watch('--once');
      expect(missing(before)).toEqual([]);
      await raise(1_000);
      await raise(1_002);
      const ran = await watch('--once', '--state', state('numbers'));
      expect(ran.code).toBe(RAISED);
      expect(missing(ran)).toContainEqual(
        expect.objectContaining({ part: 'verifier/v2', detail: expect.stringContaining('alert 1001 of') }),
      );
    },
    TEST_MS,
  );
});
