import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { readVectorFile } from '../vectors/read.js';
import { consistencyPlan, proveConsistency, verifyConsistency, verifyGrowth } from './consistency.js';
import { EMPTY_ROOT, leafHash, type Hash } from './hash.js';
import { inclusionPlan } from './inclusion.js';
import { changed, flipped, mth, numberedLeaves, spoiled, subproof } from './merkle-oracle.fixture.js';

const vectors = readVectorFile<{
  tessera: {
    entries: string[];
    roots: Record<string, string>;
    consistency: { old: number; size: number; proof: string[] }[];
  };
  witness: { old: number; size: number; oldRoot: string; root: string; proof: string[] };
  rolling: { hashes: string; inclusion: string; consistency: string };
  edges: {
    consistency: {
      reason: string;
      old: number;
      size: number;
      oldRoot: string;
      proof: string[];
      root: string;
      valid: boolean;
      growth: boolean;
    }[];
  };
}>('merkle');
const unbase64 = (text: string): Buffer => Buffer.from(text, 'base64');
const leaves = numberedLeaves(100);
const roots = Array.from({ length: 101 }, (_, size) => mth(leaves.slice(0, size)));

describe('consistency proofs', () => {
  it('of the Tessera test log', () => {
    const { entries, consistency } = vectors.tessera;
    const hashes = entries.map((entry) => leafHash(Buffer.from(entry)));
    for (const { old, size, proof } of consistency) {
      expect(proveConsistency(old, hashes.slice(0, size))).toEqual(proof.map(unbase64));
      const [oldRoot, root] = [unbase64(vectors.tessera.roots[old] as string), mth(hashes)];
      expect(verifyConsistency(old, size, proof.map(unbase64), oldRoot, root)).toBe(true);
    }
  });

  it('of the transparency-dev witness', () => {
    const { old, size, oldRoot, root, proof } = vectors.witness;
    expect(verifyConsistency(old, size, proof.map(unbase64), unbase64(oldRoot), unbase64(root))).toBe(true);
    expect(verifyConsistency(old, size, proof.map(unbase64), unbase64(root), unbase64(oldRoot))).toBe(false);
  });

  it.each(vectors.edges.consistency)('$reason', ({ old, size, oldRoot, proof, root, valid, growth }) => {
    const args = [old, size, proof.map(unbase64), unbase64(oldRoot), unbase64(root)] as const;
    expect([verifyConsistency(...args), verifyGrowth(...args)]).toEqual([valid, growth]);
  });

  it('between all trees of up to 100 leaves, and nothing near them', () => {
    const failures: string[] = [];
    let checks = 0;
    for (let size = 1; size <= 100; size += 1) {
      const root = roots[size] as Hash;
      const otherRoot = flipped([root], 0)[0] as Hash;
      for (let old = 1; old <= size; old += 1) {
        const oldRoot = roots[old] as Hash;
        const proof = proveConsistency(old, leaves.slice(0, size));
        if (!verifyConsistency(old, size, proof, oldRoot, root)) failures.push(`${old} to ${size} not proven`);
        if (verifyConsistency(old, size, proof, otherRoot, root)) failures.push(`${old} to ${size}: other old root`);
        if (verifyConsistency(old, size, proof, oldRoot, otherRoot)) failures.push(`${old} to ${size}: other root`);
        if (old < size && verifyConsistency(old, size, proof, root, oldRoot))
          failures.push(`${old} to ${size}: swapped`);
        for (const other of size <= 24 ? spoiled(proof) : changed(proof)) {
          if (verifyConsistency(old, size, other, oldRoot, root)) failures.push(`${old} to ${size}: spoiled proof`);
          checks += 1;
        }
      }
    }
    expect(failures).toEqual([]);
    expect(checks).toBeGreaterThan(40_000);
  });

  it('are those of RFC 6962, and hold between no other sizes', () => {
    for (const size of [1, 2, 3, 5, 8, 13, 33, 100]) {
      const tree = leaves.slice(0, size);
      for (let old = 1; old <= size; old += 1) {
        const proof = proveConsistency(old, tree);
        expect(proof).toEqual(subproof(old, tree));
        for (const [a, b] of [
          [old - 1, size],
          [old + 1, size],
          [old, size - 1],
          [old, size + 1],
        ] as const) {
          const [oldRoot, root] = [roots[a], roots[b]];
          if (oldRoot === undefined || root === undefined || a === b) continue;
          if (a > 0 && a < b && isSame(proof, subproof(a, leaves.slice(0, b)))) continue;
          expect(verifyConsistency(a, b, proof, oldRoot, root)).toBe(false);
        }
      }
    }
  });

  it('need whole numbers from 1 to 2^53 - 1', () => {
    const root = roots[1] as Hash;
    for (const size of [-1, 0, 0.5, NaN, 2 ** 53]) {
      expect(verifyConsistency(size, size, [], root, root)).toBe(false);
      expect(() => consistencyPlan(size, size)).toThrow(RangeError);
    }
    expect(() => consistencyPlan(2, 1)).toThrow(RangeError);
    expect(consistencyPlan(2 ** 50, 2 ** 50 + 1)).toEqual([{ lo: 2 ** 50, hi: 2 ** 50 + 1 }]);
  });
});

