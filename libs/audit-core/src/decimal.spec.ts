import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { formatDecimal, isCount, parseDecimal } from './decimal.js';

const vectors = readVectorFile<{
  valid: { text: string; value: number }[];
  invalid: { text: string; code: string; reason: string }[];
}>('decimal');

describe('decimal', () => {
  it.each(vectors.valid)('$text', ({ text, value }) => {
    expect(parseDecimal(text)).toBe(value);
    expect(formatDecimal(value)).toBe(text);
  });

  it.each(vectors.invalid)('refuses $reason', ({ text, code }) => {
    expect(codeOf(() => parseDecimal(text))).toBe(code);
  });

  it('gives any number below 2^53 back', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (n) => expect(parseDecimal(formatDecimal(n))).toBe(n)));
  });

  it('refuses long runs of digits by their length', () => {
    expect(codeOf(() => parseDecimal('9'.repeat(1_000_000)))).toBe('decimal.range');
  });

  it.each([-1, 0.5, 2 ** 53, NaN, Infinity])('never writes %d', (n) => {
    expect(() => formatDecimal(n)).toThrow(RangeError);
    expect(isCount(n)).toBe(false);
  });
});
