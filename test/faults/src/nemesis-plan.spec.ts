import { describe, expect, it } from '@jest/globals';
import { planNemesis, type PlannedStrike } from './nemesis-plan.js';

function planned(seed: number, count: number): PlannedStrike[] {
  const plan = planNemesis(seed);
  return Array.from({ length: count }, () => plan.next().value);
}

describe('the plan of the nemesis', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planned(1, 100)).toEqual(planned(1, 100));
    expect(planned(1, 100)).not.toEqual(planned(2, 100));
  });

  it('has every kind of fault at every target, and faults that overlap', () => {
    const plan = planned(3, 2_000);
    const kinds = new Set(plan.map(({ strike }) => `${strike.what} ${JSON.stringify(strike.target)}`));
    expect(kinds.size).toBe(3 * 6 + 4 * 7);
    const overlap = plan.some(({ strike }, i) => 'ms' in strike && strike.ms > (plan[i + 1]?.afterMs ?? Infinity));
    expect(overlap).toBe(true);
    for (const { afterMs, choice } of plan) {
      expect(afterMs).toBeGreaterThanOrEqual(400);
      expect(choice).toBeLessThan(1);
    }
  });
});
