/**
 * The tree that this verifier has derived: leaf hashes on disk, everything above them in memory (one hash for 256
 * entries), so that the root of any size and any tile can be told without asking the database.
 */

import { CompactRange, rootFromTiles, TreeGrowth, type Hash, type TileReader } from '@everseal/audit-core';
import type { LeafFile } from './leaf-file.js';

const TILE_WIDTH = 256;
const HASH_BYTES = 32;
/** Leaves hashed between two turns of the event loop while the memory is checked at start. */
const LEAVES_A_TURN = 8_192;

export class RememberedTree {
  /** By level from 1 on: the hashes of that level, 32 bytes each, with room to grow. */
  private readonly upper: GrowingHashes[] = [];

  private range = CompactRange.empty();

  private constructor(private readonly leaves: LeafFile) {}

  /** Derives the tree again from the leaf file, which is cut to `size`. */
  static async load(leaves: LeafFile, size: number): Promise<RememberedTree> {
    if (leaves.size < size) throw new RangeError(`the leaf file holds ${leaves.size} entries, ${size} are needed`);
    leaves.cut(size);
    const tree = new RememberedTree(leaves);
    for (let from = 0; from < size; from += LEAVES_A_TURN) {
      const to = Math.min(size, from + LEAVES_A_TURN);
      const bytes = leaves.read(from, to);
      const growth = new TreeGrowth(tree.range);
      for (let at = 0; at < bytes.length; at += HASH_BYTES) growth.append(bytes.subarray(at, at + HASH_BYTES));
      tree.adopt(growth);
      await new Promise(setImmediate);
    }
    return tree;
  }

  get size(): number {
    return this.range.size;
  }

  root(): Hash {
    return this.range.root();
  }

  /**
   * Remembers what a block brought.
   *
   * @param growth this tree with exactly those leaves, so that nothing is hashed twice
   */
  append(leaves: readonly Hash[], growth: TreeGrowth): void {
    if (growth.range.size !== this.size + leaves.length) {
      throw new RangeError(
        `a tree of ${growth.range.size} is not one of ${this.size} with ${leaves.length} leaves more`,
      );
    }
    this.leaves.append(leaves);
    this.adopt(growth);
  }

  sync(): Promise<void> {
    return this.leaves.sync();
  }

  close(): void {
    this.leaves.close();
  }

  /** Leaf hashes of entries [from, to). */
  leafHashes(from: number, to: number): Buffer {
    return this.leaves.read(from, to);
  }

  leafHash(index: number): Hash {
    return this.leaves.read(index, index + 1);
  }

  /** The root of the first `size` entries. */
  rootAt(size: number): Promise<Hash> {
    return size === this.size ? Promise.resolve(this.root()) : rootFromTiles(size, this.readTiles);
  }

  readonly readTiles: TileReader = (refs) =>
    Promise.resolve(refs.map(({ level, number, width }) => this.tile(level, number, width)));

  /** `width` hashes of a tile. */
  tile(level: number, number: number, width = TILE_WIDTH): Buffer {
    const from = number * TILE_WIDTH;
    if (level === 0) return this.leaves.read(from, from + width);
    return this.upper[level - 1]!.slice(from, from + width);
  }

  /** The root over a full tile: one hash of the level above. */
  tileRoot(level: number, number: number): Hash {
    return this.upper[level]!.slice(number, number + 1);
  }

  private adopt({ range, tileRoots }: TreeGrowth): void {
    this.range = range;
    for (const { level, root } of tileRoots) (this.upper[level] ??= new GrowingHashes()).push(root);
  }
}

class GrowingHashes {
  private bytes = Buffer.alloc(HASH_BYTES * TILE_WIDTH);
  private count = 0;

  push(hash: Hash): void {
    if ((this.count + 1) * HASH_BYTES > this.bytes.length) {
      this.bytes = Buffer.concat([this.bytes, Buffer.alloc(this.bytes.length)]);
    }
    this.bytes.set(hash, this.count * HASH_BYTES);
    this.count++;
  }

  slice(from: number, to: number): Buffer {
    if (to > this.count) throw new RangeError(`hash ${to - 1} of this level is not known, there are ${this.count}`);
    return this.bytes.subarray(from * HASH_BYTES, to * HASH_BYTES);
  }
}
