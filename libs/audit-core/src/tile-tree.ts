/**
 * The tree under a checkpoint by its tiles, when not all of its entries are at hand: every bundle of entries can be checked by itself,
 * and every leaf hash that a tile holds.
 *
 * The right-edge tiles of all levels are folded into the root. Every full tile has its root in the tile above it, and so on up to one of
 * those. A tile is shown to hang in the tree when something of it is used; `requireUpper` does it for all of them.
 */
import { treeRoot } from './compact-range.js';
import { FormatError } from './format-error.js';
import { equalHash, HASH_BYTES, type Hash } from './hash.js';
import { rootFromTiles, type TileReader } from './tile-proof.js';
import { fullTiles, tileAt, tileLevels, tilePath, TILE_WIDTH } from './tile.js';

export class TileTree {
  /** Full tiles above the leaves that were shown to hang in the tree: one of 65,536 entries and more. */
  private readonly hanging = new Set<string>();

  private constructor(
    private readonly read: TileReader,
    readonly size: number,
  ) {}

  /** @throws FormatError `export.root`, and what `read` throws */
  static async open(read: TileReader, size: number, root: Hash): Promise<TileTree> {
    if (!equalHash(await rootFromTiles(size, read), root)) {
      throw new FormatError('export.root', `the tiles of the tree of ${size} entries are not those of the checkpoint`);
    }
    return new TileTree(read, size);
  }

  /** Checks that all tiles above the leaves are there. @throws FormatError `export.root`, and what `read` throws */
  async requireUpper(): Promise<void> {
    for (let level = 1; level < tileLevels(this.size); level++) {
      for (let number = 0; number < fullTiles(this.size, level); number++) await this.hashes(level, number);
    }
  }

  /**
   * Checks that these are the leaf hashes of a whole bundle, and that the tile over them says so too.
   * @throws FormatError `export.tile`, `export.root`
   */
  async requireBundle(number: number, leaves: readonly Hash[]): Promise<void> {
    if (!Buffer.concat(leaves).equals(await this.tile(0, number))) {
      const path = tilePath(tileAt(0, number, this.size));
      throw new FormatError('export.tile', `${path} does not hold the hashes that the entries give`);
    }
    if (leaves.length === TILE_WIDTH) await this.requireRoot(0, number, treeRoot(leaves));
  }

  /**
   * Leaf hashes [from, to) of the tree.
   * @throws FormatError `export.root`, and what `read` throws; RangeError beyond the tree
   */
  async leaves(from: number, to: number): Promise<Hash[]> {
    const leaves: Hash[] = [];
    for (let number = Math.floor(from / TILE_WIDTH); number * TILE_WIDTH < to; number++) {
      const first = number * TILE_WIDTH;
      leaves.push(...(await this.hashes(0, number)).slice(Math.max(0, from - first), to - first));
    }
    return leaves;
  }

  /** The hashes of a tile that hangs in the tree. */
  private async hashes(level: number, number: number): Promise<Hash[]> {
    const tile = await this.tile(level, number);
    const hashes = Array.from({ length: tile.length / HASH_BYTES }, (_, i) => hashAt(tile, i));
    // One that is not full is of the right edge, which is folded into the root.
    if (hashes.length < TILE_WIDTH) return hashes;
    const path = tilePath({ level, number, width: TILE_WIDTH });
    if (this.hanging.has(path)) return hashes;
    await this.requireRoot(level, number, treeRoot(hashes));
    if (level > 0) this.hanging.add(path);
    return hashes;
  }

  /** The tile has this root in the level above. */
  private async requireRoot(level: number, number: number, root: Hash): Promise<void> {
    const above = await this.hashes(level + 1, Math.floor(number / TILE_WIDTH));
    if (equalHash(above[number % TILE_WIDTH]!, root)) return;
    const path = tilePath({ level, number, width: TILE_WIDTH });
    throw new FormatError('export.root', `${path} is not a tile of the tree under the checkpoint`);
  }

  private async tile(level: number, number: number): Promise<Buffer> {
    const [tile] = await this.read([tileAt(level, number, this.size)]);
    return Buffer.from(tile!);
  }
}

const hashAt = (tile: Buffer, i: number): Hash => tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
