/**
 * What an auditor gets and does, over a ledger in a real Postgres: `everseal prove`, `policy`, `verify` and `export` as their users
 * run them, the built program as a process of its own, with the reader's rights; checks in a process that can reach nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  encodeBundle,
  entriesPath,
  formatReceipt,
  leafHash,
  parseTlogProof,
  proveRange,
  signCheckpoint,
  splitBundle,
} from '@everseal/audit-core';
import { insertCosignature } from '@everseal/ledger-store';
import { repositoryRoot } from '@everseal/local';
import { opensslMissing, temporaryFolder, TestPostgres, TestTsa } from '@everseal/testing';
import { stringify } from 'yaml';
import { runProgram } from '../../apps/cli/src/program.js';
import { Terminal } from '../../apps/cli/src/terminal.js';
import { SweptLog } from '../../apps/verifier/src/swept-log.fixture.js';
import { DOMAIN, KEYS, ORIGIN, type MadeFrame } from '../../libs/audit-core/src/log.fixture.js';

const START_MS = 120_000;
const TEST_MS = 120_000;
const MAIN = path.join(repositoryRoot(), 'dist', 'apps', 'cli', 'src', 'main.js');
const EVENTS = ['{"id":"one", "n":12345678901234567890}', '{"id":"two"}'];
const SOURCE = 'https://orders.example.com/shop';

interface Ran {
  code: number | null;
  out: string;
  err: string;
  /** Standard output as JSON lines. */
  lines: () => Record<string, unknown>[];
}

const silent = { write: () => true };
const folder = temporaryFolder('audit');
const file = (...names: string[]): string => path.join(folder.path, ...names);
let server: TestPostgres;
let swept: SweptLog;
let authority: TestTsa | null = null;
/** A frame behind the newest checkpoint. */
let made: MadeFrame;
/** Size of the newest checkpoint. */
let cosignedSize: number;

beforeAll(async () => {
  server = await TestPostgres.start();
  const missing = opensslMissing();
  if (missing === null) authority = await TestTsa.start();
  else process.stderr.write(`audit.spec, time stamps: ${missing}\n`);
  swept = await SweptLog.create(server, 'audit', { anchors: { authority } });
  cosignedSize = swept.log.size;
  made = swept.log.writer.frame('a', EVENTS);
  await swept.log.seal(made);
  await writeSettings();
}, START_MS);

afterAll(async () => {
  await swept?.close();
  await server?.stop();
  await authority?.stop();
  folder.remove();
}, START_MS);

async function writeSettings(): Promise<void> {
  const { certFile, keyFile, caFile } = await server.client('everseal_reader');
  const { host } = server.connection();
  writeFileSync(file('genesis.note'), swept.log.writer.genesis);
  if (authority) writeFileSync(file('tsa.pem'), authority.identity.root);
  const settings = {
    domain: DOMAIN,
    ledgers: [{ name: 'main', genesisFile: 'genesis.note' }],
    authorities: authority ? [{ name: 'tsa', certificatesFile: 'tsa.pem' }] : [],
    nats: { servers: ['tls://localhost:1'] },
    postgres: { host, port: server.port, database: 'audit', user: 'everseal_reader', certFile, keyFile, caFile },
  };
  writeFileSync(file('cli.yaml'), stringify(settings));
}

/** @param cwd where relative names start; no environment but the path goes along */
function run(program: string, args: string[], cwd = folder.path): Promise<Ran> {
  const child = spawn(process.execPath, [program, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: {} });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const lines = (): Record<string, unknown>[] =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err, lines })));
}

const everseal = (...args: string[]): Promise<Ran> => run(MAIN, ['--config', file('cli.yaml'), ...args]);
/** An auditor's machine has no settings. */
const verify = (...args: string[]): Promise<Ran> => run(MAIN, ['verify', ...args, '--policy', file('policy')]);

/** Checks an export where nothing is but the export itself and Node. */
async function elsewhere(name: string, ...args: string[]): Promise<Ran> {
  const away = file(`${name}-away`);
  rmSync(away, { recursive: true, force: true });
  cpSync(file(name), away, { recursive: true });
  return run(path.join(away, 'verify.mjs'), ['--policy', file('policy'), ...args], '/');
}

