import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { firstRepeat } from './repeated-names.js';

/** `firstRepeat` over names given as numbers that all have the same hash; counts the comparisons. */
function search(names: readonly number[]): { repeat: number; compared: number } {
  let compared = 0;
  const handles = Int32Array.from(names, (_, i) => i);
  const repeat = firstRepeat(handles, new Int32Array(names.length), names.length, (a, b) => {
    compared++;
    return names[a]! - names[b]!;
  });
  return { repeat, compared };
}

describe('firstRepeat', () => {
  it('finds the first name that was there before, as a set does', () => {
    const names = fc.oneof(
      fc.array(fc.nat(30), { maxLength: 24 }),
      fc.array(fc.nat(10_000), { maxLength: 200 }),
      fc.uniqueArray(fc.nat(), { maxLength: 200 }),
    );
    fc.assert(
      fc.property(names, (list) => {
        const seen = new Set<number>();
        expect(search(list).repeat).toBe(list.findIndex((name) => seen.size === seen.add(name).size));
      }),
    );
  });

  it('needs n·log n comparisons when every hash collides; comparing pairs would need n²/2', () => {
    const size = 5_000;
    const mostSorted = size * Math.ceil(Math.log2(size)) + size;
    const orders = [(i: number) => i, (i: number) => -i, (i: number) => (i * 7_919) % size];
    for (const order of orders) {
      const { repeat, compared } = search(Array.from({ length: size }, (_, i) => order(i)));
      expect(repeat).toBe(-1);
      expect(compared).toBeLessThanOrEqual(mostSorted);
    }
    expect((size * (size - 1)) / 2).toBeGreaterThan(100 * mostSorted);
  });
});
