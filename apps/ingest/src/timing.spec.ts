/** What depends on clocks alone: pacing, clock guard, refusal log. Every clock here is a variable. */
import { describe, expect, it } from '@jest/globals';
import { Refused } from '@everseal/audit-core';
import type { Logger } from '@everseal/process';
import { ClockGuard } from './clock-guard.js';
import { Pacing } from './pacing.js';
import { printable, RefusalLog } from './refusal-log.js';

describe('pacing', () => {
  it('holds small frames 3 ms apart, and very small ones 1 ms, once more than 100 left in a second', () => {
    let now = 0;
    const pacing = new Pacing(() => now);
    expect(pacing.pause()).toBeLessThanOrEqual(0);
    for (let i = 0; i < 99; i += 1) {
      pacing.published(16);
      now += 1;
      expect(pacing.pause()).toBeLessThanOrEqual(0);
    }
    pacing.published(16);
    expect(pacing.pause()).toBe(3);
    now += 1.75;
    expect(pacing.pause()).toBeCloseTo(1.25);
    now += 1.25;
    expect(pacing.pause()).toBeLessThanOrEqual(0);
    pacing.published(15);
    expect(pacing.pause()).toBe(1);
    pacing.published(128);
    expect(pacing.pause()).toBe(0);
    pacing.published(127);
    expect(pacing.pause()).toBe(3);
    now += 1_000;
    expect(pacing.pause()).toBeLessThanOrEqual(0);
  });
});

describe('the clock guard', () => {
  it('finds a clock behind what was signed, and one that was set', () => {
    let wall = 1_000_000_000;
    let steady = 0;
    const guard = new ClockGuard(
      () => wall,
      () => steady,
      60_000,
    );
    const none = { newestAccepted: null, cosignedSeconds: null };
    expect(guard.problem(none)).toBeNull();
    expect(guard.problem({ newestAccepted: wall + 60_000, cosignedSeconds: null })).toBeNull();
    expect(guard.problem({ newestAccepted: wall + 61_000, cosignedSeconds: null })).toMatch(
      /61 s behind the newest frame/,
    );
    expect(guard.problem({ newestAccepted: null, cosignedSeconds: wall / 1_000 + 90 })).toMatch(
      /90 s behind the signatures of verifiers/,
    );
    wall += 3_600_000;
    steady += 3_600_000;
    expect(guard.problem(none)).toBeNull();
    expect(guard.date()).toBe(wall);
    wall += 600_000;
    expect(guard.date()).toBe(wall - 600_000);
    expect(guard.problem(none)).toMatch(/set by 600 s/);
    wall -= 600_000;
    expect(guard.problem(none)).toBeNull();
  });
});

describe('the refusal log', () => {
  it('writes so many lines a second, tells how many it left out, and nothing but printable ASCII', () => {
    const lines: { fields: Record<string, unknown>; text: string }[] = [];
    let now = 0;
    const logger = { warn: (fields: Record<string, unknown>, text: string) => lines.push({ fields, text }) };
    const log = new RefusalLog(logger as unknown as Logger, () => now);
    for (let i = 0; i < 50; i += 1)
      log.write('p\n', new Refused('event.invalid', 'bad \u001b[2J', 3), { eventId: 'a\u202e' });
    expect(lines).toHaveLength(20);
    expect(lines[0]).toEqual({
      fields: { producer: 'p\\u000a', code: 'event.invalid', position: 3, eventId: 'a\\u202e' },
      text: 'request refused: bad \\u001b[2J',
    });
    now = 1_000;
    log.write('p', new Refused('event.invalid', 'x', 0));
    expect(lines[20]?.fields).toEqual({ leftOut: 30 });
    expect(lines).toHaveLength(22);
    expect(printable('y'.repeat(300))).toBe(`${'y'.repeat(200)}\\u2026`);
  });
});
