import { describe, expect, it } from '@jest/globals';
import { seededRandom, shuffledRounds } from './schedule.js';

const KINDS = ['a', 'b', 'c', 'd', 'e'];

function taken(seed: number, count: number): string {
  const rounds = shuffledRounds(KINDS, seededRandom(seed));
  return Array.from({ length: count }, () => rounds.next().value).join('');
}

describe('the schedule', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(taken(1, 50)).toBe(taken(1, 50));
    expect(taken(1, 50)).not.toBe(taken(2, 50));
  });

  it('has every kind once a round, and rounds that differ', () => {
    const rounds = taken(7, 20).match(/.{5}/g)!;
    for (const round of rounds) expect([...round].sort()).toEqual(KINDS);
    expect(new Set(rounds).size).toBeGreaterThan(1);
  });
});
