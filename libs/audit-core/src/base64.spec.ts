import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { decodeBase64, encodeBase64 } from './base64.js';

type Invalid = { text: string; code: string; reason: string }[];
const vectors = readVectorFile<{ valid: { hex: string; text: string }[]; invalid: Invalid; invalidHashes: Invalid }>(
  'base64',
);

describe('base64', () => {
  it.each(vectors.valid)('$text', ({ hex, text }) => {
    expect(decodeBase64(text).toString('hex')).toBe(hex);
    expect(encodeBase64(Buffer.from(hex, 'hex'))).toBe(text);
  });

  it.each(vectors.invalid)('refuses $reason', ({ text, code }) => {
    expect(codeOf(() => decodeBase64(text))).toBe(code);
  });

  it('control: the decoder of the platform accepts most of these', () => {
    const lenient = vectors.invalid.filter(({ text }) => Buffer.from(text, 'base64').length > 0);
    expect(lenient.length).toBeGreaterThan(vectors.invalid.length / 2);
  });

  it.each(vectors.invalidHashes)('refuses as a hash: $reason', ({ text, code }) => {
    expect(codeOf(() => decodeBase64(text, 32))).toBe(code);
  });

  it('gives any bytes back, from a view into a larger buffer too', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (before, bytes) => {
        const view = Buffer.concat([before, bytes]).subarray(before.length);
        const text = encodeBase64(view);
        expect(decodeBase64(text, bytes.length)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('accepts no text but the one that encoding gives', () => {
    const letters = fc.string({ unit: fc.constantFrom(...'ABab01+/=-_ \nŁ') });
    fc.assert(
      fc.property(letters, (text) => {
        if (codeOf(() => decodeBase64(text)) === 'accepted') expect(encodeBase64(decodeBase64(text))).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  it('measures before it decodes', () => {
    expect(codeOf(() => decodeBase64('A'.repeat(4_000_000), 32))).toBe('base64.length');
  });
});
