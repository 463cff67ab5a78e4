import { describe, expect, it } from '@jest/globals';
import { ArrivalRate } from './arrival-rate.js';

describe('the arrival rate', () => {
  it('is that of the last whole window, and nothing after a silence', () => {
    let now = 5_000;
    const rate = new ArrivalRate(() => now);
    expect(rate.perSecond()).toBe(0);
    rate.arrived(300);
    now += 500;
    rate.arrived(300);
    expect(rate.perSecond()).toBe(0); // the first window is not over
    now += 700;
    expect(rate.perSecond()).toBe(500);
    now += 2_500;
    expect(rate.perSecond()).toBe(0);
  });
});
