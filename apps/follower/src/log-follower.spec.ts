/**
 * Follows files that are written, rotated and taken away as engines and logrotate do it, with crashes in between. The control: without what
 * the follower remembers the same lines are told again, and only their ids say that they are the same.
 */
import { appendFileSync, copyFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { MOST_FACTS } from './fact-window.js';
import { FollowerMemory } from './follower-memory.js';
import { LogFollower } from './log-follower.js';
import { readNatsLine } from './nats-line.js';

interface Event {
  id: string;
  time: string;
  data: { action: string; target: { id: string }; reason: string; count: number; log: { from: number; to: number } };
}

const START = Date.parse('2026-11-30T09:30:00.000Z');
const OVER_MS = 60_000;

let folder: TemporaryFolder;
let steady: number;
let log: string;
let follower: LogFollower;
let taken: Event[];
/** What the outbox does next. */
let isRoom: boolean;
let crashAfter: number;

class Crash extends Error {}

beforeEach(() => {
  folder = temporaryFolder('log-follower');
  [steady, isRoom, crashAfter, taken] = [0, true, Number.POSITIVE_INFINITY, []];
  log = path.join(folder.path, 'nats.log');
  restart();
});

afterEach(() => folder.remove());

const memoryFile = (): string => path.join(folder.path, 'follower.json');

/** A process that begins with what is on the disk. */
function restart(): void {
  follower = new LogFollower({
    follower: 'audit.example.com/follower/f1',
    log: 'nats',
    engine: 'nats',
    files: `${log}*`,
    read: readNatsLine,
    memory: FollowerMemory.open(memoryFile()),
    take: (event) => {
      if (!isRoom) return false;
      if (crashAfter-- <= 0) throw new Crash('killed');
      const seen = JSON.parse(event.toString()) as Event;
      // As the outbox does: the same bytes again are not taken again.
      if (!taken.some((one) => JSON.stringify(one) === JSON.stringify(seen))) taken.push(seen);
      return true;
    },
    steady: () => steady,
  });
}

function line(atMs: number, text: string): string {
  const time = new Date(START + atMs).toISOString().replaceAll('-', '/').replace('T', ' ').replace('Z', '000');
  return `[4711] ${time} [ERR] ${text}\n`;
}

const violation = (atMs: number, subject: string): string =>
  line(atMs, `127.0.0.1:5 - cid:6 - "ORDERS/user:orders" - Publish Violation - Subject "${subject}"`);

/** Reads all there is, and lets the last window end. */
function readAll(): void {
  while (follower.look());
  steady += OVER_MS;
  while (follower.look());
}

const subjects = (): string[] => taken.map(({ data }) => data.target.id);
const count = (): number => taken.reduce((sum, { data }) => sum + data.count, 0);

describe('a log that is followed', () => {
  it('is told in windows, each when it is over', () => {
    writeFileSync(log, violation(0, 'a') + violation(1_000, 'b') + violation(2_000, 'a'));
    follower.look();
    expect(taken).toEqual([]);
    appendFileSync(log, violation(10_000, 'c'));
    follower.look();
    expect(taken.map(({ data }) => [data.target.id, data.count])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(taken[0]!.time).toBe('2026-11-30T09:30:02.000Z');
    steady += OVER_MS;
    follower.look();
    expect(subjects()).toEqual(['a', 'b', 'c']);
    readAll();
    expect(count()).toBe(4);
  });

  it('waits for the end of a line, and for the first whole one', () => {
    writeFileSync(log, violation(0, 'a').slice(0, 30));
    expect(() => follower.look()).toThrow('is not there');
    writeFileSync(log, violation(0, 'a') + violation(1, 'b').slice(0, 40));
    readAll();
    expect(subjects()).toEqual(['a']);
    writeFileSync(log, violation(0, 'a') + violation(1, 'b'));
    readAll();
    expect(subjects()).toEqual(['a', 'b']);
  });

  it('is followed when it is renamed, also what is written into the old file afterwards', () => {
    writeFileSync(log, violation(0, 'a'));
    readAll();
    renameSync(log, `${log}.1`);
    appendFileSync(`${log}.1`, violation(1, 'b'));
    writeFileSync(log, violation(2, 'c'));
    readAll();
    renameSync(`${log}.1`, `${log}.2`);
    renameSync(log, `${log}.1`);
    appendFileSync(`${log}.2`, violation(3, 'd'));
    writeFileSync(log, violation(4, 'e'));
    readAll();
    expect(subjects().toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(count()).toBe(5);
  });

  it('is followed when it is copied and cut, also what was written before that and not read', () => {
    writeFileSync(log, violation(0, 'a'));
    readAll();
    appendFileSync(log, violation(1, 'b'));
    copyFileSync(log, `${log}.1`);
    truncateSync(log, 0);
    readAll();
    // Longer than the old one was: by its size alone nobody could tell.
    appendFileSync(log, [2, 3, 4].map((at) => violation(at, `n${at}`)).join(''));
    readAll();
    expect(subjects()).toEqual(['a', 'b', 'n2', 'n3', 'n4']);
    expect(count()).toBe(5);
  });

  it('is followed over a rotation that happened while nobody read', () => {
    writeFileSync(log, violation(0, 'a'));
    readAll();
    appendFileSync(log, violation(1, 'b'));
    renameSync(log, `${log}.2026.11.30.09.30.01.000000000`);
    writeFileSync(log, violation(2, 'c'));
    restart();
    readAll();
    expect(subjects().toSorted()).toEqual(['a', 'b', 'c']);
  });

  it('is told once when the process is killed anywhere', () => {
    const lines = Array.from({ length: 40 }, (_, i) => violation(i * 2_500, `s${i % 7}`));
    for (let kill = 0; kill < 30; kill++) {
      writeFileSync(log, '');
      rmSync(memoryFile(), { force: true });
      taken = [];
      crashAfter = Number.POSITIVE_INFINITY;
      restart();
      for (const [i, one] of lines.entries()) {
        appendFileSync(log, one);
        if (i === 20) renameAway();
        if (i === 10) crashAfter = kill;
        try {
          follower.look();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          crashAfter = Number.POSITIVE_INFINITY;
          restart();
        }
        if (i % 11 === 5) restart();
      }
      readAll();
      expect(count()).toBe(lines.length);
      expect(new Set(taken.map(({ id }) => id)).size).toBe(taken.length);
      rmSync(`${log}.1`);
    }
  });

  function renameAway(): void {
    renameSync(log, `${log}.1`);
    writeFileSync(log, '');
  }

  it('control: without memory everything is told again, and its ids are the same; without those ids it would count twice', () => {
    writeFileSync(log, violation(0, 'a') + violation(11_000, 'b') + violation(12_000, 'a'));
    readAll();
    const before = [...taken];
    expect(before).toHaveLength(3);
    restart();
    readAll();
    expect(taken).toEqual(before);
    // The outbox is another one, too: nothing but the ids says that these were told.
    [taken] = [[]];
    rmSync(memoryFile());
    restart();
    readAll();
    expect(taken).toEqual(before);
    const byId = new Map([...before, ...taken].map((event) => [event.id, event]));
    expect([byId.size, before.length + taken.length]).toEqual([3, 6]);
  });

  it('goes on where it was when the outbox has room again, and counts nothing twice', () => {
    writeFileSync(log, violation(0, 'a') + violation(11_000, 'b') + violation(22_000, 'c'));
    isRoom = false;
    for (let i = 0; i < 3; i++) expect(() => follower.look()).toThrow('takes nothing now');
    restart();
    expect(() => follower.look()).toThrow('takes nothing now');
    isRoom = true;
    readAll();
    expect(subjects()).toEqual(['a', 'b', 'c']);
    expect(count()).toBe(3);
  });

  it('says how many lines it could not read', () => {
    writeFileSync(
      log,
      `${violation(0, 'a')}panic: runtime error\ngoroutine 1\n${'x'.repeat(1_100_000)}\n${violation(1, 'b')}`,
    );
    readAll();
    expect(taken.map(({ data }) => [data.action, data.count, data.reason])).toEqual([
      ['nats.publish', 1, ''],
      ['nats.unreadable', 2, 'not of the form of this log'],
      ['nats.unreadable', 1, 'longer than 1048576 bytes'],
      ['nats.publish', 1, ''],
    ]);
    expect(follower.counts).toEqual({ read: 2, unreadable: 3 });
  });

  it('says when a file has become shorter, and goes on behind what is left', () => {
    writeFileSync(log, violation(0, 'a') + violation(1, 'b') + violation(2, 'c'));
    readAll();
    truncateSync(log, violation(0, 'a').length);
    readAll();
    appendFileSync(log, violation(3, 'd'));
    readAll();
    expect(taken.map(({ data }) => [data.action, data.target.id])).toEqual([
      ['nats.publish', 'a'],
      ['nats.publish', 'b'],
      ['nats.publish', 'c'],
      ['nats.cut', 'nats'],
      ['nats.publish', 'd'],
    ]);
  });

  it('makes few events of a flood', () => {
    const flood = Array.from({ length: 30_000 }, (_, i) => violation(i % 5_000, `s${i}`));
    writeFileSync(log, flood.join(''));
    readAll();
    expect(taken).toHaveLength(MOST_FACTS + 1);
    expect(count()).toBe(flood.length);
  });

  it('writes nothing to the disk for lines that tell nothing', () => {
    writeFileSync(log, line(0, 'Server is ready').repeat(1_000));
    readAll();
    expect(() => readFileSync(memoryFile())).toThrow('ENOENT');
    expect(follower.behindBytes).toBe(0);
  });

  it('is the same events whatever the lines are, and in whatever pieces they are written', () => {
    const piece = fc.oneof(
      fc.nat(60_000).map((at) => violation(at, 'x')),
      fc.constant('\n'),
      fc
        .uint8Array({ maxLength: 40 })
        .map((bytes) => `${Buffer.from(bytes).toString('latin1').replaceAll('\n', '')}\n`),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 20 }), (pieces) => {
        for (const file of [memoryFile(), log]) rmSync(file, { force: true });
        taken = [];
        restart();
        const text = line(0, 'Starting') + pieces.join('');
        for (let at = 0; at < text.length; at += 17) {
          appendFileSync(log, text.slice(at, at + 17), 'latin1');
          if (readFileSync(log).includes(0x0a)) follower.look();
        }
        readAll();
        expect(count()).toBe(pieces.length);
      }),
      { numRuns: 20 },
    );
  });

  it('asks for patience when nobody writes it', () => {
    expect(() => follower.look()).toThrow(expect.objectContaining({ code: 'follower.log', fate: 'retry' }));
    rmSync(folder.path, { recursive: true });
    expect(() => follower.look()).toThrow(expect.objectContaining({ code: 'follower.log', fate: 'retry' }));
  });

  it('does not start on a memory that it has not written', () => {
    writeFileSync(memoryFile(), '{"version":1}');
    expect(() => FollowerMemory.open(memoryFile())).toThrow(expect.objectContaining({ code: 'follower.memory' }));
  });
});