describe('growth', () => {
  it('is consistency, and from the empty tree anything', () => {
    for (let size = 0; size <= 20; size += 1) {
      const root = roots[size] as Hash;
      expect(verifyGrowth(0, size, [], EMPTY_ROOT, root)).toBe(true);
      expect(verifyGrowth(0, size, [root], EMPTY_ROOT, root)).toBe(false);
      expect(verifyGrowth(0, size, [], roots[1] as Hash, root)).toBe(false);
      expect(verifyGrowth(0, size, [], EMPTY_ROOT, Buffer.alloc(31))).toBe(false);
      for (let old = 1; old <= size; old += 1) {
        const proof = proveConsistency(old, leaves.slice(0, size));
        expect(verifyGrowth(old, size, proof, roots[old] as Hash, root)).toBe(true);
      }
    }
    expect(verifyGrowth(0, -1, [], EMPTY_ROOT, roots[1] as Hash)).toBe(false);
  });
});

/**
 * Appendix C.1 of the Merkle Tree Certificates draft: one SHA-256 over every output for trees of up to 130 entries. Its
 * subtrees [start, end) are wider than what this library proves; those that begin at 0 are consistency proofs, and each
 * inclusion proof in a subtree is one in a tree of its own.
 */
describe('rolling digests of every subtree up to 130 entries', () => {
  const bytes = Array.from({ length: 130 }, (_, i) => leafHash(Buffer.of(i)));
  const hex = (hashes: readonly Buffer[]): string => hashes.map((hash) => ` ${hash.toString('hex')}`).join('');
  const subtrees = (size: number): [number, number][] => {
    const valid: [number, number][] = [];
    for (let start = 0; start <= size; start += 1) {
      let width = 1;
      while (width < size - start) width *= 2;
      if (start % width === 0) valid.push([start, size]);
    }
    return valid;
  };
  const known = new Map<string, Buffer>();
  const rootOf = (start: number, end: number): Buffer => {
    const key = `${start},${end}`;
    const root = known.get(key) ?? mth(bytes.slice(start, end));
    known.set(key, root);
    return root;
  };

  it('roots and inclusion proofs', () => {
    const rootsSeen = createHash('sha256');
    const proofsSeen = createHash('sha256');
    for (let size = 0; size <= 130; size += 1) {
      for (const [start, end] of subtrees(size)) {
        rootsSeen.update(`[${start}, ${end})${hex([rootOf(start, end)])}\n`);
        for (let i = start; i < end; i += 1) {
          const runs = inclusionPlan(i - start, end - start);
          const proof = runs.map(({ lo, hi }) => rootOf(start + lo, start + hi));
          proofsSeen.update(`${i} [${start}, ${end})${hex(proof)}\n`);
        }
      }
    }
    expect(rootsSeen.digest('hex')).toBe(vectors.rolling.hashes);
    expect(proofsSeen.digest('hex')).toBe(vectors.rolling.inclusion);
  });

  it('consistency proofs', () => {
    const seen = createHash('sha256');
    for (let n = 0; n <= 130; n += 1) {
      for (let size = 0; size <= n; size += 1) {
        for (const [start, end] of subtrees(size)) {
          const runs = start === 0 && end > 0 ? consistencyPlan(end, n) : subtreePlan(start, end, n);
          seen.update(`[${start}, ${end}) ${n}${hex(runs.map(({ lo, hi }) => rootOf(lo, hi)))}\n`);
        }
      }
    }
    expect(seen.digest('hex')).toBe(vectors.rolling.consistency);
  });
});

/** Section 4.4 of the draft for subtrees that do not begin at 0. */
function subtreePlan(start: number, end: number, n: number): { lo: number; hi: number }[] {
  if (start === end) return [];
  const prove = (lo: number, hi: number, whole: boolean): { lo: number; hi: number }[] => {
    if (start <= lo && hi === end) return whole ? [] : [{ lo, hi }];
    let k = 1;
    while (2 * k < hi - lo) k *= 2;
    const middle = lo + k;
    if (end <= middle) return [...prove(lo, middle, whole), { lo: middle, hi }];
    if (middle <= start) return [...prove(middle, hi, whole), { lo, hi: middle }];
    return [...prove(middle, hi, false), { lo, hi: middle }];
  };
  return prove(0, n, true);
}

function isSame(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((hash, i) => hash.equals(b[i] as Buffer));
}
