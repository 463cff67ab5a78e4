/**
 * The command-line tool as its users run it: the built program, as a process of its own, against a whole installation. What it says is
 * read from its JSON and its exit codes.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  COSIGNATURE_KEY,
  ingestKeyName,
  logKeyName,
  NOTE_KEY,
  operatorKeyName,
  sha256,
  signKeySet,
  SigningKey,
  verifierKeyName,
  ZERO_HASH,
} from '@everseal/audit-core';
import { freePorts, LocalInstallation, repositoryRoot, waitUntil } from '@everseal/local';
import { ONE_LEDGER } from '@everseal/testing';
import { readPolicy } from '@everseal/policy';
import { Client } from 'pg';

const START_MS = 180_000;
const TEST_MS = 90_000;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
/** Spacing, number and escape that no re-serialising would leave alone. */
const RECORDS = ['1', '2', '3'].map(
  (n) =>
    `{ "eventID":"trail-${n}","eventSource":"iam.amazonaws.com",  "eventName":"CreateUser","eventTime":"2026-01-31T09:30:00Z",` +
    `"awsRegion":"us-east-1","recipientAccountId":"111122223333","requestParameters":{"big":12345678901234567890,"t":"\\u00e9"} }`,
);

interface Ran {
  code: number | null;
  out: string;
  err: string;
  /** Standard output as JSON lines. */
  lines: () => Record<string, unknown>[];
}

let dir: string;
let installation: LocalInstallation;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-cli-'));
  const policyFile = ONE_LEDGER;
  const ports = await freePorts(readPolicy(policyFile));
  installation = LocalInstallation.open({ dir, policyFile, ports, readyWithinMs: START_MS });
  await installation.start();
}, START_MS);

afterAll(async () => {
  await installation?.stop();
  rmSync(dir, { recursive: true, force: true });
}, START_MS);

function everseal(args: string[], input = ''): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, '--dir', dir, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  const lines = (): Record<string, unknown>[] =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err, lines })));
}

function submitOne(id: string, data: string, ...more: string[]): Promise<Ran> {
  const event = ['--source', 'urn:test', '--type', 't', '--id', id, '--data', data, '--time', '2026-01-31T09:30:00Z'];
  return everseal(['submit', '--producer', 'demo', '--json', ...event, ...more]);
}

function file(name: string, content: string): string {
  const place = path.join(dir, name);
  writeFileSync(place, content);
  return place;
}

/** Another settings file beside the installation's: no operator, so nothing is known of announcements. */
function settingsWithoutOps(name: string, change: (text: string) => string): string {
  const own = readFileSync(installation.layout.configFile('cli'), 'utf8');
  const place = installation.layout.configFile(name);
  writeFileSync(place, change(own.replace(/^ops:\n( {2}.*\n)+/m, '')));
  return place;
}

async function onDatabase<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(await installation.logins.superuser());
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

