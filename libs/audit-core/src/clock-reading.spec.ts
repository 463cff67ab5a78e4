import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { judgeClock, judgeWrittenTime } from './clock-reading.js';

const NOON = Date.UTC(2026, 0, 31, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BOUND = 5 * MINUTE;

describe('a clock', () => {
  it.each<[string, number, number | null, ReturnType<typeof judgeClock>]>([
    ['that shows what ours shows', 0, null, { state: 'good' }],
    ['at the bound', BOUND, null, { state: 'good' }],
    ['beyond the bound', BOUND + 1, null, { state: 'ahead', byMs: BOUND + 1 }],
    ['an hour ahead', HOUR, null, { state: 'ahead', byMs: HOUR }],
    ['an hour less: late, or behind', -HOUR, null, { state: 'unknown' }],
    [
      'an hour less, having seen a time of ten minutes ago',
      -HOUR,
      -10 * MINUTE,
      { state: 'behind', byMs: 50 * MINUTE },
    ],
    ['an hour less, having seen nothing since', -HOUR, -2 * HOUR, { state: 'unknown' }],
    ['that answers at once', 0, -1, { state: 'good' }],
  ])('%s', (_, says, notBefore, judgement) => {
    const before = notBefore === null ? null : NOON + notBefore;
    expect(judgeClock({ says: NOON + says, notBefore: before, notAfter: NOON }, BOUND)).toEqual(judgement);
  });

  it('that goes right is never found wrong, however late its message is', () => {
    const ms = fc.integer({ min: 0, max: 30 * HOUR });
    fc.assert(
      fc.property(ms, ms, fc.integer({ min: -BOUND, max: BOUND }), (late, waited, skew) => {
        // It saw a time of ours, then said what it shows, and that took its time to come here.
        const notAfter = NOON + late + skew;
        const judgement = judgeClock({ says: NOON, notBefore: NOON - waited + skew, notAfter }, BOUND);
        expect(['good', 'unknown']).toContain(judgement.state);
      }),
    );
  });

  it('that is off by more than twice the bound is never found good by an answer within the bound', () => {
    const skew = fc.integer({ min: 2 * BOUND + 1, max: 100 * HOUR });
    fc.assert(
      fc.property(skew, fc.integer({ min: 0, max: BOUND }), fc.boolean(), (off, took, isAhead) => {
        const says = NOON + (isAhead ? off : -off);
        const judgement = judgeClock({ says, notBefore: NOON - took, notAfter: NOON }, BOUND);
        expect(judgement.state).toBe(isAhead ? 'ahead' : 'behind');
      }),
    );
  });
});

describe('a time in the log', () => {
  it('may be old, and cannot be of the future', () => {
    expect(judgeWrittenTime(NOON - 1_000 * HOUR, NOON, BOUND)).toEqual({ state: 'good' });
    expect(judgeWrittenTime(NOON + BOUND, NOON, BOUND)).toEqual({ state: 'good' });
    expect(judgeWrittenTime(NOON + HOUR, NOON, BOUND)).toEqual({ state: 'ahead', byMs: HOUR });
  });
});