/** Changes one byte of a file, or cuts it off there. */
function damage(name: string, at: number, cut = false): void {
  const bytes = readFileSync(name);
  if (!cut) bytes[at]! ^= 1;
  writeFileSync(name, cut ? bytes.subarray(0, at) : bytes);
}

describe('everseal prove and verify', () => {
  it(
    'prove one event with files alone: where it stands, since when, who accepted it',
    async () => {
      expect((await everseal('policy', '--out', file('policy'))).code).toBe(0);
      const proved = await everseal('prove', 'e-8-2', '--source', SOURCE, '--out', file('one'), '--json');
      expect(proved).toMatchObject({ code: 0, err: '' });
      const { index, files } = proved.lines()[0] as { index: number; files: { proof: string } };
      expect(readdirSync(file('one')).sort()).toEqual(
        ['custody', 'entry', 'tlog-proof'].map((part) => `main-${index}.${part}`),
      );
      const checked = await verify(files.proof, '--json');
      expect(checked).toMatchObject({ code: 0, err: '' });
      const facts = { verified: true, ledger: ORIGIN, index, id: 'e-8-2', source: SOURCE, producer: 'billing' };
      expect(checked.lines()[0]).toMatchObject({
        ...facts,
        custody: { ingester: 'a' },
        cosignatures: [{ witness: 'v1' }],
      });
      const said = await verify(file('one', `main-${index}.entry`), files.proof);
      expect(said.out).toContain(`this event is entry ${index} of ledger ${ORIGIN}`);
      expect(said.out).toContain('cosigned by v1 at 2026-01-01T00:00:00Z');
      expect(said.out).toContain('not proven  that what the event says is true');
      expect(said.out.match(/^proven: /gm)).toHaveLength(1);
    },
    TEST_MS,
  );

  it(
    'prove every kind of entry on either side of a tile, under the first and under the newest checkpoint',
    async () => {
      const proofs: string[] = [];
      for (const [index, ...more] of [[0], [2], [255], [256, '--newest'], [cosignedSize - 1]] as const) {
        const proved = await everseal('prove', '--index', String(index), '--out', file('at'), ...more, '--json');
        expect([index, proved.err, proved.code]).toEqual([index, '', 0]);
        const [{ size, files }] = proved.lines() as [{ size: number; files: { proof: string } }];
        expect(size === cosignedSize).toBe(more.length > 0 || index === cosignedSize - 1);
        proofs.push(files.proof);
      }
      const checked = await verify(...proofs, '--json');
      expect(checked).toMatchObject({ code: 0, err: '' });
      expect(checked.lines().map(({ index }) => index)).toEqual([0, 2, 255, 256, cosignedSize - 1]);
    },
    TEST_MS,
  );

  it(
    'choose nothing silently: an id that stands twice, not at all, or is not cosigned yet',
    async () => {
      const twice = await everseal('prove', 'e-1-0');
      expect(twice).toMatchObject({ code: 3, out: '' });
      expect(twice.err).toContain('more than once');
      expect(twice.err).toMatch(/--index \d+ {2}source https:.*, producer billing, a copy of entry \d+/);
      // Other events under the same id: even source and producer do not tell which is meant.
      const conflict = await everseal('prove', 'e-1-0', '--source', SOURCE, '--producer', 'billing');
      expect(conflict.code).toBe(3);
      expect(conflict.err).not.toContain('a copy of');
      expect(await everseal('prove', 'nobody')).toMatchObject({ code: 3, out: '' });
      expect(await everseal('prove', 'e-8-2', '--source', 'urn:other')).toMatchObject({ code: 3, out: '' });
      expect(await everseal('prove', '--index', String(cosignedSize))).toMatchObject({ code: 4, out: '' });
      expect(await everseal('prove', 'e-8-2', '--index', '3')).toMatchObject({ code: 2, out: '' });
    },
    TEST_MS,
  );

  it(
    'refuse a changed byte, a missing part and another policy',
    async () => {
      await everseal('prove', '--index', '3', '--out', file('bad'));
      const base = file('bad', 'main-3');
      for (const part of ['.entry', '.tlog-proof', '.custody']) {
        const genuine = readFileSync(base + part);
        damage(base + part, genuine.length - 5);
        const refused = await verify(`${base}.tlog-proof`, '--json');
        expect([part, refused.code]).toEqual([part, 1]);
        expect(refused.lines()[0]).toMatchObject({ verified: false, code: expect.any(String) });
        writeFileSync(base + part, genuine);
      }
      expect((await verify(`${base}.tlog-proof`)).code).toBe(0); // control
      const other = file('other-policy');
      writeFileSync(
        other,
        `log ${KEYS.log.verifier.vkey}\nwitness w ${KEYS.verifier.verifier.vkey}\ngroup both 2 w nobody\nquorum both\n`,
      );
      expect((await run(MAIN, ['verify', `${base}.entry`, '--policy', other])).code).toBe(2);
      expect(await run(MAIN, ['verify', `${base}.entry`])).toMatchObject({ code: 2, out: '' });
      expect((await verify(file('bad', 'nothing.tlog-proof'))).code).toBe(2);
    },
    TEST_MS,
  );

  it(
    'check receipts, with the events that were sent and without',
    async () => {
      const leaves = made.entries.map((entry) => leafHash(entry));
      const receipt = {
        ledger: ORIGIN,
        frame: made.note.toString(),
        first: 0,
        count: 2,
        proof: proveRange(0, 2, leaves),
      };
      const kept = `{"producer":"billing","ids":["one","two"],"receipt":${formatReceipt(receipt).toString()}}\n`;
      writeFileSync(file('receipt.json'), kept);
      writeFileSync(file('events.ndjson'), `${EVENTS.toReversed().join('\n')}\n`);
      const keys = ['--keys', file('genesis.note')];
      const bare = await verify(file('receipt.json'), ...keys);
      expect(bare).toMatchObject({ code: 0 });
      expect(bare.out).toContain('which events they are');
      const whole = await verify(file('receipt.json'), ...keys, '--events', file('events.ndjson'), '--json');
      expect(whole.lines()[0]).toMatchObject({ verified: true, ingester: 'a', events: 2 });
      writeFileSync(file('events.ndjson'), EVENTS.join('\n').replace('890}', '891}'));
      const changed = await verify(file('receipt.json'), ...keys, '--events', file('events.ndjson'), '--json');
      expect(changed.code).toBe(1);
      expect(changed.lines()[0]).toMatchObject({ verified: false, code: 'receipt.root' });
      expect((await verify(file('receipt.json'))).code).toBe(2);
    },
    TEST_MS,
  );

  it(
    'show that the log only grew since a checkpoint that was kept',
    async () => {
      const proof = readFileSync(file('at', 'main-2.tlog-proof'));
      writeFileSync(file('older.checkpoint'), parseTlogProof(proof).checkpoint);
      const proved = await everseal('prove', '--extends', file('older.checkpoint'), '--out', file('growth'), '--json');
      expect(proved).toMatchObject({ code: 0, err: '' });
      const { file: written, old } = proved.lines()[0] as { file: string; old: number };
      const checked = await verify(written, '--extends', file('older.checkpoint'), '--json');
      expect(checked.lines()[0]).toMatchObject({ verified: true, old, size: cosignedSize });
      damage(written, 20);
      expect((await verify(written, '--extends', file('older.checkpoint'))).code).toBe(1);
      expect((await verify(file('older.checkpoint'), '--extends', file('older.checkpoint'))).code).toBe(0);
      expect((await verify(file('older.checkpoint'))).code).toBe(0);
    },
    TEST_MS,
  );
});