describe('everseal submit', () => {
  it(
    'brings CloudTrail in byte for byte and keeps the receipts',
    async () => {
      const trail = file('trail.json', `{"Records":[${RECORDS.join(' ,\n')}]}`);
      const receipts = path.join(dir, 'receipts/');
      const args = ['submit', '--producer', 'demo', '--batch', '2', '--receipts', receipts, '--json', trail];
      const ran = await everseal(args);
      expect(ran).toMatchObject({ code: 0, err: '' });
      const requests = ran.lines().slice(0, -1);
      expect(requests.map(({ outcome }) => outcome)).toEqual(['receipted', 'receipted']);
      expect(ran.lines().at(-1)).toMatchObject({ summary: { events: 3, receipted: 3, refused: 0, unknown: 0 } });
      const kept = readdirSync(receipts).map((name) => readFileSync(path.join(receipts, name), 'utf8'));
      const ids = kept.flatMap((text) => (JSON.parse(text) as { ids: string[] }).ids);
      expect(ids.sort()).toEqual(['trail-1', 'trail-2', 'trail-3']);

      // The same again is the same: the receipts are for the places where the events stand already.
      const again = await everseal(args);
      expect(again.code).toBe(0);
      expect(readdirSync(receipts)).toHaveLength(kept.length);

      const body = await waitUntil(() => onDatabase(sealedBytes), { what: 'the events are sealed', everyMs: 250 });
      for (const record of RECORDS) expect(body.includes(record)).toBe(true);
    },
    TEST_MS,
  );

  it(
    'names what is refused, and why: before sending, and by ingest',
    async () => {
      const bad = file('bad.ndjson', '{"specversion":"1.0","id":"b-1","source":"urn:x","type":"t"}\n{"id":"b-2"}\n');
      const checked = await everseal(['submit', '--producer', 'demo', '--json', bad]);
      expect(checked.code).toBe(3);
      const refused = { outcome: 'refused', sent: false, file: bad, position: 1, id: 'b-2', code: 'event.invalid' };
      expect(checked.lines()).toEqual([
        expect.objectContaining(refused),
        { summary: expect.objectContaining({ events: 2, refused: 1, notSent: 1 }) },
      ]);

      const batch = `[{"specversion":"1.0","id":"f-1","source":"https://billing.example.com/a","type":"t"},
        {"specversion":"1.0","id":"f-2","source":"urn:foreign","type":"t"}]`;
      const forbidden = await everseal(['submit', '--producer', 'billing', '-'], batch);
      expect(forbidden.code).toBe(3);
      expect(forbidden.out).toContain('refused: event 1 of standard input (id f-2): event.forbidden');
      expect(forbidden.out).toContain('what to do: use another --producer');
    },
    TEST_MS,
  );

  it(
    'never takes an outcome that it does not know for a success',
    async () => {
      const ingest = installation.service('ingest', 'a');
      ingest.kill('SIGKILL');
      await ingest.exited;
      const given = await submitOne('later', '1', '--timeout', '1');
      expect(given.code).toBe(4);
      expect(given.lines()[0]).toMatchObject({ outcome: 'unknown' });

      const patient = submitOne('later', '1', '--timeout', '60');
      await installation.startService('ingest', 'a');
      const ran = await patient;
      expect(ran).toMatchObject({ code: 0 });
      expect(ran.lines()[0]).toMatchObject({ outcome: 'receipted', attempts: expect.any(Number) });
    },
    TEST_MS,
  );

  it(
    'does not believe a receipt that no key of its ledger signed',
    async () => {
      const genesisFile = file('other-genesis.note', otherGenesis());
      const config = settingsWithoutOps('other', (text) =>
        text.replace(/genesisFile: .*/, `genesisFile: ${genesisFile}`),
      );
      const ran = await submitOne('unproven', '1', '--config', config);
      expect(ran.code).toBe(4);
      expect(ran.lines()[0]).toMatchObject({ outcome: 'unverified', reason: expect.stringContaining('note.') });
    },
    TEST_MS,
  );
});

