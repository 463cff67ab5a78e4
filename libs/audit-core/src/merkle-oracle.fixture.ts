import { createHash } from 'node:crypto';

/**
 * RFC 6962 section 2.1 word for word, and the recursion of formats.md "Receipt": slow, and sharing no line with what
 * it judges. D is a list of leaf hashes.
 */
export function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leaves[0] as Buffer;
  const k = largestPowerOfTwoBelow(leaves.length);
  return node(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

/** PATH(m, D) */
export function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = largestPowerOfTwoBelow(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k ? [...path(m, left), mth(right)] : [...path(m - k, right), mth(left)];
}

/** SUBPROOF(m, D, b); PROOF(m, D) is SUBPROOF(m, D, true). */
export function subproof(m: number, leaves: readonly Buffer[], complete = true): Buffer[] {
  if (m === leaves.length) return complete ? [] : [mth(leaves)];
  const k = largestPowerOfTwoBelow(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m <= k ? [...subproof(m, left, complete), mth(right)] : [...subproof(m - k, right, false), mth(left)];
}

/** The range proof for positions [first, end). */
export function rangeProof(
  first: number,
  end: number,
  leaves: readonly Buffer[],
  lo = 0,
  hi = leaves.length,
): Buffer[] {
  if (hi <= first || lo >= end) return [mth(leaves.slice(lo, hi))];
  if (first <= lo && hi <= end) return [];
  const k = largestPowerOfTwoBelow(hi - lo);
  return [...rangeProof(first, end, leaves, lo, lo + k), ...rangeProof(first, end, leaves, lo + k, hi)];
}

/** Leaf hash of the decimal number i, for each i < n. */
export function numberedLeaves(n: number): Buffer[] {
  return Array.from({ length: n }, (_, i) => createHash('sha256').update(`\0${i}`).digest());
}

/** A copy with one bit of one hash changed. */
export function flipped(proof: readonly Buffer[], at: number): Buffer[] {
  return proof.map((hash, i) => {
    const copy = Buffer.from(hash);
    if (i === at) copy[copy.length - 1] = (copy.at(-1) as number) ^ 1;
    return copy;
  });
}

/** What must not pass for a proof: each hash changed, the last one missing, one too many. */
export function* changed(proof: readonly Buffer[]): Generator<Buffer[]> {
  for (let i = 0; i < proof.length; i += 1) yield flipped(proof, i);
  if (proof.length > 0) yield proof.slice(0, -1);
  yield [...proof, Buffer.alloc(32, 0x5a)];
}

/** Everything near a proof: also any hash missing, one more at any place, hashes swapped, hashes of 31 or 33 bytes. */
export function* spoiled(proof: readonly Buffer[]): Generator<Buffer[]> {
  yield* changed(proof);
  for (let i = 0; i < proof.length; i += 1) {
    const hash = proof[i] as Buffer;
    yield proof.toSpliced(i, 1);
    yield proof.toSpliced(i, 0, Buffer.alloc(32, 0x5a));
    yield proof.toSpliced(i, 0, hash);
    yield proof.toSpliced(i, 1, hash.subarray(1));
    yield proof.toSpliced(i, 1, Buffer.concat([hash, Buffer.alloc(1)]));
    if (i > 0) yield proof.toSpliced(i - 1, 2, hash, proof[i - 1] as Buffer);
  }
  yield [...proof, Buffer.alloc(0)];
}

function node(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}

function largestPowerOfTwoBelow(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}
