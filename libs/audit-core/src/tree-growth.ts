/**
 * A tree while leaves are appended to it: its frontier, and the roots of the hash tiles (tile.ts) that became full on the
 * way. Whoever keeps leaf hashes and tile roots can answer for every earlier size without hashing anything twice.
 */
import type { CompactRange } from './compact-range.js';
import type { Hash } from './hash.js';
import { TILE_ROWS } from './tile.js';

/** The root over the 256 hashes of a full tile. */
export interface TileRoot {
  readonly level: number;
  readonly number: number;
  readonly root: Hash;
}

export class TreeGrowth {
  readonly range: CompactRange;
  /** In the order in which they became full, lower levels first. */
  readonly tileRoots: TileRoot[] = [];

  /** @param before the tree that grows; it stays as it is */
  constructor(before: CompactRange) {
    this.range = before.clone();
  }

  append(leaf: Hash): void {
    this.range.append(leaf, this.#onNode);
  }

  readonly #onNode = (row: number, index: number, root: Hash): void => {
    if (row % TILE_ROWS === 0) this.tileRoots.push({ level: row / TILE_ROWS - 1, number: index, root });
  };
}
