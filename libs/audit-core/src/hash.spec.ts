import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readVectorFile } from '../vectors/read.js';
import { EMPTY_ROOT, equalHash, leafHash, leafHashInPlace, nodeHash, sha256, ZERO_HASH } from './hash.js';

const { rfc6962 } = readVectorFile<{
  rfc6962: {
    inputs: string[];
    leaves: string[];
    roots: string[];
    hashes: { leaf: string; hash: string }[];
    nodeOfText: { left: string; right: string; hash: string };
  };
}>('merkle');

function plainLeafHash(entry: Uint8Array): string {
  return createHash('sha256').update(Buffer.of(0)).update(entry).digest('hex');
}

describe('hashes of RFC 6962', () => {
  it('of the leaves of the CT code base', () => {
    expect(rfc6962.inputs.map((input) => leafHash(Buffer.from(input, 'hex')).toString('hex'))).toEqual(rfc6962.leaves);
    for (const { leaf, hash } of rfc6962.hashes) expect(leafHash(Buffer.from(leaf)).toString('hex')).toBe(hash);
  });

  it('of a node, whose vector has children of four bytes', () => {
    const { left, right, hash } = rfc6962.nodeOfText;
    expect(sha256(Buffer.from(`\x01${left}${right}`)).toString('hex')).toBe(hash);
    expect(() => nodeHash(Buffer.from(left), Buffer.from(right))).toThrow(RangeError);
  });

  it('of the empty tree', () => {
    expect(EMPTY_ROOT.toString('hex')).toBe(rfc6962.roots[0]);
    expect(ZERO_HASH).toEqual(Buffer.alloc(32));
  });

  it('of nodes are those of createHash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (bytes) => {
        const plain = createHash('sha256').update(Buffer.of(1)).update(bytes).digest();
        expect(nodeHash(Buffer.from(bytes.subarray(0, 32)), Buffer.from(bytes.subarray(32)))).toEqual(plain);
      }),
    );
  });

  it('of entries of any length are those of createHash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ size: 'large' }), (entry) => {
        expect(leafHash(entry).toString('hex')).toBe(plainLeafHash(entry));
      }),
    );
    for (const length of [0, 65_534, 65_535, 65_536, 200_000]) {
      const entry = Buffer.alloc(length, 0xa5);
      expect(leafHash(entry).toString('hex')).toBe(plainLeafHash(entry));
    }
  });

  it('stay what they were while others are made', () => {
    const hashes = Array.from({ length: 1_000 }, (_, i) => leafHash(Buffer.from(String(i))));
    for (const [i, hash] of hashes.entries()) expect(hash.toString('hex')).toBe(plainLeafHash(Buffer.from(String(i))));
  });
});

describe('leafHashInPlace', () => {
  it('is the leaf hash of those bytes and leaves the buffer as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.nat(), (bytes, a, b) => {
        const start = 1 + (a % bytes.length);
        const end = start + (b % (bytes.length - start + 1));
        const before = Buffer.from(bytes);
        expect(leafHashInPlace(bytes, start, end).toString('hex')).toBe(plainLeafHash(before.subarray(start, end)));
        expect(Buffer.from(bytes)).toEqual(before);
      }),
    );
  });

  it.each([
    [0, 1],
    [-1, 1],
    [2, 1],
    [1, 5],
    [NaN, 1],
  ])('has no entry from %d to %d of 4 bytes', (start, end) => {
    expect(() => leafHashInPlace(Buffer.alloc(4), start, end)).toThrow(RangeError);
  });
});

describe('equalHash', () => {
  it('compares hashes, not bytes of other lengths', () => {
    expect(equalHash(EMPTY_ROOT, Buffer.from(EMPTY_ROOT))).toBe(true);
    expect(equalHash(EMPTY_ROOT, ZERO_HASH)).toBe(false);
    expect(equalHash(Buffer.alloc(0), Buffer.alloc(0))).toBe(false);
    expect(equalHash(Buffer.alloc(31), Buffer.alloc(31))).toBe(false);
    expect(equalHash(ZERO_HASH, Buffer.alloc(33))).toBe(false);
  });
});
