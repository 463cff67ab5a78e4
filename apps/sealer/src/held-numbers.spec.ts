import { describe, expect, it } from '@jest/globals';
import { HeldNumbers } from './held-numbers.js';

/** The same numbers in every run. */
function* pseudoRandom(seed: number): Generator<number> {
  for (;;) yield (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

describe('held numbers', () => {
  it('have the smallest at hand, whatever was set and deleted before', () => {
    const random = pseudoRandom(7);
    const some = (most: number): number => Math.floor(random.next().value! * most);
    const held = new HeldNumbers<string>();
    const model = new Map<number, string>();
    for (let turn = 0; turn < 20_000; turn++) {
      const number = 1 + some(turn % 1_000 < 500 ? 300 : 20);
      const what = some(10);
      if (what < 6) {
        held.set(number, `${turn}`);
        model.set(number, `${turn}`);
      } else if (what < 9) {
        held.delete(number);
        model.delete(number);
      } else {
        const to = some(25);
        held.deleteTo(to);
        for (const one of model.keys()) if (one <= to) model.delete(one);
      }
      const first = model.size === 0 ? null : Math.min(...model.keys());
      expect([held.first, held.size, held.get(number)]).toEqual([first, model.size, model.get(number)]);
    }
  });

  it('do not keep one that is set and deleted over and over', () => {
    const held = new HeldNumbers<true>();
    for (let turn = 0; turn < 1_000; turn++) {
      held.set(5, true);
      held.delete(5);
    }
    expect([held.first, (held as unknown as { heap: number[] }).heap.length]).toEqual([null, 0]);
  });
});
