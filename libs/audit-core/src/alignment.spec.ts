import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { align } from './alignment.js';
import { sha256, type Hash } from './hash.js';

const hashes = (text: string): Hash[] => text.split('').map((c) => sha256(Buffer.from(c)));

describe('align', () => {
  it.each([
    ['abcdef', 'abcdef', null],
    ['abcdef', 'abXdef', { difference: 'altered', position: 2, count: 1 }],
    ['abcdef', 'abdef', { difference: 'missing', position: 2, count: 1 }],
    ['abcdef', 'abc', { difference: 'missing', position: 3, count: 3 }],
    ['abcdef', 'abcXdef', { difference: 'inserted', position: 3, count: 1 }],
    ['abcdef', 'abcdefX', { difference: 'inserted', position: 6, count: 1 }],
    ['abcdef', 'abdcef', { difference: 'reordered', position: 2, count: 2 }],
    ['aabb', 'abab', { difference: 'reordered', position: 1, count: 2 }],
    ['abc', '', { difference: 'missing', position: 0, count: 3 }],
  ])('%s against %s', (remembered, stored, expected) => {
    expect(align(hashes(remembered), hashes(stored))).toEqual(expected);
  });

  it('names every single change by what was done and where', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), fc.nat(), (length, from, to) => {
        const log = Array.from({ length }, (_, i) => sha256(Buffer.from([i])));
        const [i, j] = [from % length, to % length];
        const fresh = sha256(Buffer.from('new'));
        expect(align(log, log.with(i, fresh))).toMatchObject({ difference: 'altered', position: i });
        expect(align(log, log.toSpliced(i, 1))).toMatchObject({ difference: 'missing', position: i });
        expect(align(log, log.toSpliced(i, 0, fresh))).toMatchObject({ difference: 'inserted', position: i });
        if (i === j) return;
        const swapped = log.with(i, log[j]!).with(j, log[i]!);
        expect(align(log, swapped)).toMatchObject({ difference: 'reordered', position: Math.min(i, j), count: 2 });
      }),
    );
  });
});
