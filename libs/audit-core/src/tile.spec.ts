import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import {
  entriesPath,
  fullTiles,
  parseEntriesPath,
  parseTilePath,
  partialWidth,
  tileAt,
  tileLevels,
  tilePath,
  type TileRef,
} from './tile.js';

type Invalid = { path: string; code: string; reason: string }[];
const vectors = readVectorFile<{
  paths: {
    tiles: (TileRef & { path: string })[];
    entries: { path: string; number: number; width: number }[];
    invalid: Invalid;
    invalidEntries: Invalid;
  };
  shapes: { size: number; levels: [number, number][] }[];
}>('tile');

describe('tile paths', () => {
  it.each(vectors.paths.tiles)('$path', ({ path, ...ref }) => {
    expect(tilePath(ref)).toBe(path);
    expect(parseTilePath(path)).toEqual(ref);
  });

  it.each(vectors.paths.entries)('$path', ({ path, number, width }) => {
    expect(entriesPath(number, width)).toBe(path);
    expect(parseEntriesPath(path)).toEqual({ number, width });
  });

  it.each(vectors.paths.invalid)('refuses $reason', ({ path, code }) => {
    expect(codeOf(() => parseTilePath(path))).toBe(code);
  });

  it.each(vectors.paths.invalidEntries)('refuses $reason', ({ path, code }) => {
    expect(codeOf(() => parseEntriesPath(path))).toBe(code);
  });

  it('give any tile back', () => {
    const ref = fc.record({
      level: fc.nat(63),
      number: fc.oneof(fc.maxSafeNat(), fc.nat(2_000_000)),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(fc.property(ref, (tile) => expect(parseTilePath(tilePath(tile))).toEqual(tile)));
  });

  it('accept no text but the one that formatting gives', () => {
    const text = fc.array(fc.constantFrom('tile/', '0/', '1', '00', '000', 'x001/', '.p/', '256', '/', 'entries/'));
    fc.assert(
      fc.property(text, (parts) => {
        const path = `tile/${parts.join('')}`;
        if (codeOf(() => parseTilePath(path)) === 'accepted') expect(tilePath(parseTilePath(path))).toBe(path);
      }),
      { numRuns: 2_000 },
    );
    expect(codeOf(() => parseTilePath(`tile/0/${'x000/'.repeat(200_000)}000`))).toBe('tile.path');
  });

  it.each([
    { level: 64, number: 0, width: 1 },
    { level: -1, number: 0, width: 1 },
    { level: 0, number: -1, width: 1 },
    { level: 0, number: 2 ** 53, width: 1 },
    { level: 0, number: 0, width: 0 },
    { level: 0, number: 0, width: 257 },
  ])('are never written for %j', (ref) => {
    expect(() => tilePath(ref)).toThrow(RangeError);
  });
});

describe('tile arithmetic', () => {
  it.each(vectors.shapes)('of a tree of $size', ({ size, levels }) => {
    expect(tileLevels(size)).toBe(levels.length);
    for (const [level, [full, partial]] of levels.entries()) {
      expect([fullTiles(size, level), partialWidth(size, level)]).toEqual([full, partial]);
      if (full > 0) expect(tileAt(level, full - 1, size)).toEqual({ level, number: full - 1, width: 256 });
      if (partial > 0) expect(tileAt(level, full, size)).toEqual({ level, number: full, width: partial });
      else expect(() => tileAt(level, full, size)).toThrow(RangeError);
      expect(() => tileAt(level, full + 1, size)).toThrow(RangeError);
    }
    expect([fullTiles(size, levels.length), partialWidth(size, levels.length)]).toEqual([0, 0]);
  });
});