const describeStamps = opensslMissing() === null ? describe : describe.skip;

describeStamps('a time stamp', () => {
  const tsa = ['--tsa', file('tsa.pem')];

  it(
    'says with the proof of an event since when its checkpoint existed, and according to whom',
    async () => {
      const proved = await everseal('prove', '--index', '3', '--timestamped', '--out', file('stamped'), '--json');
      expect(proved).toMatchObject({ code: 0, err: '' });
      const base = file('stamped', 'main-3');
      const said = await verify(`${base}.tlog-proof`, ...tsa);
      expect(said.code).toBe(0);
      expect(said.out).toMatch(
        /proven {6}the checkpoint existed, signed by the log, at the latest at 20\d\d-.*Z \(± 1 s by its own word\), by the clock of the time-stamp authority CN=Spec TSA/,
      );
      const facts = (await verify(`${base}.tlog-proof`, ...tsa, '--json')).lines()[0];
      expect(facts).toMatchObject({
        verified: true,
        timestamp: { authority: 'CN=Spec TSA', time: expect.any(String) },
      });
      // Without its certificate nothing is said of it, but that it was not looked at.
      const bare = await verify(`${base}.tlog-proof`);
      expect(bare.code).toBe(0);
      expect(bare.out).toContain('not proven  what the time stamp');
      expect(bare.out).not.toContain('CN=Spec TSA');
      const none = await verify(file('at', 'main-2.tlog-proof'), ...tsa);
      expect(none).toMatchObject({ code: 0, err: '' });
      expect(none.out).toContain('there is no time stamp');
    },
    TEST_MS,
  );

  it(
    'is refused when it is altered, of another checkpoint, or of an authority that was not named',
    async () => {
      const base = file('stamped', 'main-3');
      const genuine = readFileSync(`${base}.tst`);
      const codeOf = async (...args: string[]): Promise<unknown> => {
        return (await verify(`${base}.tlog-proof`, ...args, '--json')).lines()[0]?.['code'] ?? 'proven';
      };
      expect(await codeOf(...tsa)).toBe('proven'); // control
      damage(`${base}.tst`, genuine.length - 5);
      expect(await codeOf(...tsa)).toBe('timestamp.signature');
      const [, other] = await swept.log.store.sql(
        `SELECT evidence FROM everseal.anchor WHERE kind = 'rfc3161' ORDER BY size`,
      );
      writeFileSync(`${base}.tst`, other!['evidence'] as Buffer);
      expect(await codeOf(...tsa)).toBe('timestamp.imprint');
      writeFileSync(`${base}.tst`, genuine);
      const stranger = await TestTsa.start();
      writeFileSync(file('stranger.pem'), stranger.identity.root);
      await stranger.stop();
      expect(await codeOf('--tsa', file('stranger.pem'))).toBe('timestamp.chain');
      expect(await codeOf('--tsa', file('stranger.pem'), file('tsa.pem'))).toBe('proven');
      expect((await verify(`${base}.tlog-proof`, '--tsa', file('policy'))).code).toBe(2);
    },
    TEST_MS,
  );

  it(
    'is not there for an event that no stamped checkpoint covers',
    async () => {
      const proved = await everseal('prove', '--index', String(cosignedSize), '--timestamped', '--out', file('none'));
      expect(proved).toMatchObject({ code: 4, out: '' });
      expect(proved.err).toContain('no time stamp covers entry');
    },
    TEST_MS,
  );

  it(
    'goes into an export with the checkpoint that it is about, and with the certificates that its operator pinned',
    async () => {
      const exported = await everseal('export', 'main', '--to', file('with-stamps'));
      expect(exported).toMatchObject({ code: 0, err: '' });
      const said = await verify(file('with-stamps'), ...tsa);
      expect(said.out).toMatch(
        /proven {6}4 time stamps of tsa hold: the tree of \d+ entries existed, signed by the log, at the latest/,
      );
      expect(said.out).not.toContain('came with the export');
      const own = await verify(file('with-stamps'));
      expect(own.code).toBe(0);
      expect(own.out).toContain('not proven  that the time-stamp authorities are who they say');
      const sizes = readdirSync(file('with-stamps', 'timestamps'));
      expect(sizes.length).toBe(4);
      const away = await elsewhere('with-stamps', ...tsa);
      expect(away).toMatchObject({ code: 0, err: '' });
      expect(away.out).toContain('4 time stamps of tsa hold');
      for (const [name, code] of [
        ['checkpoint', 'note.signature'],
        ['tsa.tst', 'timestamp.signature'],
      ] as const) {
        const at = file('with-stamps', 'timestamps', sizes[0]!, name);
        const genuine = readFileSync(at);
        damage(at, genuine.length - 5);
        expect((await verify(file('with-stamps'), ...tsa, '--json')).lines()[0]).toMatchObject({
          verified: false,
          code,
        });
        const brought = await run(file('with-stamps', 'verify.mjs'), ['--policy', file('policy'), '--json'], '/');
        expect(brought.lines()[0]).toMatchObject({ verified: false, code });
        writeFileSync(at, genuine);
      }
      expect((await verify(file('with-stamps'), ...tsa)).code).toBe(0);
    },
    TEST_MS,
  );

  it(
    'goes into an export of a range: the first that covers it, and what shows that it is of the same history',
    async () => {
      const range = ['--from', '20', '--to-index', '30'];
      const exported = await everseal('export', 'main', '--to', file('stamped-range'), ...range, '--json');
      expect(exported).toMatchObject({ code: 0, err: '' });
      const sizes = (await stampedSizes()).filter((size) => size >= 256);
      expect(readdirSync(file('stamped-range', 'timestamps'))).toEqual([String(sizes[0])]);
      for (const said of [await verify(file('stamped-range'), ...tsa), await elsewhere('stamped-range', ...tsa)]) {
        expect(said).toMatchObject({ code: 0, err: '' });
        expect(said.out).toContain('1 checkpoints that were time-stamped are of the same history');
        expect(said.out).toContain('1 time stamp of tsa holds: the tree of');
        expect(said.out).toContain('; every entry of this export is in it');
        expect(said.out).not.toContain('came with the export');
      }
      const facts = (await elsewhere('stamped-range', '--json')).lines()[0];
      expect(facts).toMatchObject({ verified: true, timestamps: { tsa: [{ size: sizes[0], coversAll: true }] } });

      const at = (name: string): string => file('stamped-range', 'timestamps', String(sizes[0]), name);
      const [token, checkpoint] = [readFileSync(at('tsa.tst')), readFileSync(at('checkpoint'))];
      const refusals = async (): Promise<unknown[]> =>
        [await verify(file('stamped-range'), ...tsa, '--json'), await elsewhere('stamped-range', '--json')].map(
          (ran) => ran.lines()[0]?.['code'] ?? 'proven',
        );
      damage(at('tsa.tst'), token.length - 5);
      expect(await refusals()).toEqual(['timestamp.signature', 'timestamp.signature']);
      const [, , other] = await swept.log.store.sql(
        `SELECT evidence FROM everseal.anchor WHERE kind = 'rfc3161' ORDER BY size`,
      );
      writeFileSync(at('tsa.tst'), other!['evidence'] as Buffer);
      expect(await refusals()).toEqual(['timestamp.imprint', 'timestamp.imprint']);
      writeFileSync(at('tsa.tst'), token);
      // Of another history: signed by the log, and not what this tree begins with.
      const fork = { origin: ORIGIN, size: sizes[0]!, root: leafHash(Buffer.from('another history')) };
      writeFileSync(at('checkpoint'), signCheckpoint(fork, KEYS.log));
      expect(await refusals()).toEqual(['export.checkpoint', 'export.checkpoint']);
      writeFileSync(at('checkpoint'), checkpoint);
      expect(await refusals()).toEqual(['proven', 'proven']); // control
    },
    TEST_MS,
  );

  it(
    'goes into an export of a query: the first over its newest event',
    async () => {
      const bounds = ['--source', SOURCE, '--from', '0', '--to-index', '20'];
      expect((await everseal('export', 'main', '--to', file('stamped-query'), ...bounds)).code).toBe(0);
      const said = await elsewhere('stamped-query', ...tsa);
      expect(said).toMatchObject({ code: 0, err: '' });
      expect(said.out).toContain('; every entry of this export is in it');
      expect(readdirSync(file('stamped-query', 'timestamps'))).toEqual([String((await stampedSizes())[0])]);
    },
    TEST_MS,
  );

  async function stampedSizes(): Promise<number[]> {
    const rows = await swept.log.store.sql(`SELECT size FROM everseal.anchor WHERE kind = 'rfc3161' ORDER BY size`);
    return rows.map(({ size }) => Number(size));
  }
});

