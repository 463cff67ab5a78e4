import { describe, expect, it } from '@jest/globals';
import { nextUnpaid } from './next-unpaid.js';

describe('the next frame of a debt to ask for', () => {
  it('goes down from the newest through all that is owed, and begins anew', () => {
    const unpaid = [
      [2, 3],
      [6, 6],
      [8, 9],
    ] as const;
    const asked: (number | null)[] = [];
    for (let below: number = Infinity; asked.length < 7; below = asked.at(-1)!) asked.push(nextUnpaid(unpaid, below));
    expect(asked).toEqual([9, 8, 6, 3, 2, 9, 8]);
    expect(nextUnpaid(unpaid, 7)).toBe(6);
    expect(nextUnpaid(unpaid, 5)).toBe(3);
  });

  it('is none when nothing is owed', () => {
    expect(nextUnpaid([], Infinity)).toBeNull();
  });
});
