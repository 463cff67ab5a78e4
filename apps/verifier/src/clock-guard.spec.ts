/**
 * Tamper act T27 and its kin: clocks that are off, by an injected clock of this verifier and by heartbeats; Postgres is real.
 * The control of every case: the same with a bound that is wider than the clock is off.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { formatTimestamp, heartbeatTime, type FrameHead } from '@everseal/audit-core';
import { databaseTime } from '@everseal/ledger-store';
import { RetryLater } from '@everseal/process';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { ClockGuard, type AskedClock, type ClockGuardOptions } from './clock-guard.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BOUND = 5 * MINUTE;
const NEVER_OFF = 10 * HOUR;
const ORIGIN = 'audit.example.com/main';
const HASH = Buffer.alloc(32);

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let alerts: SpecBook;
/** How far this verifier's clock is off, milliseconds. */
let off = 0;
const now = (): number => Date.now() + off;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'clocks');
  pool = await store.verifier();
});
afterAll(async () => {
  await store.close();
  await server.stop();
});
beforeEach(() => {
  off = 0;
  alerts = new SpecBook();
});
afterEach(() => alerts.remove());

function guard(options: Partial<ClockGuardOptions> = {}): ClockGuard {
  return new ClockGuard(alerts.book, {
    domain: 'audit.example.com',
    boundMs: BOUND,
    now,
    steady: () => performance.now(),
    asked: [],
    ledgers: [],
    ...options,
  });
}

/** A heartbeat of a sealer whose clock is off by `skew`, having seen a verifier's time of `ago` milliseconds before. */
function beatOf(skew: number, ago: number | null): Buffer {
  const seen = ago === null ? null : Math.floor((Date.now() - ago) / 1_000);
  return Buffer.from(JSON.stringify({ ...heartbeatTime(Date.now() + skew, seen), sizes: {} }));
}

async function lookAfter(watching: ClockGuard, ...beats: Buffer[]): Promise<string[]> {
  for (const beat of beats) watching.hear('sealer', 's1', beat);
  await watching.look();
  return alerts.open;
}

describe('the clock of a service', () => {
  it.each([
    ['an hour ahead', HOUR, null, 'ahead'],
    ['set back an hour', -HOUR, 10_000, 'behind'],
  ])('%s raises clock.skew, once, and clears it when it is right again', async (_, skew, ago, word) => {
    const watching = guard();
    expect(await lookAfter(watching, beatOf(skew, ago))).toEqual(['clock.skew']);
    expect(await lookAfter(watching, beatOf(skew, ago))).toEqual(['clock.skew']);
    const { detail, ledger } = await alerts.lastRaised();
    expect(detail).toMatch(new RegExp(`^the clock of sealer s1: 3[56]\\d\\d\\.\\d s ${word}`));
    expect(ledger).toBe('audit.example.com');
    expect(await lookAfter(watching)).toEqual(['clock.skew']);
    expect(await lookAfter(watching, beatOf(0, 10_000))).toEqual([]);
    expect(await alerts.sent()).toHaveLength(2);
    expect(await lookAfter(guard({ boundMs: NEVER_OFF }), beatOf(skew, ago))).toEqual([]);
  });

  it('is not off because its heartbeat was late, and late ones clear nothing', async () => {
    const watching = guard();
    const late = beatOf(0, 10_000);
    off = HOUR; // an hour later
    expect(await lookAfter(watching, late)).toEqual([]);
    off = 0;
    expect(await lookAfter(watching, beatOf(HOUR, null))).toEqual(['clock.skew']);
    off = 3 * HOUR;
    expect(await lookAfter(watching, beatOf(0, null))).toEqual(['clock.skew']);
  });

  it('is what its newest heartbeat says when several came since the last look', async () => {
    expect(await lookAfter(guard(), beatOf(HOUR, null), beatOf(0, null))).toEqual([]);
    expect(await lookAfter(guard(), beatOf(0, null), beatOf(HOUR, null))).toEqual(['clock.skew']);
  });

  it('is not known from a heartbeat without a time, or one that is none', async () => {
    const beats = ['{"sizes":{}}', 'hello', '{"time":5}', ''].map((text) => Buffer.from(text));
    expect(await lookAfter(guard(), ...beats)).toEqual([]);
  });
});

