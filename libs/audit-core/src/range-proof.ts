/**
 * Range proofs: these leaves are positions [first, first + count) of the n leaves under a root (formats.md, "Receipt").
 * A receipt proves a request's events in their signed frame with one.
 *
 *   prove(lo, hi):  outside the range:   emit the RFC 6962 root of [lo, hi)
 *                   inside the range:    emit nothing
 *                   else, k the largest power of two < hi − lo:  prove(lo, lo+k), prove(lo+k, hi)
 *
 * from prove(0, n). The check is the same recursion, hashing leaves inside and taking hashes of the proof outside; it
 * takes them all. At most 2·⌈log2 n⌉ hashes; for one leaf they are the inclusion proof's, left to right.
 */
import { isCount } from './decimal.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, HASH_BYTES, nodeHash, type Hash } from './hash.js';
import { splitPoint } from './segment.js';

/**
 * All roots over the leaves of one frame, so that the proofs for its many requests hash nothing. Row r holds the roots
 * over [i·2^r, (i+1)·2^r), the last one cut at the end; the recursion only ever asks for these.
 */
export class FrameTree {
  readonly #rows: Hash[][];

  /** `leaves`: leaf hashes; the list is kept and must not change. */
  constructor(leaves: Hash[]) {
    const rows = [leaves];
    for (let row = leaves; row.length > 1; rows.push(row)) row = rowAbove(row);
    this.#rows = rows;
  }

  get size(): number {
    return (this.#rows[0] as Hash[]).length;
  }

  get root(): Hash {
    return (this.#rows.at(-1) as Hash[])[0] ?? EMPTY_ROOT;
  }

  /** The proof for [first, first + count). Throws RangeError unless 0 ≤ first, 1 ≤ count, first + count ≤ size. */
  proveRange(first: number, count: number): Hash[] {
    const end = first + count;
    if (!isCount(first) || !isCount(count) || count < 1 || end > this.size) {
      throw new RangeError(`no range of ${count} from ${first} in a tree of ${this.size}`);
    }
    const proof: Hash[] = [];
    const prove = (row: number, index: number): void => {
      const width = 1 << row;
      const lo = index * width;
      const hi = Math.min(lo + width, this.size);
      if (hi <= first || lo >= end) {
        proof.push(this.#rows[row]?.[index] as Hash);
      } else if (lo < first || hi > end) {
        prove(row - 1, 2 * index);
        if (lo + width / 2 < hi) prove(row - 1, 2 * index + 1);
      }
    };
    prove(this.#rows.length - 1, 0);
    return proof;
  }
}

function rowAbove(row: Hash[]): Hash[] {
  const above: Hash[] = [];
  for (let i = 0; i + 1 < row.length; i += 2) above.push(nodeHash(row[i] as Hash, row[i + 1] as Hash));
  if (row.length % 2 === 1) above.push(row.at(-1) as Hash);
  return above;
}

/** The proof for one range; `FrameTree` is cheaper for more than one. */
export function proveRange(first: number, count: number, leaves: readonly Hash[]): Hash[] {
  return new FrameTree([...leaves]).proveRange(first, count);
}

/**
 * The root that leaves and proof lead to; the caller compares it with the signed one. `leaves` are the `count` leaf
 * hashes of positions [first, first + count) of `size`.
 *
 * Throws FormatError `range.bounds` (not such positions), `range.hash` (a proof element is not 32 bytes),
 * `range.missing` or `range.surplus` (the proof is not as long as the recursion asks).
 */
export function rangeRoot(
  first: number,
  count: number,
  size: number,
  leaves: readonly Hash[],
  proof: readonly Hash[],
): Hash {
  const end = first + count;
  if (!isCount(first) || !isCount(size) || !isCount(count) || count < 1 || end > size) {
    throw new FormatError('range.bounds', `no range of ${count} from ${first} in a tree of ${size}`);
  }
  if (leaves.length !== count) {
    throw new FormatError('range.bounds', `${leaves.length} leaves were given for a range of ${count}`);
  }
  if (proof.some((hash) => hash.length !== HASH_BYTES)) {
    throw new FormatError('range.hash', 'a hash of the range proof does not have 32 bytes');
  }
  let used = 0;
  const fold = (lo: number, hi: number): Hash => {
    if (hi <= first || lo >= end) {
      const hash = proof[used];
      if (hash === undefined) throw new FormatError('range.missing', `the range proof has only ${used} hashes`);
      used += 1;
      return hash;
    }
    if (hi - lo === 1) return leaves[lo - first] as Hash;
    const middle = lo + splitPoint(hi - lo);
    const left = fold(lo, middle); // in this order: hashes are taken left to right
    return nodeHash(left, fold(middle, hi));
  };
  const root = fold(0, size);
  if (used < proof.length) {
    throw new FormatError('range.surplus', `the range proof has ${proof.length} hashes, ${used} were needed`);
  }
  return root;
}
