import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { EMPTY_ROOT, type Hash } from './hash.js';
import { proveInclusion } from './inclusion.js';
import { changed, mth, numberedLeaves, rangeProof, spoiled } from './merkle-oracle.fixture.js';
import { FrameTree, proveRange, rangeRoot } from './range-proof.js';

type Vector = { first: number; count: number; size: number; proof: string[]; root: string };
const vectors = readVectorFile<{
  valid: Vector[];
  invalid: (Vector & { code: string; reason: string })[];
  otherRoot: (Vector & { reason: string })[];
}>('range-proof');
const unbase64 = (text: string): Buffer => Buffer.from(text, 'base64');
const leaves = numberedLeaves(512);

/** True when the proof leads to the root; false for another root or a refused proof. */
function holds(first: number, count: number, size: number, proof: readonly Hash[], root: Hash): boolean {
  let computed: Hash | undefined;
  const code = codeOf(() => (computed = rangeRoot(first, count, size, leaves.slice(first, first + count), proof)));
  return code === 'accepted' && root.equals(computed as Hash);
}

describe('range proofs', () => {
  it.each(vectors.valid)('of $count from $first in $size', ({ first, count, size, proof, root }) => {
    expect(holds(first, count, size, proof.map(unbase64), unbase64(root))).toBe(true);
    expect(proveRange(first, count, leaves.slice(0, size))).toEqual(proof.map(unbase64));
  });

  it.each(vectors.invalid)('refuses $reason', ({ first, count, size, proof, code }) => {
    const range = leaves.slice(Math.max(first, 0), Math.max(first, 0) + count);
    expect(codeOf(() => rangeRoot(first, count, size, range, proof.map(unbase64)))).toBe(code);
  });

  it.each(vectors.otherRoot)('leads elsewhere: $reason', ({ first, count, size, proof, root }) => {
    expect(holds(first, count, size, proof.map(unbase64), unbase64(root))).toBe(false);
  });

  it('need as many leaves as they say', () => {
    const { first, count, size, proof } = vectors.valid[4] as Vector;
    for (const range of [[], leaves.slice(first, first + count - 1), leaves.slice(first, first + count + 1)]) {
      expect(codeOf(() => rangeRoot(first, count, size, range, proof.map(unbase64)))).toBe('range.bounds');
    }
  });

  it('of every range of every tree of up to 24 leaves, and nothing near them', () => {
    const failures: string[] = [];
    let checks = 0;
    for (let size = 1; size <= 24; size += 1) {
      const tree = new FrameTree(leaves.slice(0, size));
      const root = mth(leaves.slice(0, size));
      for (let first = 0; first < size; first += 1) {
        for (let count = 1; first + count <= size; count += 1) {
          const proof = tree.proveRange(first, count);
          if (!holds(first, count, size, proof, root)) failures.push(`${count} from ${first} in ${size} not proven`);
          for (const other of size <= 12 ? spoiled(proof) : changed(proof)) {
            if (holds(first, count, size, other, root)) failures.push(`${count} from ${first} in ${size}: spoiled`);
            checks += 1;
          }
        }
      }
    }
    expect(failures).toEqual([]);
    expect(checks).toBeGreaterThan(15_000);
  });

  it('of ranges of every tree of up to 100 leaves, and not with a hash changed', () => {
    const failures: string[] = [];
    for (let size = 25; size <= 100; size += 1) {
      const tree = new FrameTree(leaves.slice(0, size));
      const root = mth(leaves.slice(0, size));
      for (let first = 0; first < size; first += 1) {
        const count = 1 + ((7 * first + size) % (size - first));
        const proof = tree.proveRange(first, count);
        if (!holds(first, count, size, proof, root)) failures.push(`${count} from ${first} in ${size} not proven`);
        for (const other of changed(proof)) {
          if (holds(first, count, size, other, root)) failures.push(`${count} from ${first} in ${size}: changed`);
        }
      }
    }
    expect(failures).toEqual([]);
  });

  it('are those of the recursion, at most 2·⌈log2 n⌉ hashes', () => {
    const sized = fc
      .integer({ min: 1, max: 512 })
      .chain((size) => fc.record({ size: fc.constant(size), first: fc.nat(size - 1), more: fc.nat(size - 1) }));
    fc.assert(
      fc.property(sized, ({ size, first, more }) => {
        const end = Math.min(size, first + 1 + more);
        const tree = leaves.slice(0, size);
        const proof = proveRange(first, end - first, tree);
        expect(proof).toEqual(rangeProof(first, end, tree));
        expect(proof.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(size)));
      }),
      { numRuns: 30 },
    );
  });

  it('of one leaf are the inclusion proof, left to right', () => {
    for (const size of [1, 2, 7, 33, 64]) {
      const tree = leaves.slice(0, size);
      for (let index = 0; index < size; index += 1) {
        const range = proveRange(index, 1, tree);
        const inclusion = proveInclusion(index, tree);
        expect(new Set(range.map(String))).toEqual(new Set(inclusion.map(String)));
        expect(range).toEqual(rangeProof(index, index + 1, tree));
      }
    }
  });

  it('of all leaves are empty', () => {
    expect(proveRange(0, 512, leaves)).toEqual([]);
  });
});

describe('FrameTree', () => {
  it('has no range outside its leaves', () => {
    const tree = new FrameTree(leaves.slice(0, 7));
    for (const [first, count] of [
      [0, 0],
      [0, 8],
      [7, 1],
      [-1, 1],
      [0.5, 1],
      [0, NaN],
    ] as const) {
      expect(() => tree.proveRange(first, count)).toThrow(RangeError);
    }
  });

  it('may be empty', () => {
    expect([new FrameTree([]).size, new FrameTree([]).root]).toEqual([0, EMPTY_ROOT]);
  });
});