describe('the clock of Postgres', () => {
  const postgres: AskedClock = { name: 'Postgres', ask: () => databaseTime(pool) };

  it.each([
    ['ahead', -HOUR],
    ['behind', HOUR],
  ])('%s of ours by an hour raises clock.skew, until it is not', async (word, skew) => {
    const watching = guard({ asked: [postgres] });
    expect(await lookAfter(watching)).toEqual([]);
    off = skew;
    expect(await lookAfter(watching)).toEqual(['clock.skew']);
    expect((await alerts.lastRaised()).detail).toMatch(
      new RegExp(`^the clock of Postgres: 3[56]\\d\\d\\.\\d s ${word}`),
    );
    off = 0;
    expect(await lookAfter(watching)).toEqual([]);
    off = skew;
    expect(await lookAfter(guard({ asked: [postgres], boundMs: NEVER_OFF }))).toEqual([]);
  });

  it('is not off because our own was set while we asked', async () => {
    const asked = { name: 'Postgres', ask: () => databaseTime(pool).then((time) => ((off = HOUR), time)) };
    // Ours is an hour ahead from here on, which the answer cannot know: it is compared with ours as it is now.
    expect(await lookAfter(guard({ asked: [asked] }))).toEqual(['clock.skew']);
    expect(await lookAfter(guard({ asked: [postgres] }))).toEqual(['clock.skew']);
    off = 0;
    expect(await lookAfter(guard({ asked: [postgres] }))).toEqual([]);
  });

  it('is not known while it does not answer: nothing is raised, nothing cleared, the others are looked at', async () => {
    const silent: AskedClock = { name: 'Postgres', ask: () => Promise.reject(new RetryLater('x', 'away')) };
    const broker: AskedClock = { name: 'the broker', ask: () => Promise.resolve(Date.now() + HOUR) };
    off = HOUR;
    await lookAfter(guard({ asked: [postgres] }));
    off = 0;
    expect(await lookAfter(guard({ asked: [silent, broker] }))).toEqual(['clock.skew', 'clock.skew']);
    expect((await alerts.lastRaised()).detail).toContain('the clock of the broker');
    expect(await lookAfter(guard({ asked: [{ ...broker, ask: () => Promise.resolve(null) }] }))).toHaveLength(2);
  });
});

describe('times in the log', () => {
  const ledger = (sealed: number | null, accepted: number): ClockGuardOptions['ledgers'][number] => ({
    origin: ORIGIN,
    memory: () => ({
      sealed: sealed === null ? '' : formatTimestamp(sealed),
      heads: new Map<string, FrameHead>([
        ['a', { number: 7, hash: HASH, index: 12, accepted: formatTimestamp(accepted) }],
      ]),
    }),
  });

  it('may be as old as they like', async () => {
    expect(await lookAfter(guard({ ledgers: [ledger(Date.now() - 1_000 * HOUR, 0)] }))).toEqual([]);
    expect(await lookAfter(guard({ ledgers: [ledger(null, 0)] }))).toEqual([]);
  });

  it.each([
    ['a block', ledger(Date.now() + HOUR, 0), 'the times in the blocks of'],
    ['a frame', ledger(0, Date.now() + HOUR), 'the times in the frames of a of'],
  ])('of the future in %s raise clock.skew, until that time has come', async (_, future, words) => {
    expect(await lookAfter(guard({ ledgers: [future] }))).toEqual(['clock.skew']);
    expect(await alerts.lastRaised()).toMatchObject({ ledger: ORIGIN, detail: expect.stringContaining(words) });
    expect(await lookAfter(guard({ ledgers: [future], boundMs: NEVER_OFF }))).toEqual([]);
    await lookAfter(guard({ ledgers: [future] }));
    off = HOUR;
    expect(await lookAfter(guard({ ledgers: [future] }))).toEqual([]);
  });
});
