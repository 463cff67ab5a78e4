import { describe, expect, it } from '@jest/globals';
import { Health } from './health.js';

describe('Health', () => {
  it('is ready when every condition is met, and says why not', () => {
    const health = new Health();
    const nats = health.condition('nats', 'not connected yet');
    const spool = health.condition('spool', 'not opened yet');
    expect(health.ready().ok).toBe(false);
    nats.ok();
    expect(health.ready().conditions).toMatchObject([
      { name: 'nats', ok: true, reason: '' },
      { name: 'spool', ok: false, reason: 'not opened yet' },
    ]);
    spool.ok();
    expect(health.ready().ok).toBe(true);
    nats.fail('disconnected from NATS');
    expect(health.ready().ok).toBe(false);
    nats.ok();
    expect(health.ready().ok).toBe(true);
  });

  it('is not ready any more once it stops, whatever the conditions', () => {
    const health = new Health();
    health.condition('nats', '').ok();
    health.stopping();
    health.stopping();
    expect(health.ready()).toMatchObject({
      ok: false,
      conditions: [{ ok: true }, { reason: 'the process is stopping' }],
    });
  });

  it('calls back at changes of the whole only', () => {
    const health = new Health();
    const changes: [boolean, string[]][] = [];
    health.onReadyChange((ready, failing) => changes.push([ready, failing.map(({ name }) => name)]));
    const a = health.condition('a', 'x');
    const b = health.condition('b', 'x');
    a.ok();
    b.ok();
    b.ok();
    a.fail('y');
    b.fail('z');
    a.ok();
    b.ok();
    expect(changes).toEqual([
      [true, []],
      [false, ['a']],
      [true, []],
    ]);
  });

  it('keeps the time of the change, not of the newest reason', () => {
    let now = 0;
    const health = new Health(() => now);
    const lag = health.condition('lag', 'no');
    lag.ok();
    now = 1000;
    lag.fail('10 s behind');
    now = 2000;
    lag.fail('11 s behind');
    expect(health.ready().conditions).toEqual([
      { name: 'lag', ok: false, reason: '11 s behind', since: '1970-01-01T00:00:01.000Z' },
    ]);
  });

  it('is live while every pulse ticks within its bound, and does not ask one that ended', () => {
    let now = 0;
    const health = new Health(() => now);
    const seal = health.pulse('seal', 100);
    const index = health.pulse('index', 1000);
    now = 100;
    expect(health.live().ok).toBe(true);
    now = 101;
    expect(health.live()).toEqual({
      ok: false,
      loops: [
        { name: 'seal', ok: false, age: 101, within: 100 },
        { name: 'index', ok: true, age: 101, within: 1000 },
      ],
    });
    seal.tick();
    expect(health.live().ok).toBe(true);
    now = 5000;
    seal.end();
    index.end();
    expect(health.live()).toEqual({ ok: true, loops: [] });
  });

  it('refuses two owners of one name', () => {
    const health = new Health();
    health.condition('a', 'x');
    health.pulse('a', 1);
    expect(() => health.condition('a', 'x')).toThrow('registered twice');
    expect(() => health.pulse('a', 1)).toThrow('registered twice');
  });
});
