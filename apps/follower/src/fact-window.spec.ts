import { describe, expect, it } from '@jest/globals';
import { FactWindow, MOST_FACTS, slotOf } from './fact-window.js';
import { factOf } from './line-reading.js';

const login = (actor: string) => factOf({ action: 'postgres.login', outcome: 'allowed', actor });

describe('a window', () => {
  it('makes equal facts one, from its first to its last line', () => {
    const window = new FactWindow(12_000);
    window.note(login('a'), 12_000, 0);
    window.note(login('b'), 12_500, 100);
    window.note(login('a'), 13_000, 200);
    expect(window.slot).toBe(slotOf(19_999));
    expect(window.counted()).toEqual([
      { ...login('a'), count: 2, first: 12_000, last: 13_000, from: 0, to: 200 },
      { ...login('b'), count: 1, first: 12_500, last: 12_500, from: 100, to: 100 },
    ]);
  });

  it('is bounded whatever comes, and loses no count', () => {
    const window = new FactWindow(0);
    for (let i = 0; i < 5_000; i++) window.note(login(`role-${i}`), i, i * 100);
    for (let i = 0; i < 100; i++) window.note({ ...login('x'), outcome: 'refused' }, 6_000, 600_000 + i);
    const counted = window.counted();
    expect(counted).toHaveLength(MOST_FACTS + 2);
    expect(counted.reduce((sum, { count }) => sum + count, 0)).toBe(5_100);
    expect(counted.slice(-2).map(({ action, outcome, count }) => [action, outcome, count])).toEqual([
      ['postgres.several', 'allowed', 5_000 - MOST_FACTS],
      ['postgres.several', 'refused', 100],
    ]);
  });
});
