import { describe, expect, it } from '@jest/globals';
import { FormatError } from '@everseal/audit-core';
import { fateOf, RetryLater, StopProcess } from './failure.js';
import { Health } from './health.js';
import { Loop } from './loop.js';
import type { LoopOptions } from './loop.js';

const silent = { warn: () => {}, error: () => {} };

/** Runs a loop whose body is called with the number of the round, from 1. */
function run(body: (round: number, signal: AbortSignal) => Promise<number | void>, more: Partial<LoopOptions> = {}) {
  const health = new Health();
  const stops: Error[] = [];
  let round = 0;
  const loop = Loop.run({
    name: 'seal',
    body: (signal) => body(++round, signal),
    logger: silent,
    pulse: health.pulse('seal', 1000),
    within: 1000,
    condition: health.condition('seal', 'not yet'),
    onStop: (error) => stops.push(error),
    ...more,
  });
  return { loop, health, stops, rounds: () => round };
}

describe('fateOf', () => {
  it('decides by type and code', () => {
    const system = (code: string) => Object.assign(new Error('x'), { code });
    expect(fateOf(new FormatError('frame.root', 'x'))).toBe('refuse');
    expect(fateOf(new RetryLater('nats.timeout', 'x'))).toBe('retry');
    expect(fateOf(new StopProcess('lease.lost', 'x'))).toBe('stop');
    expect(fateOf(system('ECONNREFUSED'))).toBe('retry');
    expect(fateOf(system('ENOSPC'))).toBe('retry');
    expect(fateOf(Object.assign(new Error('x'), { fate: 'retry' }))).toBe('retry');
  });

  it('stops for what nobody foresaw: bugs, a failing disk, things that are no errors', () => {
    const unknown = [new TypeError('x'), Object.assign(new Error('x'), { code: 'EIO' }), 'text', undefined];
    expect(unknown.map(fateOf)).toEqual(['stop', 'stop', 'stop', 'stop']);
    expect(fateOf(Object.assign(new Error('x'), { fate: 'shrug' }))).toBe('stop');
  });
});

describe('Loop', () => {
  it('tries again after a failure that may pass, not ready meanwhile, with the reason', async () => {
    const reasons: string[] = [];
    const { loop, health, stops } = run(async (round) => {
      if (round > 1) reasons.push(health.ready().conditions[0]!.reason);
      if (round <= 2) throw new RetryLater('pg.down', `no database ${round}`);
      void loop.stop();
    });
    await loop.ended;
    expect(reasons).toEqual(['seal: no database 1', 'seal: no database 2']);
    expect(health.ready().ok).toBe(true);
    expect(stops).toEqual([]);
  });

  it('goes on after a refused input', async () => {
    const refused: Error[] = [];
    const { loop, stops } = run(
      async (round) => {
        if (round === 1) throw new FormatError('frame.root', 'bad frame');
        void loop.stop();
      },
      { onRefused: (error) => refused.push(error) },
    );
    await loop.ended;
    expect(refused.map((error) => error.message)).toEqual(['bad frame']);
    expect(stops).toEqual([]);
  });

  it('ends for anything else and hands it over once', async () => {
    const { loop, stops, health, rounds } = run(async () => {
      throw new StopProcess('head.moved', 'the head moved');
    });
    await loop.ended;
    expect(stops).toHaveLength(1);
    expect(rounds()).toBe(1);
    expect(health.ready().conditions[0]!.reason).toBe('seal stopped: the head moved');
    expect(health.live().loops).toEqual([]);
  });

  it('wakes from its pause when there is work, and not before', async () => {
    const { loop, rounds } = run(async (round) => (round < 3 ? 3_600_000 : void loop.stop()));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(rounds()).toBe(1);
    loop.wake();
    while (rounds() < 2) await new Promise((resolve) => setImmediate(resolve));
    loop.wake();
    await loop.ended;
    expect(rounds()).toBe(3);
  });

  it('does not lose a wake that comes during a round', async () => {
    const { loop, rounds } = run(async (round) => {
      if (round === 1) loop.wake();
      else void loop.stop();
      return 3_600_000;
    });
    await loop.ended;
    expect(rounds()).toBe(2);
  });

  it('stops in the middle of a pause and of a round', async () => {
    const paused = run(async () => 3_600_000);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await paused.loop.stop();
    const waiting = run(
      (_round, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gave up')))),
    );
    await Promise.resolve();
    await waiting.loop.stop();
    expect(waiting.stops).toEqual([]);
  });

  it('keeps its pulse while it pauses, and lets it go stale while a body hangs', async () => {
    let now = 0;
    const health = new Health(() => now);
    let release = () => {};
    const loop = Loop.run({
      name: 'tail',
      body: () => new Promise<void>((resolve) => (release = resolve)),
      logger: silent,
      pulse: health.pulse('tail', 10),
      within: 10,
      onStop: () => {},
    });
    await Promise.resolve();
    await Promise.resolve();
    now = 11;
    expect(health.live().ok).toBe(false);
    const stopped = loop.stop();
    release();
    await stopped;
    // While pausing it ticks by itself: a pause far longer than the bound stays live.
    const ticks: number[] = [];
    const second = Loop.run({
      name: 'idle',
      body: async () => 200,
      logger: silent,
      pulse: { tick: () => void ticks.push(1), end: () => {} },
      within: 10,
      onStop: () => {},
    });
    while (ticks.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    await second.stop();
  });

  it('lets timers have their turn although it never pauses', async () => {
    const { loop, rounds } = run(async () => {});
    await new Promise((resolve) => setTimeout(resolve, 1));
    await loop.stop();
    expect(rounds()).toBeGreaterThan(0);
  });
});
