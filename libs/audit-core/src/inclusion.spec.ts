import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readVectorFile } from '../vectors/read.js';
import { leafHash, type Hash } from './hash.js';
import { inclusionPlan, proveInclusion, verifyInclusion } from './inclusion.js';
import { changed, flipped, mth, numberedLeaves, path, spoiled } from './merkle-oracle.fixture.js';

const vectors = readVectorFile<{
  tessera: {
    entries: string[];
    roots: Record<string, string>;
    inclusion: { index: number; size: number; leaf: string; proof: string[] };
  };
  edges: {
    inclusion: {
      reason: string;
      index: number;
      size: number;
      leaf: string;
      proof: string[];
      root: string;
      valid: boolean;
    }[];
  };
}>('merkle');
const unbase64 = (text: string): Buffer => Buffer.from(text, 'base64');
const leaves = numberedLeaves(100);

describe('inclusion proofs', () => {
  it('of the Tessera test log', () => {
    const { entries, roots, inclusion } = vectors.tessera;
    const hashes = entries.map((entry) => leafHash(Buffer.from(entry)));
    const proof = proveInclusion(inclusion.index, hashes);
    expect(proof).toEqual(inclusion.proof.map(unbase64));
    expect(hashes[10]).toEqual(unbase64(inclusion.leaf));
    expect(verifyInclusion(10, 15, hashes[10] as Hash, proof, unbase64(roots[15] as string))).toBe(true);
  });

  it.each(vectors.edges.inclusion)('$reason', ({ index, size, leaf, proof, root, valid }) => {
    expect(verifyInclusion(index, size, unbase64(leaf), proof.map(unbase64), unbase64(root))).toBe(valid);
  });

  it('of every leaf of every tree of up to 100 leaves, and nothing near them', () => {
    const failures: string[] = [];
    let checks = 0;
    for (let size = 1; size <= 100; size += 1) {
      const root = mth(leaves.slice(0, size));
      const otherRoot = flipped([root], 0)[0] as Hash;
      for (let index = 0; index < size; index += 1) {
        const leaf = leaves[index] as Hash;
        const proof = proveInclusion(index, leaves.slice(0, size));
        if (!verifyInclusion(index, size, leaf, proof, root)) failures.push(`leaf ${index} of ${size} not proven`);
        if (verifyInclusion(index, size, otherRoot, proof, root)) failures.push(`leaf ${index} of ${size}: other leaf`);
        if (verifyInclusion(index, size, leaf, proof, otherRoot)) failures.push(`leaf ${index} of ${size}: other root`);
        for (const other of size <= 24 ? spoiled(proof) : changed(proof)) {
          if (verifyInclusion(index, size, leaf, other, root)) failures.push(`leaf ${index} of ${size}: spoiled proof`);
          checks += 1;
        }
      }
    }
    expect(failures).toEqual([]);
    expect(checks).toBeGreaterThan(40_000);
  });

  it('are those of RFC 6962', () => {
    for (const size of [1, 2, 3, 5, 8, 13, 33, 100]) {
      const tree = leaves.slice(0, size);
      for (let index = 0; index < size; index += 1) expect(proveInclusion(index, tree)).toEqual(path(index, tree));
    }
  });

  it('hold for one index only', () => {
    const root = mth(leaves);
    fc.assert(
      fc.property(fc.nat(99), fc.nat(200), (index, other) => {
        const ok = verifyInclusion(other, 100, leaves[index] as Hash, proveInclusion(index, leaves), root);
        expect(ok).toBe(index === other);
      }),
    );
  });

  it('go beyond 2^32: halving loses no bit', () => {
    // A tree of 2^40 equal leaves has one hash a row, so its proofs can be written down.
    const rows = [leaves[0] as Hash];
    for (let row = 0; row < 40; row += 1) rows.push(mth([rows[row] as Hash, rows[row] as Hash]));
    const root = rows.pop() as Hash;
    for (const index of [0, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5, 2 ** 40 - 1]) {
      expect(verifyInclusion(index, 2 ** 40, leaves[0] as Hash, rows, root)).toBe(true);
      expect(verifyInclusion(index, 2 ** 40, leaves[0] as Hash, rows.slice(1), root)).toBe(false);
    }
    expect(inclusionPlan(2 ** 50, 2 ** 50 + 1)).toEqual([{ lo: 0, hi: 2 ** 50 }]);
  });

  it('need whole numbers below 2^53', () => {
    const leaf = leaves[0] as Hash;
    for (const index of [-1, 0.5, NaN, 2 ** 53, 2 ** 64]) {
      expect(verifyInclusion(index, 1, leaf, [], leaf)).toBe(false);
      expect(() => inclusionPlan(index, 1)).toThrow(RangeError);
    }
    for (const size of [-1, 0, 0.5, NaN, Infinity, 2 ** 53]) {
      expect(verifyInclusion(0, size, leaf, [], leaf)).toBe(false);
      expect(() => inclusionPlan(0, size)).toThrow(RangeError);
    }
  });
});
