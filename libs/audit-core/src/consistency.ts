/**
 * Consistency proofs: the tree with the new root begins with all leaves of the tree with the old root (RFC 6962
 * section 2.1.2, checked as in RFC 9162 section 2.1.4.2).
 *
 * `verifyConsistency` is defined for old sizes from 1, as in Go's and the transparency-dev libraries: of an old size
 * of 0 a proof can say nothing. C2SP tlog-witness does start from 0, with an empty proof; `verifyGrowth` adds that
 * case, and there the old root must be the empty tree's.
 */
import { treeRoot } from './compact-range.js';
import { isCount } from './decimal.js';
import { EMPTY_ROOT, equalHash, HASH_BYTES, nodeHash, type Hash } from './hash.js';
import { splitPoint, type Segment } from './segment.js';

/** The runs whose roots are the proof, deepest first. Throws RangeError unless 1 ≤ oldSize ≤ size. */
export function consistencyPlan(oldSize: number, size: number): Segment[] {
  if (!isCount(oldSize) || !isCount(size) || oldSize < 1 || oldSize > size) {
    throw new RangeError(`no consistency proof leads from size ${oldSize} to ${size}`);
  }
  const plan: Segment[] = [];
  let lo = 0;
  let hi = size;
  while (oldSize !== hi) {
    const middle = lo + splitPoint(hi - lo);
    if (oldSize <= middle) {
      plan.push({ lo: middle, hi });
      hi = middle;
    } else {
      plan.push({ lo, hi: middle });
      lo = middle;
    }
  }
  // The old tree itself is known to whoever checks; a part of it is not.
  if (lo > 0) plan.push({ lo, hi });
  return plan.toReversed();
}

/** The proof that the tree over all these leaf hashes begins with its first `oldSize` leaves. */
export function proveConsistency(oldSize: number, leaves: readonly Hash[]): Hash[] {
  return consistencyPlan(oldSize, leaves.length).map(({ lo, hi }) => treeRoot(leaves.slice(lo, hi)));
}

/** True when the proof leads from one tree to the other, 1 ≤ oldSize ≤ newSize. Never throws. */
export function verifyConsistency(
  oldSize: number,
  newSize: number,
  proof: readonly Uint8Array[],
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
): boolean {
  if (!isCount(oldSize) || !isCount(newSize) || oldSize < 1 || oldSize > newSize) return false;
  if (oldRoot.length !== HASH_BYTES || proof.some((hash) => hash.length !== HASH_BYTES)) return false;
  if (oldSize === newSize) return proof.length === 0 && equalHash(oldRoot, newRoot);
  // Of an old tree that is perfect the proof leaves out the root: it is the first hash.
  let node = oldSize - 1;
  let last = newSize - 1;
  while (node % 2 === 1) {
    node = (node - 1) / 2;
    last = Math.floor(last / 2);
  }
  const [first, ...rest] = (node === 0 ? [oldRoot, ...proof] : proof) as readonly Hash[];
  if (first === undefined) return false;
  let oldHash = first;
  let newHash = first;
  for (const sibling of rest) {
    if (last === 0) return false; // at the root already: a surplus hash
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newHash = nodeHash(newHash, sibling); // right of the old tree: new only
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalHash(oldHash, oldRoot) && equalHash(newHash, newRoot);
}

/** As `verifyConsistency`, and from the empty tree (size 0, its root, no proof) every tree is reached. Never throws. */
export function verifyGrowth(
  oldSize: number,
  newSize: number,
  proof: readonly Uint8Array[],
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
): boolean {
  if (oldSize !== 0) return verifyConsistency(oldSize, newSize, proof, oldRoot, newRoot);
  if (!isCount(newSize) || proof.length > 0 || newRoot.length !== HASH_BYTES) return false;
  return equalHash(oldRoot, EMPTY_ROOT) && (newSize > 0 || equalHash(newRoot, EMPTY_ROOT));
}
