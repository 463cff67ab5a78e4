import { describe, expect, it } from '@jest/globals';
import { BUSY_ENTRIES_A_SECOND, sweepRate } from './sweep-rate.js';

describe('the rate of a sweep', () => {
  it('is the set one, a tenth while many entries arrive, and unbounded where the settings say so', () => {
    expect(sweepRate(25_000, 0)).toBe(25_000);
    expect(sweepRate(25_000, BUSY_ENTRIES_A_SECOND)).toBe(25_000);
    expect(sweepRate(25_000, BUSY_ENTRIES_A_SECOND + 1)).toBe(2_500);
    expect(sweepRate(0, 100_000)).toBe(Infinity);
  });
});
