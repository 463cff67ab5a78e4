import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { leafHash } from './hash.js';
import { parseVkey } from './key.js';
import { formatTlogProof, parseTlogProof, verifyTlogProof, type ProofPolicy } from './tlog-proof.js';

type Policy = { origin: string; logKeys: string[]; verifiers: string[]; quorum: number };
type Valid = { name: string; file: string; entry: string; index: number; extra?: string; policy: Policy };
const vectors = readVectorFile<{
  valid: Valid[];
  malformed: { file: string; code: string; reason: string }[];
  rejected: { file: string; entry: string; policy: Policy; code: string; reason: string }[];
}>('tlog-proof');

function policyOf({ logKeys, verifiers, ...rest }: Policy): ProofPolicy {
  return { ...rest, logKeys: logKeys.map(parseVkey), verifiers: verifiers.map(parseVkey) };
}

describe('proof files', () => {
  it.each(vectors.valid)('$name', ({ file, entry, index, extra, policy }) => {
    const proof = parseTlogProof(Buffer.from(file));
    expect([proof.index, proof.extra?.toString('base64')]).toEqual([index, extra]);
    expect(formatTlogProof(proof)).toBe(file);
    const { checkpoint, cosignatures } = verifyTlogProof(proof, leafHash(Buffer.from(entry)), policyOf(policy));
    expect(checkpoint.origin).toBe(policy.origin);
    expect(cosignatures.length).toBeGreaterThanOrEqual(policy.quorum);
  });

  it.each(vectors.malformed)('does not read $reason', ({ file, code }) => {
    expect(codeOf(() => parseTlogProof(Buffer.from(file)))).toBe(code);
  });

  it.each(vectors.rejected)('rejects $reason', ({ file, entry, policy, code }) => {
    const proof = parseTlogProof(Buffer.from(file));
    expect(codeOf(() => verifyTlogProof(proof, leafHash(Buffer.from(entry)), policyOf(policy)))).toBe(code);
  });

  it('fail with any byte changed, but for the extra data and unknown cosignatures', () => {
    const { file, entry, policy } = vectors.valid[2] as Valid;
    const bytes = Buffer.from(file);
    const known = policyOf(policy);
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    fc.assert(
      fc.property(change, ([at, value]) => {
        fc.pre(bytes[at] !== value);
        const changed = Buffer.from(bytes);
        changed[at] = value;
        const check = (): unknown => verifyTlogProof(parseTlogProof(changed), leafHash(Buffer.from(entry)), known);
        expect(codeOf(check)).not.toBe('accepted');
      }),
      { numRuns: 500 },
    );
  });

  it('are judged by a quorum that is a number', () => {
    const { file, entry, policy } = vectors.valid[0] as Valid;
    const proof = parseTlogProof(Buffer.from(file));
    for (const quorum of [NaN, -1, 0.5]) {
      expect(() => verifyTlogProof(proof, leafHash(Buffer.from(entry)), { ...policyOf(policy), quorum })).toThrow(
        RangeError,
      );
    }
  });

  it('are measured before they are read', () => {
    expect(codeOf(() => parseTlogProof(Buffer.alloc(1_048_577)))).toBe('tlog-proof.size');
    expect(codeOf(() => parseTlogProof(Buffer.of(0xff)))).toBe('tlog-proof.utf8');
  });

  it('are never written for what cannot be', () => {
    const proof = parseTlogProof(Buffer.from((vectors.valid[0] as Valid).file));
    expect(() => formatTlogProof({ ...proof, extra: Buffer.alloc(0) })).toThrow(RangeError);
    expect(() => formatTlogProof({ ...proof, index: -1 })).toThrow(RangeError);
    const many = Array.from({ length: 64 }, () => leafHash(Buffer.alloc(0)));
    expect(() => formatTlogProof({ ...proof, proof: many })).toThrow(RangeError);
  });
});