describe('everseal status, verify and alerts', () => {
  it(
    'agree that all is well',
    async () => {
      // Until the service that was restarted above is ready again and its last frame has a checkpoint.
      let ran = await everseal(['status', '--json']);
      const look = async (): Promise<boolean> =>
        ran.code === 0 || (ran = await everseal(['status', '--json'])).code === 0;
      await waitUntil(look, { what: 'healthy', timeoutMs: 60_000, everyMs: 500 }).catch(() => undefined);
      const [status] = ran.lines() as [{ ledgers: { announced: { value: { cosigners: object[] } } }[] }];
      expect(status).toMatchObject({ healthy: true, problems: [], alerts: { value: { open: 0, gaps: 0 } } });
      expect(status.ledgers[0]?.announced.value.cosigners).toHaveLength(1);

      const verified = await everseal(['verify', '--json']);
      expect(verified.code).toBe(0);
      expect(verified.lines()[0]).toMatchObject({ good: true, findings: [], announcementCompared: true });
      expect((await everseal(['alerts', '--json'])).code).toBe(0);
    },
    TEST_MS,
  );

  it(
    'list gaps, and order one only with an operator key and where a lane waits for it',
    async () => {
      const listed = await everseal(['gap', 'list']);
      expect([listed.code, listed.out]).toEqual([0, 'no lane waits\n']);
      const declare = (...args: string[]): Promise<Ran> => everseal(['gap', 'declare', ...args]);
      const operator = readdirSync(path.join(dir, 'keys')).find((name) => name.startsWith('operator-'))!;
      const key = path.join(dir, 'keys', operator);
      const refused = await declare('a', '900', '901', '--key', key);
      expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('gap-order.lane')]);
      // Signed without a broker, sent without the key.
      const order = path.join(dir, 'order.note');
      expect((await declare('a', '900', '901', '--key', key, '--out', order)).code).toBe(0);
      expect((await declare('--order', order)).err).toContain('gap-order.lane');
      // With a number changed, and with another key.
      writeFileSync(order, readFileSync(order, 'utf8').replace('\n901\n', '\n902\n'));
      expect((await declare('--order', order)).err).toContain('note.signature');
      expect((await declare('a', '900', '901', '--key', installation.keys.log('main'))).code).toBe(2);
      expect((await declare('a', '900', '901')).code).toBe(2);
      expect((await declare('a', '0', '901', '--key', key)).code).toBe(2);
    },
    TEST_MS,
  );

  it(
    'agree about an event that was hidden from search, until the index is put right',
    async () => {
      const alertsWith = (code: number): Promise<unknown> =>
        waitUntil(async () => (await everseal(['alerts', '--open', '--json'])).code === code, {
          what: code === 0 ? 'no open alert' : 'an open alert',
          timeoutMs: 60_000,
          everyMs: 500,
        });
      await alertsWith(0);
      await onDatabase((client) =>
        client.query(`BEGIN; SET LOCAL search_path = everseal; ALTER TABLE event_index DISABLE TRIGGER append_only;
          DELETE FROM event_index WHERE position = (SELECT min(position) FROM event_index);
          UPDATE event_index SET actor = 'somebody' WHERE position = (SELECT min(position) FROM event_index);
          ALTER TABLE event_index ENABLE ALWAYS TRIGGER append_only; COMMIT`),
      );
      await alertsWith(6);
      const dry = await everseal(['reindex', 'main', '--dry-run', '--json']);
      expect([dry.code, dry.lines()[0]]).toEqual([1, expect.objectContaining({ missing: 1, altered: 1, left: 2 })]);
      const added = await everseal(['reindex', 'main']);
      expect([added.code, added.out]).toEqual([1, expect.stringContaining('1 finding left as they are')]);
      await alertsWith(6);

      const kept = path.join(dir, 'kept.ndjson');
      const replaced = await everseal(['reindex', 'main', '--replace', kept, '--json']);
      expect([replaced.code, replaced.lines()[0]]).toEqual([0, expect.objectContaining({ good: true, altered: 1 })]);
      expect(JSON.parse(readFileSync(kept, 'utf8'))).toMatchObject({ actor: 'somebody' });
      await alertsWith(0);
    },
    2 * TEST_MS,
  );

  it(
    'agree about a stored byte that was changed',
    async () => {
      await onDatabase(async (client) => {
        await client.query('ALTER TABLE everseal.block_body DISABLE TRIGGER ALL');
        await client.query(
          'UPDATE everseal.block_body SET body = set_byte(body, 40, get_byte(body, 40) # 1) WHERE height = 1',
        );
      });
      const verified = await everseal(['verify', '--json']);
      expect(verified.code).toBe(1);
      expect(verified.lines()[0]).toMatchObject({ good: false, findings: [{ height: 1, severity: 'tampering' }] });

      // Beside it that of the triggers that are off, which may come first.
      const changed = await waitUntil(
        async () => {
          const ran = await everseal(['alerts', '--open', '--json']);
          const lines = ran.lines() as { alert?: { code: string } }[];
          return ran.code === 6 ? (lines.find(({ alert }) => alert?.code === 'entry.altered') ?? null) : null;
        },
        { what: 'the open alert of the changed byte', timeoutMs: 60_000, everyMs: 500 },
      );
      expect(changed).toMatchObject({ verified: true, open: true, alert: { first: { height: 1 } } });
      const status = await everseal(['status', '--json']);
      expect(status.code).toBe(5);
      expect(status.lines()[0]).toMatchObject({ healthy: false, problems: [expect.stringContaining('open')] });
    },
    TEST_MS,
  );

  it(
    'see a database that was cut off together with its checkpoints, by what was announced outside it',
    async () => {
      await onDatabase(async (client) => {
        for (const table of ['cosignature', 'checkpoint', 'block_body', 'block', 'ledger_head']) {
          await client.query(`ALTER TABLE everseal.${table} DISABLE TRIGGER ALL`);
        }
        await client.query(`
          DELETE FROM everseal.cosignature WHERE size > (SELECT next FROM everseal.block WHERE height = 0);
          DELETE FROM everseal.checkpoint WHERE size > (SELECT next FROM everseal.block WHERE height = 0);
          DELETE FROM everseal.block_body WHERE height > 0;
          DELETE FROM everseal.block WHERE height > 0;
          UPDATE everseal.ledger_head SET (height, size) = (SELECT height, next FROM everseal.block);`);
      });
      const seen = await everseal(['verify', '--json']);
      expect(seen.code).toBe(1);
      expect(seen.lines()[0]).toMatchObject({ findings: [{ code: 'log.rolled-back' }], announcementCompared: true });

      // Control: with the database alone it looks whole, and the result says what it was not compared with.
      const blind = await everseal(['verify', '--json', '--config', settingsWithoutOps('blind', (text) => text)]);
      expect(blind.code).toBe(0);
      expect(blind.lines()[0]).toMatchObject({ findings: [], announcementCompared: false });
    },
    TEST_MS,
  );
});

