import { describe, expect, it } from '@jest/globals';
import { restAfter } from './sweep-rest.js';

const SETTINGS = { pauseMs: 1_000, longestPauseMs: 60_000, busyPercent: 25 };

describe('the rest after a pass', () => {
  it.each([
    ['nothing to sweep', 0, 1_000],
    ['a small ledger: found within two seconds', 300, 1_000],
    ['a larger one: a quarter of the time at work', 4_000, 12_000],
    ['a very large one: no longer than the longest', 3_600_000, 60_000],
  ])('%s', (_, pass, rest) => {
    expect(restAfter(pass, SETTINGS)).toBe(rest);
  });

  it('is the least one when a sweep may always be at work', () => {
    expect(restAfter(4_000, { ...SETTINGS, busyPercent: 100 })).toBe(1_000);
    expect(restAfter(4_000, { ...SETTINGS, longestPauseMs: 0 })).toBe(1_000);
  });
});
