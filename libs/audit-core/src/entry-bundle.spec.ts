import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { encodeBundle, splitBundle, type BundleBounds } from './entry-bundle.js';
import { sha256 } from './hash.js';

const vectors = readVectorFile<{
  valid: { name: string; bundle: string; entries: string[] }[];
  invalid: { bundle: string; code: string; reason: string }[];
}>('bundle');
const { tessera } = readVectorFile<{ tessera: { entries: string[]; bundleSha256: string } }>('merkle');
const entries = fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 });

/** The entries of a bundle in hexadecimal. */
function contents(bytes: Uint8Array, bounds?: BundleBounds): string[] {
  const offsets = splitBundle(bytes, bounds);
  return Array.from({ length: offsets.count }, (_, i) => hex(bytes.subarray(offsets.start(i), offsets.end(i))));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('entry bundles', () => {
  it.each(vectors.valid)('$name', ({ bundle, entries: texts }) => {
    const bytes = Buffer.from(bundle, 'hex');
    expect(contents(bytes)).toEqual(texts);
    expect(encodeBundle(texts.map((text) => Buffer.from(text, 'hex')))).toEqual(bytes);
  });

  it.each(vectors.invalid)('refuses $reason', ({ bundle, code }) => {
    expect(codeOf(() => splitBundle(Buffer.from(bundle, 'hex')))).toBe(code);
  });

  it('of the Tessera test log', () => {
    const bundle = encodeBundle(tessera.entries.map((entry) => Buffer.from(entry)));
    expect(bundle).toHaveLength(99);
    expect(sha256(bundle).toString('hex')).toBe(tessera.bundleSha256);
  });

  it('give any entries back, inside a larger message too', () => {
    fc.assert(
      fc.property(entries, fc.uint8Array(), fc.uint8Array(), (list, before, after) => {
        const bundle = encodeBundle(list);
        expect(contents(bundle)).toEqual(list.map(hex));
        const message = Buffer.concat([before, bundle, after]);
        expect(contents(message, { from: before.length, to: before.length + bundle.length })).toEqual(list.map(hex));
      }),
    );
  });

  it('have one byte form: whatever splits is what encoding gives', () => {
    const bytes = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 255), { maxLength: 40 });
    fc.assert(
      fc.property(bytes, (list) => {
        const body = Uint8Array.from(list);
        if (codeOf(() => splitBundle(body)) !== 'accepted') return;
        expect(hex(encodeBundle(contents(body).map((entry) => Buffer.from(entry, 'hex'))))).toBe(hex(body));
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuse more entries than expected before there is a table of them', () => {
    expect(splitBundle(Buffer.alloc(2 * 16_385)).count).toBe(16_385);
    expect(codeOf(() => splitBundle(Buffer.alloc(2 * 16_386)))).toBe('bundle.entries');
    expect(codeOf(() => splitBundle(Buffer.alloc(2 * 3), { maxEntries: 2 }))).toBe('bundle.entries');
    expect(codeOf(() => splitBundle(Buffer.alloc(8 * 1_048_576)))).toBe('bundle.entries');
  });

  it('hold entries of up to 65,535 bytes', () => {
    const longest = Buffer.alloc(65_535, 7);
    expect(contents(encodeBundle([longest]))).toEqual([hex(longest)]);
    expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow(RangeError);
  });

  it('have no entry outside their count, and no bounds outside the bytes', () => {
    const offsets = splitBundle(encodeBundle([Buffer.of(1)]));
    for (const i of [-1, 1, 2, 0.5]) {
      expect(() => offsets.start(i)).toThrow(RangeError);
      expect(() => offsets.end(i)).toThrow(RangeError);
    }
    for (const bounds of [{ from: -1 }, { from: 4 }, { to: 4 }, { from: 2, to: 1 }]) {
      expect(() => splitBundle(Buffer.alloc(3), bounds)).toThrow(RangeError);
    }
  });
});
