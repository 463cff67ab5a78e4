import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { formatTimestamp, parseTimestamp } from './timestamp.js';

const vectors = readVectorFile<{
  valid: { text: string; ms: number }[];
  invalid: { text: string; code: string; reason: string }[];
}>('timestamp');
const milliseconds = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2100, 0, 1) });

describe('timestamp', () => {
  it.each(vectors.valid)('$text', ({ text, ms }) => {
    expect(parseTimestamp(text)).toBe(ms);
    expect(formatTimestamp(ms)).toBe(text);
  });

  it.each(vectors.invalid)('refuses $reason', ({ text, code }) => {
    expect(codeOf(() => parseTimestamp(text))).toBe(code);
  });

  it('orders texts as times', () => {
    fc.assert(
      fc.property(milliseconds, milliseconds, (a, b) => {
        expect(formatTimestamp(a) < formatTimestamp(b)).toBe(a < b);
        expect(parseTimestamp(formatTimestamp(a))).toBe(a);
      }),
    );
  });

  it.each([-62_135_596_800_001, 253_402_300_800_000, 0.5, NaN])('never writes %d', (ms) => {
    expect(() => formatTimestamp(ms)).toThrow(RangeError);
  });
});
