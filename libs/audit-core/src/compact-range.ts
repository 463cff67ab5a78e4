/**
 * The frontier of an append-only Merkle tree (RFC 6962 section 2.1): the roots of the perfect subtrees that the tree
 * of the present size is made of, largest first. A tree of 13 = 8 + 4 + 1 leaves has three. It is all that is needed
 * to append leaves and to know the root, so it is what a log keeps between two blocks.
 *
 * Sizes go to 2^53 - 1, above what bit operators can hold: halving and remainder are arithmetic here.
 */
import { isCount } from './decimal.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, HASH_BYTES, nodeHash, type Hash } from './hash.js';

/** Called with every perfect subtree that a leaf completes: the one over leaves [index·2^level, (index+1)·2^level). */
export type OnNode = (level: number, index: number, hash: Hash) => void;

/** How many perfect subtrees a tree of this size has: the number of 1 bits of the size. */
export function frontierLength(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

export class CompactRange {
  #size: number;
  readonly #hashes: Hash[];

  private constructor(size: number, hashes: Hash[]) {
    this.#size = size;
    this.#hashes = hashes;
  }

  static empty(): CompactRange {
    return new CompactRange(0, []);
  }

  /**
   * The tree of `size` leaves with this frontier, left to right (largest subtree first). Nothing here can tell whether
   * the hashes are right; a root or a checkpoint does. Throws FormatError `frontier.size` or `frontier.hashes`.
   */
  static of(size: number, hashes: readonly Hash[]): CompactRange {
    if (!isCount(size)) throw new FormatError('frontier.size', `${size} is not a tree size of 0 to 2^53 - 1`);
    if (hashes.length !== frontierLength(size) || hashes.some((hash) => hash.length !== HASH_BYTES)) {
      throw new FormatError(
        'frontier.hashes',
        `a tree of size ${size} needs ${frontierLength(size)} hashes of 32 bytes`,
      );
    }
    return new CompactRange(size, [...hashes]);
  }

  get size(): number {
    return this.#size;
  }

  /** The frontier, left to right; a copy of the list. */
  hashes(): Hash[] {
    return [...this.#hashes];
  }

  /**
   * Appends one leaf hash, which must not change afterwards. `onNode` hears of every perfect subtree that becomes
   * complete, smallest (level 1) first; the leaf itself is not reported.
   */
  append(leaf: Hash, onNode?: OnNode): void {
    if (leaf.length !== HASH_BYTES) throw new RangeError('a leaf hash has 32 bytes');
    if (this.#size === Number.MAX_SAFE_INTEGER) throw new RangeError('a tree has fewer than 2^53 leaves');
    const hashes = this.#hashes;
    let hash = leaf;
    let index = this.#size;
    // Like adding 1 to a binary number: every 1 bit at the end is a left sibling waiting for this subtree.
    for (let level = 1; index % 2 === 1; level += 1) {
      hash = nodeHash(hashes.pop() as Hash, hash);
      index = (index - 1) / 2;
      onNode?.(level, index, hash);
    }
    hashes.push(hash);
    this.#size += 1;
  }

  /** The root of the tree; EMPTY_ROOT for size 0. */
  root(): Hash {
    const hashes = this.#hashes;
    let root = hashes.at(-1) ?? EMPTY_ROOT;
    for (let i = hashes.length - 2; i >= 0; i -= 1) root = nodeHash(hashes[i] as Hash, root);
    return root;
  }

  /** An independent copy. */
  clone(): CompactRange {
    return new CompactRange(this.#size, [...this.#hashes]);
  }
}

/** Root of the tree over these leaf hashes (not entries). */
export function treeRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return EMPTY_ROOT;
  // Row by row in place; a last one without a neighbour moves up as it is, which is the split at a power of two.
  const row = [...leaves];
  for (let width = row.length; width > 1; width = Math.ceil(width / 2)) {
    for (let i = 0; i < width; i += 2) {
      row[i / 2] = i + 1 < width ? nodeHash(row[i] as Hash, row[i + 1] as Hash) : (row[i] as Hash);
    }
  }
  return row[0] as Hash;
}
