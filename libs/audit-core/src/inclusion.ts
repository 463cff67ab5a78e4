/**
 * Inclusion proofs: the entry at an index is in the tree with a root (RFC 6962 section 2.1.1, checked as in RFC 9162
 * section 2.1.3.2). The proof is the list of sibling roots from the leaf upward.
 *
 * The check accepts exactly one proof for one (index, size, leaf, root): missing and surplus hashes fail, and so does
 * everything that is not a hash of 32 bytes, in the proof, as leaf and as root. An empty tree includes nothing.
 */
import { treeRoot } from './compact-range.js';
import { isCount } from './decimal.js';
import { equalHash, HASH_BYTES, nodeHash, type Hash } from './hash.js';
import { splitPoint, type Segment } from './segment.js';

/** The runs whose roots are the proof, leaf side first. Throws RangeError unless 0 ≤ index < size. */
export function inclusionPlan(index: number, size: number): Segment[] {
  if (!isCount(index) || !isCount(size) || index >= size)
    throw new RangeError(`a tree of ${size} has no leaf ${index}`);
  const plan: Segment[] = [];
  for (let lo = 0, hi = size; hi - lo > 1;) {
    const middle = lo + splitPoint(hi - lo);
    if (index < middle) {
      plan.push({ lo: middle, hi });
      hi = middle;
    } else {
      plan.push({ lo, hi: middle });
      lo = middle;
    }
  }
  return plan.toReversed();
}

/** The proof for leaf `index` of the tree over all these leaf hashes. */
export function proveInclusion(index: number, leaves: readonly Hash[]): Hash[] {
  return inclusionPlan(index, leaves.length).map(({ lo, hi }) => treeRoot(leaves.slice(lo, hi)));
}

/** True when `leaf` (a leaf hash) is at `index` in the tree of `size` leaves with this root. Never throws. */
export function verifyInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  if (leaf.length !== HASH_BYTES || proof.some((hash) => hash.length !== HASH_BYTES)) return false;
  let node = index; // our place among the nodes of the present row, and the place of the row's last node
  let last = size - 1;
  let hash = leaf as Hash;
  for (const sibling of proof as readonly Hash[]) {
    if (last === 0) return false; // at the root already: a surplus hash
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      // A last node without a right neighbour went up unhashed; skip those rows.
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalHash(hash, root);
}
