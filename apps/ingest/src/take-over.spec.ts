/**
 * What was accepted for a closed ledger and does not survive is in its successor's lane before anything else is: in its order,
 * under its producers, byte for byte and once, whenever the process is killed. Ledger `main` is closed, `main-r1` continues it.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  formatSurvivingHeads,
  leafHash,
  logKeyName,
  NOTE_KEY,
  originOf,
  proveInclusion,
  signRestore,
  SigningKey,
  treeRoot,
  type Restore,
} from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { parsePolicy } from '@everseal/policy';
import { Health } from '@everseal/process';
import { temporaryFolder } from '@everseal/testing';
import { buildSources } from './build-source.fixture.js';
import { ClosedSpool } from './closed-spool.js';
import type { IngestSettings } from './config.js';
import { buildFrame, envelopeBytes } from './frame-builder.js';
import { inspectFrame } from './frame-store.js';
import { Gate } from './gate.js';
import { DOMAIN, FakeLog, genesis, KEYS, ORIGIN } from './announced-log.fixture.js';
import { event, IngestLab, type LaneFrame, type RunningIngest } from './ingest.fixture.js';
import { IngestProcess } from './ingest-process.fixture.js';
import { PendingRequest } from './pending-request.js';
import { encodeRecordHeader, RECORD_HEADER, scanSegment } from './segment.js';
import { servedLedgers } from './served-ledgers.js';
import { Spool } from './spool.js';
import { TakeOver } from './take-over.js';
import { planTakeOver } from './take-over-plan.js';
import { formatTakeOver, parseTakeOver, readTakenOver } from './take-over-record.js';

const POLICY = `
domain: ${DOMAIN}
ledgers:
  - { name: main, ingesters: [a, b], spoolBytes: 8388608 }
  - { name: main-r1, ingesters: [a, b], spoolBytes: 1048576 }
producers:
  - { name: billing, ledgers: [main, main-r1], sources: ['/billing'] }
  - { name: orders, ledgers: [main, main-r1], sources: ['/billing'] }
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;
const SUCCESSOR = originOf(DOMAIN, 'main-r1');
const LOG = SigningKey.fromSeed(logKeyName(SUCCESSOR), Buffer.alloc(32, 8), NOTE_KEY);
const BOUND = 1_048_576;
const PATIENT = { timeoutMs: 30_000 };

const built = temporaryFolder('take-over-build');
let main: string;
let lab: IngestLab;
const running: RunningIngest[] = [];
const processes: IngestProcess[] = [];

type Which = 'both ledgers' | 'the successor, which continues';

async function settings(which: Which, spool = 'spool-a', name: 'a' | 'b' = 'a'): Promise<IngestSettings> {
  const given = await lab.settings(name, spool);
  const successor = { name: 'main-r1', genesisFile: lab.file('genesis-r1.note') };
  const continues = {
    ledger: 'main',
    successorNoteFile: lab.file('successor.note'),
    headsFile: lab.file('successor.heads'),
  };
  const ledgers = {
    'both ledgers': [...given.ledgers, successor],
    'the successor, which continues': [{ ...successor, continues }],
  };
  return { ...given, ledgers: ledgers[which] };
}

async function start(which: Which, spool?: string): Promise<RunningIngest> {
  const one = await lab.run('a', await settings(which, spool));
  running.push(one);
  return one;
}

async function stop(one: RunningIngest): Promise<void> {
  running.splice(running.indexOf(one), 1);
  await one.stop();
}

/** What `everseal restore --close` leaves: these frames of ingester a survive, and nothing else. */
function close(survives: readonly LaneFrame[]): void {
  const leaves = [Buffer.from(genesis()), ...survives.map(({ message }) => message.note)].map((entry) =>
    leafHash(entry),
  );
  const restore: Restore = {
    origin: SUCCESSOR,
    closed: ORIGIN,
    checkpoint: { size: 100, root: leafHash(Buffer.from('lost')) },
    surviving: { size: leaves.length, root: treeRoot(leaves) },
    reason: 'a spec',
    time: '2026-06-01T00:00:00.000Z',
  };
  writeFileSync(lab.file('successor.note'), signRestore(restore, LOG, KEYS.operator));
  const last = survives.at(-1);
  const index = leaves.length - 1;
  const { number = 0 } = last?.frame ?? {};
  const note = last?.message.note.toString();
  const heads = last ? [{ ingester: 'a', number, index, proof: proveInclusion(index, leaves), note, debts: [] }] : [];
  writeFileSync(lab.file('successor.heads'), formatSurvivingHeads(heads));
}

