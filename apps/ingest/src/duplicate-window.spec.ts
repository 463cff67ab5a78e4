import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DuplicateWindow } from './duplicate-window.js';

describe('the duplicate window', () => {
  it('finds what a plain list of the newest events would find, oldest first', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 300 }), fc.integer(), fc.integer(), (ids, a, b) => {
        const window = new DuplicateWindow(64, [a, b]);
        const all: string[] = [];
        for (const id of ids) {
          expect(window.add(window.keyOf('p', 's', `${id}`))).toBe(all.length);
          all.push(`${id}`);
        }
        expect(window.next).toBe(all.length);
        expect(window.oldest).toBe(Math.max(0, all.length - 64));
        for (let id = 0; id <= 41; id += 1) {
          const key = window.keyOf('p', 's', `${id}`);
          const expected = [...all.keys()].filter((i) => i >= window.oldest && all[i] === `${id}`);
          expect(window.ordinalsOf(key)).toEqual(expected);
          expect(window.has(key)).toBe(expected.length > 0);
        }
      }),
    );
  });

  it('keeps texts apart at their borders, and gives other keys with another seed', () => {
    const window = new DuplicateWindow(2, [1, 2]);
    const other = new DuplicateWindow(2, [3, 4]);
    const texts: [string, string, string][] = [
      ['a', 'b', 'c'],
      ['ab', '', 'c'],
      ['a', '', 'bc'],
      ['', 'ab', 'c'],
      ['a', 'bc', ''],
      ['', '', 'abc'],
    ];
    const keys = texts.map((text) => window.keyOf(...text));
    expect(new Set(keys).size).toBe(texts.length);
    expect(keys.every((key) => Number.isSafeInteger(key) && key >= 0)).toBe(true);
    expect(texts.map((text) => other.keyOf(...text))).not.toEqual(keys);
  });

  it('spreads ids that hardly differ', () => {
    const window = new DuplicateWindow(2, [5, 6]);
    const keys = Array.from({ length: 50_000 }, (_, i) => window.keyOf('billing', '/billing', `ev-${i}`));
    expect(new Set(keys).size).toBe(keys.length);
    const low = new Set(keys.map((key) => (key >>> 0) & 0xffff));
    // 50,000 balls into 65,536 boxes fill 35,000 of them.
    expect(low.size).toBeGreaterThan(33_000);
  });

  it('answers in bounded time when every key is the same', () => {
    const window = new DuplicateWindow(1_024, [1, 1]);
    const key = window.keyOf('p', 's', 'x');
    for (let i = 0; i < 5_000; i += 1) window.add(key);
    expect(window.ordinalsOf(key).length).toBe(64);
    expect(window.ordinalsOf(key).at(-1)).toBe(4_999);
  });
});