describe('everseal export', () => {
  it(
    'of a whole ledger is checked by the program it brings along, by ours, and read as C2SP tiles',
    async () => {
      const exported = await everseal('export', 'main', '--to', file('whole'), '--json');
      expect(exported).toMatchObject({ code: 0, err: '' });
      const { events } = exported.lines()[0] as { events: number };
      expect(exported.lines()[0]).toMatchObject({ size: cosignedSize, gaps: 1, selection: { kind: 'ledger' } });
      const checked = await elsewhere('whole', '--json');
      expect(checked).toMatchObject({ code: 0, err: '' });
      expect(checked.lines()[0]).toMatchObject({ verified: true, ledger: ORIGIN, size: cosignedSize, events });
      const ours = await verify(file('whole'));
      expect(ours.code).toBe(0);
      expect(ours.out).toContain('none is missing, added or moved');
      expect(ours.out).toContain('1 gap records stand in it');
      expect((await verify(file('whole'), '--extends', file('older.checkpoint'))).code).toBe(0);

      const bodies = await swept.log.store.sql('SELECT body FROM everseal.block_body ORDER BY height');
      const sealed = Buffer.concat(bodies.map(({ body }) => body as Buffer));
      const bundles = Array.from({ length: Math.ceil(cosignedSize / 256) }, (_, n) =>
        readFileSync(file('whole', entriesPath(n, Math.min(256, cosignedSize - n * 256)))),
      );
      expect(sealed.subarray(0, Buffer.concat(bundles).length).equals(Buffer.concat(bundles))).toBe(true);
      const report = readFileSync(file('whole', 'report.html'), 'utf8');
      expect(report).toContain(SOURCE);
      expect(report).not.toMatch(/<script|https?:\/\/(?!orders\.example\.com)/);
    },
    TEST_MS,
  );

  it(
    'is refused with anything in it altered, and is good again when that is put back',
    async () => {
      const older = readFileSync(file('older.checkpoint'), 'utf8');
      mkdirSync(file('whole', 'checkpoints'));
      writeFileSync(file('whole', 'checkpoints', older.split('\n')[1]!), older);
      const wrongs: [string, number, string][] = [
        [entriesPath(1, 256), 700, 'export.log'],
        ['tile/0/000', 40, 'export.tile'],
        ['tile/1/000.p/2', 40, 'export.tile'],
        ['checkpoint', 40, 'note.signature'],
        [`checkpoints/${older.split('\n')[1]}`, 40, 'note.signature'],
        ['keys/0', 100, 'export.keys'],
        ['completeness.json', 400, 'export.completeness'],
      ];
      for (const [name, at, code] of wrongs) {
        const genuine = readFileSync(file('whole', name));
        damage(file('whole', name), at);
        const refused = await verify(file('whole'), '--json');
        expect([name, refused.code, refused.lines()[0]]).toMatchObject([name, 1, { verified: false, code }]);
        writeFileSync(file('whole', name), genuine);
      }
      rmSync(file('whole-away', entriesPath(0, 256)));
      const missing = await run(file('whole-away', 'verify.mjs'), ['--json']);
      expect(missing.lines()[0]).toMatchObject({ verified: false, code: 'export.missing' });
      expect((await verify(file('whole'))).code).toBe(0); // control
    },
    TEST_MS,
  );

  it(
    'goes on where it was interrupted, and is brought up to date by the same command',
    async () => {
      // Ctrl-C before the first bundle: what is to be done is kept, and the same command does it.
      const host = {
        terminal: new Terminal(silent, silent, false),
        stdin: process.stdin,
        now: Date.now,
        dir: undefined,
      };
      const args = ['--config', file('cli.yaml'), 'export', 'main', '--to', file('stopped')];
      expect(await runProgram(args, { ...host, signal: AbortSignal.abort() })).toBe(4);
      expect(readdirSync(file('stopped'))).toEqual(['.export-state.json']);
      expect((await everseal('export', 'main', '--to', file('stopped'))).code).toBe(0);
      expect((await elsewhere('stopped')).code).toBe(0);

      cpSync(file('whole'), file('cut'), { recursive: true });
      const state = {
        format: 'everseal/export/v1',
        ledger: ORIGIN,
        asked: JSON.stringify([ORIGIN, null, null, null, null, null]),
        checkpoint: readFileSync(file('whole', 'checkpoint'), 'utf8'),
        made: '2026-01-31T09:30:00.000Z',
        selection: { kind: 'ledger' },
      };
      writeFileSync(file('cut', '.export-state.json'), JSON.stringify(state));
      for (const name of ['completeness.json', 'checkpoint', entriesPath(1, 256), 'tile/0/001', 'verify.mjs'])
        rmSync(file('cut', name));
      const unfinished = await verify(file('cut'), '--json');
      expect(unfinished.lines()[0]).toMatchObject({ verified: false, code: 'export.unfinished' });
      expect(await everseal('export', 'main', '--to', file('cut'), '--from', '3')).toMatchObject({ code: 2, out: '' });
      const first = readFileSync(file('cut', entriesPath(0, 256)));
      expect((await everseal('export', 'main', '--to', file('cut'))).code).toBe(0);
      expect((await elsewhere('cut')).code).toBe(0);
      expect(readFileSync(file('cut', entriesPath(0, 256))).equals(first)).toBe(true);

      const { log } = swept;
      const checkpoint = log.writer.checkpoint();
      const [signed, line] = [checkpoint.split('\n').slice(0, -2).join('\n') + '\n', checkpoint.split('\n').at(-2)!];
      await log.storeCheckpoint(signed);
      const keyId = Buffer.from(KEYS.verifier.verifier.idHex, 'hex');
      const cosignature = { size: log.size, signer: KEYS.verifier.name, keyId, line };
      await insertCosignature(log.sealer, log.ledgerId, cosignature);
      const grown = await everseal('export', 'main', '--to', file('cut'), '--json');
      expect(grown.lines()[0]).toMatchObject({ size: log.size });
      expect((await elsewhere('cut')).code).toBe(0);
      const edge = Math.floor(cosignedSize / 256);
      expect(existsSync(file('cut', entriesPath(edge, cosignedSize % 256)))).toBe(false);
      expect(await everseal('export', 'main', '--to', file('cut'), '--from', '3')).toMatchObject({ code: 2 });
      expect(await everseal('export', 'main', '--to', folder.path)).toMatchObject({ code: 2 });
    },
    TEST_MS,
  );

  it(
    'of a range proves that the range is whole, and says what was left out',
    async () => {
      const range = ['--from', '300', '--to-index', '310'];
      expect(await everseal('export', 'main', '--to', file('range'), ...range)).toMatchObject({ code: 0, err: '' });
      const checked = await elsewhere('range');
      expect(checked.out).toContain('all entries from 256 to 511');
      expect(checked.code).toBe(0);
      expect(existsSync(file('range', entriesPath(0, 256)))).toBe(false);
      const name = file('range', entriesPath(1, 256));
      const genuine = readFileSync(name);

      // Who signed each of its events: the frames that the log has there, in its own order.
      expect(checked.out).toMatch(
        /Who accepted these \d+ events: ingest a \d+ in \d+ frames? that it signed; ingest b/,
      );
      const listed = (await elsewhere('range', '--frames', '--json')).lines();
      const frames = listed.filter(({ kind }) => kind === 'frame') as { first: number; last: number }[];
      const ours = (await verify(file('range'), '--frames', '--json')).lines();
      expect(ours.filter(({ kind }) => kind === 'frame')).toMatchObject(frames);
      const whole = (await verify(file('whole'), '--frames', '--json')).lines() as typeof frames;
      const cut = whole
        .filter(({ first, last }) => first < 512 && last >= 256)
        .map((frame) => ({ ...frame, first: Math.max(256, frame.first), last: Math.min(511, frame.last) }));
      expect(cut.map(({ first, last }) => [first, last])).toEqual(frames.map(({ first, last }) => [first, last]));
      expect(frames[0]!.first).toBe(256); // it begins inside a frame …
      expect(whole.some(({ first, last }) => first < 511 && last > 511)).toBe(true); // … and ends inside one
      const [opening] = readdirSync(file('range', 'frames'));
      const note = readFileSync(file('range', 'frames', opening!));
      rmSync(file('range', 'frames', opening!));
      expect((await verify(file('range'), '--json')).lines()[0]).toMatchObject({ code: 'export.custody' });
      writeFileSync(file('range', 'frames', opening!), note);
      expect((await verify(file('range'))).code).toBe(0); // control

      // An entry that is left out, with the tile made to fit: only the root can tell.
      const offsets = splitBundle(genuine);
      const entries = Array.from({ length: 256 }, (_, i) => genuine.subarray(offsets.start(i), offsets.end(i)));
      entries[7] = entries[8]!;
      writeFileSync(name, encodeBundle(entries));
      writeFileSync(file('range', 'tile/0/001'), Buffer.concat(entries.map((entry) => leafHash(entry))));
      const refused = await verify(file('range'), '--json');
      expect(refused.lines()[0]).toMatchObject({ verified: false, code: 'export.root' });
    },
    TEST_MS,
  );

  const itStamps = opensslMissing() === null ? it : it.skip;
  itStamps(
    'of a range that no time stamp covers yet brings the newest there is, and says what it does not cover',
    async () => {
      // Since the export was brought up to date above, there is a checkpoint that nobody has stamped.
      const range = ['--from', '600', '--to-index', String(swept.log.size - 1)];
      expect((await everseal('export', 'main', '--to', file('stamped-end'), ...range)).code).toBe(0);
      expect(readdirSync(file('stamped-end', 'timestamps'))).toEqual([String(cosignedSize)]);
      const said = await elsewhere('stamped-end', '--tsa', file('tsa.pem'));
      expect(said).toMatchObject({ code: 0, err: '' });
      expect(said.out).toContain(`; of the entries of this export those below ${cosignedSize} are in it`);
      expect(said.out).toContain('which the newest of these entries are not in');
    },
    TEST_MS,
  );

  it(
    'of a query proves each event, and says that it does not prove that these are all',
    async () => {
      const bounds = ['--from', '200', '--to-index', '320'];
      const query = ['--source', SOURCE, ...bounds, '--since', '2026-01-01', '--until', '2026-01-02T00:00:00Z'];
      const exported = await everseal('export', 'main', '--to', file('query'), ...query, '--json');
      expect(exported).toMatchObject({ code: 0, err: '' });
      const { events } = exported.lines()[0] as { events: number };
      expect(events).toBeGreaterThan(90);
      const checked = await elsewhere('query');
      expect(checked.code).toBe(0);
      expect(checked.out).toContain('no other event fits the query is not proven');
      expect(checked.out).toMatch(/Who accepted these \d+ events: ingest/);
      const nobody = [...bounds, '--until', '2026-01-01'];
      const none = await everseal('export', 'main', '--to', file('none'), ...nobody, '--json');
      expect(none.lines()[0]).toMatchObject({ events: 0 });
      expect((await verify(file('none'))).code).toBe(0);

      const [name] = readdirSync(file('query', 'events', '0'));
      rmSync(file('query', 'events', '0', name!));
      expect((await verify(file('query'))).code).toBe(1);
    },
    TEST_MS,
  );

  it(
    'is not made of a database that was altered',
    async () => {
      await swept.log.tamper(
        'UPDATE everseal.block_body SET body = set_byte(body, 3000, get_byte(body, 3000) # 1) WHERE height = 3',
      );
      const refused = await everseal('export', 'main', '--to', file('altered'));
      expect(refused).toMatchObject({ code: 1, out: '' });
      expect(refused.err).toContain('run everseal verify');
      expect(existsSync(file('altered', 'completeness.json'))).toBe(false);
    },
    TEST_MS,
  );
});