/** Every file of a spool but the lock, by name. */
function filesIn(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const files = names.filter((name) => /segment$|state$|frame$/.test(name));
  return new Map(files.map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]));
}

/** `producer: event` for every event in the successor's lane, in order. */
async function inSuccessor(): Promise<string[]> {
  const entries = (await lab.frames('main-r1')).flatMap(({ events }) => events);
  return entries.map((entry) => {
    const { producer } = JSON.parse(entry) as { producer: string };
    return `${producer}: ${entry.slice(entry.indexOf('"event":') + 8, -1)}`;
  });
}

describe('a successor', () => {
  beforeAll(() => {
    main = buildSources(built.path, 'ingest');
  });
  afterAll(() => built.remove());
  beforeEach(async () => {
    lab = await IngestLab.start(POLICY);
    writeFileSync(lab.file('genesis-r1.note'), genesis({ origin: SUCCESSOR }, LOG));
  });
  afterEach(async () => {
    await Promise.all(processes.splice(0).map((one) => one.end('SIGKILL')));
    await Promise.all(running.splice(0).map((one) => one.stop()));
    await lab.stop();
  });

  it('begins with what was accepted for the closed ledger and does not survive', async () => {
    const before = await start('both ledgers');
    await before.ready();
    const [billing, orders] = [await lab.producer('billing'), await lab.producer('orders')];
    const texts = ['survives', 'sealed-and-lost', 'one', 'two', 'three'].map((id) => event(id)) as [
      string,
      string,
      string,
      string,
      string,
    ];
    await billing.accepted(texts[0]);
    await billing.accepted(texts[1]);
    await billing.accepted(texts[2], texts[3]);
    await orders.accepted(texts[4]);
    await (await lab.producer('billing', 'main-r1')).accepted(event('early'));
    // The second frame was sealed, and its ingester knows: its block is what was lost.
    const old = await lab.frames();
    const log = new FakeLog();
    const [, index = 0] = old.slice(0, 2).map(({ message }) => log.add(message.note));
    await lab.announce(log.announcement([{ ingester: 'a', number: 2, index }]));
    await waitUntil(() => before.intake.spool.covered.number === 2, { what: 'release', ...PATIENT });
    await stop(before);
    close(old.slice(0, 1));
    const evidence = filesIn(lab.file('spool-a/main'));

    // Control: without the take-over nothing of it comes.
    const without = await start('both ledgers');
    await without.ready();
    expect(await inSuccessor()).toEqual([`billing: ${event('early')}`]);
    await stop(without);

    const successor = await start('the successor, which continues');
    await successor.ready();
    const expected = [
      `billing: ${event('early')}`,
      `billing: ${texts[1]}`,
      `billing: ${texts[2]}`,
      `billing: ${texts[3]}`,
      `orders: ${texts[4]}`,
    ];
    expect(await inSuccessor()).toEqual(expected);
    // Who sends one of them again gets the receipt of its place, and no second copy; a new event stands behind them.
    const again = await lab.producer('billing', 'main-r1');
    expect((await again.accepted(texts[2], texts[3])).count).toBe(2);
    expect((await (await lab.producer('orders', 'main-r1')).accepted(texts[4])).count).toBe(1);
    expect(await inSuccessor()).toEqual(expected);
    await again.accepted(event('new'));
    expect(await inSuccessor()).toEqual([...expected, `billing: ${event('new')}`]);

    // The evidence stands, and says what became of it.
    expect(filesIn(lab.file('spool-a/main'))).toEqual(evidence);
    expect(readTakenOver(lab.file('spool-a/main'))).toMatchObject({
      closed: ORIGIN,
      successor: SUCCESSOR,
      frames: [[2, 4]],
      missing: [],
      behind: 1,
      done: { events: 4, last: { number: 4 } },
    });
    expect(successor.intake.takeOver?.progress).toMatchObject({ events: 4, framesLeft: 0, framesMissing: 0 });
    expect(successor.lines.join('')).toContain(`4 events of ${ORIGIN} are taken over`);
    await stop(successor);

    // A later start takes nothing more; the closed ledger is not served any more.
    const later = await start('the successor, which continues');
    await later.ready();
    expect(await inSuccessor()).toHaveLength(6);
    await stop(later);
    await expect(start('both ledgers')).rejects.toThrow('serve it no more');
  }, 90_000);

  it('has each event once, in order, when its ingester is killed in the middle, and never beyond its bound', async () => {
    const before = await start('both ledgers');
    await before.ready();
    const billing = await lab.producer('billing');
    const texts = Array.from({ length: 45 }, (_, i) => event(`large-${i}`, 'x'.repeat(50_000)));
    for (const text of texts) await billing.accepted(text);
    await stop(before);
    close([]);

    const spooled = (): number => {
      const folder = lab.file('spool-a/main-r1');
      let count = 0;
      for (const name of existsSync(folder) ? readdirSync(folder) : []) {
        if (!name.endsWith('.segment')) continue;
        try {
          scanSegment(readFileSync(path.join(folder, name)), () => (count += 1));
        } catch {
          // Being written.
        }
      }
      return count;
    };
    for (const enough of [3, 15]) {
      const child = await IngestProcess.start(lab, main, await settings('the successor, which continues'));
      processes.push(child);
      await waitUntil(() => spooled() >= enough, { what: `${enough} frames taken over`, ...PATIENT });
      await child.end('SIGKILL');
      expect(child.output).not.toContain('accepting requests');
      // Begun and not done: it cannot be forgotten.
      const forgetful = {
        continues: undefined,
        spoolDir: lab.file('spool-a'),
        genesisFile: lab.file('genesis-r1.note'),
        gate: new Gate(new Health(), 'main-r1', () => undefined),
      };
      const name = { origin: SUCCESSOR, ingester: 'a' };
      expect(() => TakeOver.open({ name, ...forgetful })).toThrow('put continues back');
      await expect(start('both ledgers')).rejects.toThrow('serve it no more');
    }

    const last = await start('the successor, which continues');
    await waitUntil(() => last.reasons.some((reason) => reason.includes('the spool is full until')), {
      what: 'the bound',
      ...PATIENT,
    });
    expect(last.reasons.filter((reason) => /take-over|window/.test(reason))).toHaveLength(2);
    const log = new FakeLog(SUCCESSOR, LOG, genesis({ origin: SUCCESSOR }, LOG));
    let sealed = 0;
    await waitUntil(
      async () => {
        expect(last.intake.spool.bytes).toBeLessThanOrEqual(BOUND);
        if (last.reasons.length === 0) return true;
        const frames = await lab.frames('main-r1');
        if (frames.length === sealed) return false;
        const indexes = frames.slice(sealed).map(({ message }) => log.add(message.note));
        sealed = frames.length;
        const head = { ingester: 'a', number: sealed, index: indexes.at(-1) ?? 0 };
        await lab.announce(log.announcement([head]), 'main-r1');
        return false;
      },
      { what: 'the end of the take-over', ...PATIENT },
    );
    expect(last.failures).toEqual([]);
    expect(await inSuccessor()).toEqual(texts.map((text) => `billing: ${text}`));
    expect((await lab.frames('main-r1')).map(({ frame }) => frame.number)).toEqual(texts.map((_, i) => i + 1));
    expect(readTakenOver(lab.file('spool-a/main'))).toMatchObject({ done: { events: texts.length } });

    // Control: without its record it would begin anew.
    await stop(last);
    rmSync(lab.file('spool-a/main/taken-over'));
    rmSync(lab.file('spool-a/main-r1/take-over'));
    await start('the successor, which continues');
    await waitUntil(async () => (await inSuccessor()).length > texts.length, { what: 'second copies', ...PATIENT });
  }, 120_000);

  it('takes over nothing that it cannot know to be what was accepted', async () => {
    const before = await start('both ledgers');
    await before.ready();
    const billing = await lab.producer('billing');
    for (const id of ['one', 'two', 'three']) await billing.accepted(event(id));
    await stop(before);
    const frames = await lab.frames();
    const segment = 'main/000000000001.segment';
    let copies = 0;
    const attempt = async (change: (spool: string) => void): Promise<string | undefined> => {
      const spool = `spool-${(copies += 1)}`;
      cpSync(lab.file('spool-a'), lab.file(spool), { recursive: true });
      change(lab.file(spool));
      try {
        const one = await start('the successor, which continues', spool);
        await waitUntil(() => one.failures.length > 0 || one.reasons.length === 0, { what: 'an end', ...PATIENT });
        await stop(one);
        return one.code ?? 'taken over';
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    const change = (spool: string, alter: (bytes: Buffer, offsets: number[]) => void): void => {
      const bytes = readFileSync(path.join(spool, segment));
      const offsets: number[] = [];
      scanSegment(bytes, (_message, offset) => offsets.push(offset));
      alter(bytes, offsets);
      writeFileSync(path.join(spool, segment), bytes);
    };

    close(frames.slice(0, 1));
    // One byte of one event: an accident, and with its checksum made right.
    const flip = (bytes: Buffer, at: number): void => void (bytes[at] = (bytes[at] ?? 0) ^ 1);
    expect(await attempt((spool) => change(spool, (bytes, [, second = 0]) => flip(bytes, second + 200)))).toBe(
      'spool.corrupt',
    );
    const forge = (bytes: Buffer, [, second = 0, third = 0]: number[]): void => {
      const message = bytes.subarray(second + RECORD_HEADER, third);
      message.write('one', message.lastIndexOf('two'));
      encodeRecordHeader(message).copy(bytes, second);
    };
    expect(await attempt((spool) => change(spool, forge))).toBe('spool.corrupt');
    // A spool of nobody, of another ingester, an older copy, one that was taken over by a successor that knows nothing of it.
    expect(await attempt((spool) => rmSync(path.join(spool, 'main'), { recursive: true }))).toBe('spool.rolled-back');
    const state = (spool: string): string => path.join(spool, 'main', 'state');
    const theirs = await lab.run('b', await settings('both ledgers', 'spool-b', 'b'));
    await theirs.ready();
    await theirs.stop();
    expect(await attempt((spool) => cpSync(lab.file('spool-b/main/state'), state(spool)))).toBe('spool.corrupt');
    expect(await attempt((spool) => rmSync(path.join(spool, segment)))).toBe('spool.rolled-back');
    // No note of this ledger; heads that are not in what survives.
    writeFileSync(lab.file('successor.note'), genesis());
    expect(await attempt(() => undefined)).toBe('successor.note');
    close(frames.slice(0, 1));
    const heads = readFileSync(lab.file('successor.heads'));
    close(frames.slice(0, 2));
    writeFileSync(lab.file('successor.heads'), heads);
    expect(await attempt(() => undefined)).toBe('successor.note');

    // Controls: the spool as it is; and with an incomplete record behind it, which no receipt speaks of.
    close(frames.slice(0, 1));
    const torn = (spool: string): void =>
      change(spool, (bytes) => {
        const end = scanSegment(bytes, () => undefined).end;
        encodeRecordHeader(Buffer.alloc(700, 'x')).copy(bytes, end);
      });
    expect(await attempt(torn)).toBe('taken over');
    expect(await inSuccessor()).toEqual([`billing: ${event('two')}`, `billing: ${event('three')}`]);
    const done = lab.file(`spool-${copies}`);
    // The successor's spool went back, and the other one knows it.
    expect(
      await attempt((spool) => {
        rmSync(spool, { recursive: true });
        cpSync(done, spool, { recursive: true });
        rmSync(path.join(spool, 'main-r1', 'take-over'));
      }),
    ).toBe('spool.rolled-back');
  }, 90_000);
});

describe('what is taken over', () => {
  const folder = temporaryFolder('closed-spool');
  afterAll(() => folder.remove());
  const hash = leafHash(Buffer.from('frame'));
  it('are the frames behind the newest that survives and those that it owes; what is not held any more is said', () => {
    expect(planTakeOver(5, [[1, 5]], { number: 3, hash, debts: [] })).toEqual({
      frames: [[4, 5]],
      missing: [],
    });
    expect(
      planTakeOver(
        9,
        [
          [2, 2],
          [3, 3],
          [7, 8],
          [9, 9],
        ],
        { number: 5, hash, debts: [[2, 4]] },
      ),
    ).toEqual({
      frames: [
        [2, 3],
        [7, 9],
      ],
      missing: [
        [4, 4],
        [6, 6],
      ],
    });
    expect(planTakeOver(2, [[1, 2]], null)).toEqual({ frames: [[1, 2]], missing: [] });
    expect(planTakeOver(1e12, [[1e12, 1e12]], null)).toEqual({ frames: [[1e12, 1e12]], missing: [[1, 1e12 - 1]] });
    expect(planTakeOver(0, [], null)).toEqual({ frames: [], missing: [] });
  });

  it('includes frames that were kept aside, and the spool is only read', async () => {
    const directory = path.join(folder.path, 'main');
    const name = { origin: ORIGIN, ingester: 'a' };
    const sizes = { bound: 1_000_000, windowBytes: 0, segmentBytes: 2_048 };
    const spool = Spool.open({ directory, ...name, inspect: inspectFrame(name), ...sizes });
    for (let n = 1; n <= 8; n += 1) {
      const body = Buffer.from(event(`frame-${n}`));
      const entryBytes = envelopeBytes(ORIGIN, 'billing') + body.length;
      const events = [{ start: 0, end: body.length, id: '', source: '' }];
      const requests = [new PendingRequest('', 'billing', body, events, entryBytes, 0)];
      const frame = buildFrame(name, KEYS.a, spool.newest, n, requests);
      await spool.append(frame.id, n, frame.message);
    }
    await spool.release(spool.newest, [[2, 3]]);
    expect(() => ClosedSpool.open(directory, name)).toThrow('in use by another process');
    spool.close();

    const evidence = filesIn(directory);
    const closed = ClosedSpool.open(directory, name);
    const [second, third, [first, last] = [0, 0], ...more] = closed.held;
    expect([second, third, last, more]).toEqual([[2, 2], [3, 3], 8, []]);
    expect(first).toBeGreaterThan(4);
    for (const number of [2, 3, first, 8]) {
      const { message } = await closed.read(number, [KEYS.a.verifier]);
      expect(message.bytes.toString('latin1')).toContain(event(`frame-${number}`));
    }
    await expect(closed.read(2, [KEYS.b.verifier])).rejects.toMatchObject({ code: 'spool.corrupt' });
    await expect(closed.read(4, [KEYS.a.verifier])).rejects.toMatchObject({ code: 'spool.corrupt' });
    closed.close();
    // The spool above may have had its next file in the making when it was closed.
    const after = [...filesIn(directory)].filter(([file]) => evidence.has(file));
    expect(new Map(after)).toEqual(evidence);
    expect(() => ClosedSpool.open(directory, { ...name, ingester: 'b' })).toThrow('belongs to ingester a');
  });

  it('is of a ledger that is not served any more', () => {
    const policy = parsePolicy(POLICY, 'everseal.yaml');
    const successor = { name: 'main-r1', genesisFile: 'r1' };
    const continues = { ledger: 'main', successorNoteFile: 'note', headsFile: 'heads' };
    const served = (...ledgers: IngestSettings['ledgers']): string[] =>
      servedLedgers(policy, { name: 'a', policyFile: 'everseal.yaml', ledgers } as IngestSettings).map(
        ({ ledger }) => ledger.name,
      );
    expect(served({ ...successor, continues })).toEqual(['main-r1']);
    expect(() => served(successor)).toThrow('Make them agree');
    const ended = { name: 'main', genesisFile: 'main' };
    expect(() => served(ended, { ...successor, continues })).toThrow('say that it is closed');
    expect(served(ended, successor)).toEqual(['main', 'main-r1']);
  });

  it('is recorded in one form, and no byte of it can be changed', () => {
    const begun = {
      closed: ORIGIN,
      successor: SUCCESSOR,
      ingester: 'a',
      behind: 7,
      frames: [
        [2, 3],
        [7, 9],
      ] as const,
      missing: [],
      done: null,
    };
    for (const record of [begun, { ...begun, frames: [], done: { events: 12, last: { number: 9, hash } } }]) {
      const bytes = formatTakeOver(record);
      expect(parseTakeOver(bytes, 'take-over')).toEqual(record);
      for (let at = 0; at < bytes.length; at += 1) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 1;
        expect(() => parseTakeOver(changed, 'take-over')).toThrow('cannot be read');
      }
    }
  });
});