describe('everseal access', () => {
  it(
    'renders what the installation itself runs with, and refuses what does not go together',
    async () => {
      const out = path.join(dir, 'access');
      const nats = ['--nats-port', String(installation.ports.nats), '--nats-name', 'local'];
      expect((await everseal(['access', 'render', '--out', out, ...nats])).code).toBe(0);
      const rendered = readFileSync(path.join(out, 'nats.conf'), 'utf8');
      const running = readFileSync(path.join(installation.layout.nats, 'nats.conf'), 'utf8');
      const rights = (text: string): string => text.slice(text.indexOf('\naccounts'));
      expect(rights(rendered)).toBe(rights(running));
      expect(rights(rendered).length).toBeGreaterThan(1_000);

      const wrong = await everseal(['access', 'render', '--out', out, '--postgres-address', 'everywhere']);
      expect(wrong).toMatchObject({ code: 2, out: '' });
      expect(wrong.err.trimEnd().split('\n')).toHaveLength(1);
    },
    TEST_MS,
  );
});

/** All stored bodies, once they hold every record; null before. */
async function sealedBytes(client: Client): Promise<Buffer | null> {
  const { rows } = await client.query<{ body: Buffer }>('SELECT body FROM everseal.block_body ORDER BY height');
  const all = Buffer.concat(rows.map(({ body }) => body));
  return RECORDS.every((record) => all.includes(record.slice(0, 30))) ? all : null;
}

/** The first key set of the same ledger with keys that nobody here has. */
function otherGenesis(): string {
  const { domain } = installation.policy;
  const origin = `${domain}/main`;
  const key = (name: string, type: typeof NOTE_KEY | typeof COSIGNATURE_KEY = NOTE_KEY): SigningKey =>
    SigningKey.fromSeed(name, sha256(Buffer.from(name)), type);
  const [log, operator] = [key(logKeyName(origin)), key(operatorKeyName(domain, 'local'))];
  const ingest = [key(ingestKeyName(domain, 'a')).verifier];
  const verifiers = [key(verifierKeyName(domain, 'v1'), COSIGNATURE_KEY).verifier];
  const set = {
    origin,
    previous: ZERO_HASH,
    time: '2026-01-01T00:00:00.000Z',
    log: log.verifier,
    operators: [operator.verifier],
    ingest,
    verifiers,
  };
  return signKeySet(set, log, operator);
}
