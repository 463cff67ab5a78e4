/**
 * The tree under a checkpoint by its tiles, when not all of its entries are at hand: once the tiles above the leaves are shown to be
 * those of the root, every bundle of entries can be checked by itself.
 *
 * All right-edge tiles, of every level, are folded into the root; every full tile above the leaves has its root in the tile above it.
 * A full bundle's leaves have theirs in level 1, and the last bundle's are the right edge of level 0.
 */
import { treeRoot } from './compact-range.js';
import { FormatError } from './format-error.js';
import { equalHash, HASH_BYTES, type Hash } from './hash.js';
import { rootFromTiles, type TileReader } from './tile-proof.js';
import { fullTiles, tileAt, tileLevels, tilePath, TILE_WIDTH } from './tile.js';

export class TileTree {
  private constructor(
    private readonly read: TileReader,
    private readonly size: number,
  ) {}

  /** @throws FormatError `export.root`, `export.tile`, and what `read` throws */
  static async open(read: TileReader, size: number, root: Hash): Promise<TileTree> {
    if (!equalHash(await rootFromTiles(size, read), root)) {
      throw new FormatError('export.root', `the tiles of the tree of ${size} entries are not those of the checkpoint`);
    }
    const tree = new TileTree(read, size);
    for (let level = 1; level < tileLevels(size); level++) {
      for (let number = 0; number < fullTiles(size, level); number++) {
        const tile = await tree.tile(level, number);
        const hashes = Array.from({ length: TILE_WIDTH }, (_, i) => hashAt(tile, i));
        await tree.requireRoot(level, number, treeRoot(hashes));
      }
    }
    return tree;
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

  /** The tile has this root in the level above. */
  private async requireRoot(level: number, number: number, root: Hash): Promise<void> {
    const above = await this.tile(level + 1, Math.floor(number / TILE_WIDTH));
    if (equalHash(hashAt(above, number % TILE_WIDTH), root)) return;
    const path = tilePath({ level, number, width: TILE_WIDTH });
    throw new FormatError('export.root', `${path} is not a tile of the tree under the checkpoint`);
  }

  private async tile(level: number, number: number): Promise<Buffer> {
    const [tile] = await this.read([tileAt(level, number, this.size)]);
    return Buffer.from(tile!);
  }
}

const hashAt = (tile: Buffer, i: number): Hash => tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
