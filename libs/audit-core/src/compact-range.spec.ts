import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { CompactRange, frontierLength, treeRoot } from './compact-range.js';
import { leafHash, type Hash } from './hash.js';
import { mth, numberedLeaves } from './merkle-oracle.fixture.js';
import { perfectSubtrees } from './segment.js';

const vectors = readVectorFile<{
  rfc6962: { leaves: string[]; roots: string[] };
  tessera: { entries: string[]; roots: Record<string, string> };
}>('merkle');
const leaves = numberedLeaves(300);

function rangeOf(hashes: readonly Hash[]): CompactRange {
  const range = CompactRange.empty();
  for (const hash of hashes) range.append(hash);
  return range;
}

describe('roots', () => {
  it('of the CT code base', () => {
    const hashes = vectors.rfc6962.leaves.map((hash) => Buffer.from(hash, 'hex'));
    for (const [size, root] of vectors.rfc6962.roots.entries()) {
      expect(treeRoot(hashes.slice(0, size)).toString('hex')).toBe(root);
      expect(rangeOf(hashes.slice(0, size)).root().toString('hex')).toBe(root);
    }
  });

  it('of the Tessera test log', () => {
    const hashes = vectors.tessera.entries.map((entry) => leafHash(Buffer.from(entry)));
    for (const [size, root] of Object.entries(vectors.tessera.roots)) {
      expect(
        rangeOf(hashes.slice(0, Number(size)))
          .root()
          .toString('base64'),
      ).toBe(root);
    }
  });

  it('of every tree of up to 300 leaves', () => {
    const range = CompactRange.empty();
    for (const [i, leaf] of leaves.entries()) {
      range.append(leaf);
      const root = mth(leaves.slice(0, i + 1));
      expect(range.root()).toEqual(root);
      expect(treeRoot(leaves.slice(0, i + 1))).toEqual(root);
    }
  });
});

describe('CompactRange', () => {
  it('goes on from its size and hashes, and from a clone, without touching the original', () => {
    fc.assert(
      fc.property(fc.nat(150), fc.nat(150), (before, more) => {
        const range = rangeOf(leaves.slice(0, before));
        const hashes = range.hashes();
        const revived = CompactRange.of(range.size, hashes);
        const clone = range.clone();
        for (const leaf of leaves.slice(before, before + more)) {
          revived.append(leaf);
          clone.append(leaf);
        }
        const root = mth(leaves.slice(0, before + more));
        expect([revived.root(), clone.root()]).toEqual([root, root]);
        expect([range.size, range.hashes()]).toEqual([before, hashes]);
        expect(range.root()).toEqual(mth(leaves.slice(0, before)));
      }),
      { numRuns: 50 },
    );
  });

  it('holds the roots of its perfect subtrees, left to right', () => {
    for (const size of [1, 2, 3, 7, 13, 64, 100, 255]) {
      const subtrees = perfectSubtrees({ lo: 0, hi: size }).map(({ level, index }) => {
        return mth(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
      });
      expect(rangeOf(leaves.slice(0, size)).hashes()).toEqual(subtrees);
    }
  });

  it('tells of every perfect subtree once, lowest first', () => {
    const range = CompactRange.empty();
    const seen = new Set<string>();
    for (const [i, leaf] of leaves.entries()) {
      let expectedLevel = 1;
      range.append(leaf, (level, index, hash) => {
        expect(level).toBe(expectedLevel);
        expectedLevel += 1;
        expect((index + 1) * 2 ** level).toBe(i + 1);
        expect(hash).toEqual(mth(leaves.slice(index * 2 ** level, i + 1)));
        seen.add(`${level}/${index}`);
      });
    }
    let perfect = 0;
    for (let width = 2; width <= 300; width *= 2) perfect += Math.floor(300 / width);
    expect(seen.size).toBe(perfect);
  });

  it('counts beyond 2^32', () => {
    const size = 2 ** 40 + 2 ** 33 - 1;
    const range = CompactRange.of(size, leaves.slice(0, frontierLength(size)));
    const nodes: [number, number][] = [];
    range.append(leaves[299] as Hash, (level, index) => nodes.push([level, index]));
    expect(range.size).toBe(2 ** 40 + 2 ** 33);
    expect(nodes.at(-1)).toEqual([33, 128]);
    expect(range.hashes()).toHaveLength(2);
  });

  it('ends at 2^53 - 1', () => {
    const range = CompactRange.of(Number.MAX_SAFE_INTEGER, leaves.slice(0, 53));
    expect(() => range.append(leaves[0] as Hash)).toThrow(RangeError);
  });

  it('refuses hashes that cannot be the frontier of that size', () => {
    const hash = leaves[0] as Hash;
    expect(codeOf(() => CompactRange.of(3, [hash]))).toBe('frontier.hashes');
    expect(codeOf(() => CompactRange.of(2, [hash, hash]))).toBe('frontier.hashes');
    expect(codeOf(() => CompactRange.of(0, [hash]))).toBe('frontier.hashes');
    expect(codeOf(() => CompactRange.of(1, [hash.subarray(1)]))).toBe('frontier.hashes');
    for (const size of [-1, 0.5, 2 ** 53, NaN]) expect(codeOf(() => CompactRange.of(size, []))).toBe('frontier.size');
    expect(() => CompactRange.empty().append(hash.subarray(1))).toThrow(RangeError);
  });
});
