/**
 * Builds the tiles of a growing tree (tile.ts). Between two appends it holds the right edge: the frontier of the tree
 * and, of every level, the partial tile. A tile that becomes full is handed out, once, with its root, and the root is
 * the next hash of the level above.
 *
 * Owner of its buffers: the bytes of a full tile are given away and never touched again.
 */
import { CompactRange } from './compact-range.js';
import { isCount } from './decimal.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, type Hash } from './hash.js';
import { partialWidth, TILE_BYTES, TILE_ROWS, tileLevels } from './tile.js';

export type FullTile = {
  level: number;
  number: number;
  /** 8,192 bytes */
  data: Buffer;
  /** Root over its 256 hashes. */
  root: Hash;
};

type Edge = { data: Buffer; width: number };

/** What most appends return: 255 of 256 fill no tile. */
const NONE: readonly FullTile[] = Object.freeze([]);

export class TileBuilder {
  readonly #range: CompactRange;
  readonly #edges: Edge[];
  #full: FullTile[] = [];

  private constructor(range: CompactRange, edges: Edge[]) {
    this.#range = range;
    this.#edges = edges;
  }

  static empty(): TileBuilder {
    return new TileBuilder(CompactRange.empty(), []);
  }

  /**
   * Goes on at `size` from its partial tiles: `partials[level]`, leaf level first, one for every level that has a hash
   * (`tileLevels(size)`), empty where the width is 0. Throws FormatError `frontier.size` or `tile.partial`.
   */
  static of(size: number, partials: readonly Uint8Array[]): TileBuilder {
    if (!isCount(size)) throw new FormatError('frontier.size', `${size} is not a tree size of 0 to 2^53 - 1`);
    if (partials.length !== tileLevels(size)) {
      throw new FormatError('tile.partial', `a tree of ${size} has ${tileLevels(size)} levels, not ${partials.length}`);
    }
    const frontier: Hash[] = [];
    const edges = partials.map((partial, level): Edge => {
      const width = partialWidth(size, level);
      if (partial.length !== width * HASH_BYTES) {
        throw new FormatError(
          'tile.partial',
          `level ${level} of a tree of ${size} ends in ${width} hashes, others were given`,
        );
      }
      // Higher levels hold larger subtrees, which stand further left.
      frontier.unshift(...frontierOf(partial));
      const data = Buffer.alloc(TILE_BYTES);
      data.set(partial);
      return { data, width };
    });
    return new TileBuilder(CompactRange.of(size, frontier), edges);
  }

  get size(): number {
    return this.#range.size;
  }

  /** The root of the tree. */
  root(): Hash {
    return this.#range.root();
  }

  /** The frontier of the tree, as a copy. */
  frontier(): CompactRange {
    return this.#range.clone();
  }

  /** How many levels have a hash: `partial(level)` for each of them is what `of` takes. */
  get levels(): number {
    return tileLevels(this.size);
  }

  /** Copy of the partial tile of a level; empty when it has none. */
  partial(level: number): Buffer {
    const edge = this.#edges[level];
    return edge === undefined ? Buffer.alloc(0) : Buffer.from(edge.data.subarray(0, edge.width * HASH_BYTES));
  }

  /** Appends a leaf hash and returns the tiles that it filled, lowest level first. */
  append(leaf: Hash): readonly FullTile[] {
    if (leaf.length !== HASH_BYTES) throw new RangeError('a leaf hash has 32 bytes');
    this.#push(0, leaf);
    this.#range.append(leaf, this.#onNode);
    if (this.#full.length === 0) return NONE;
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** An independent copy, so that a block can be built and thrown away. */
  clone(): TileBuilder {
    const edges = this.#edges.map(({ data, width }) => ({ data: Buffer.from(data), width }));
    return new TileBuilder(this.#range.clone(), edges);
  }

  /** A subtree over 256 hashes of a level is the root of the tile that has just become full there. */
  readonly #onNode = (row: number, index: number, root: Hash): void => {
    if (row % TILE_ROWS !== 0) return;
    const level = row / TILE_ROWS;
    const below = this.#edges[level - 1] as Edge;
    this.#full.push({ level: level - 1, number: index, data: below.data, root });
    this.#edges[level - 1] = { data: Buffer.alloc(TILE_BYTES), width: 0 };
    this.#push(level, root);
  };

  #push(level: number, hash: Hash): void {
    const edge = (this.#edges[level] ??= { data: Buffer.alloc(TILE_BYTES), width: 0 });
    edge.data.set(hash, edge.width * HASH_BYTES);
    edge.width += 1;
  }
}

/** The perfect subtrees that the hashes of a partial tile make, left to right. */
function frontierOf(partial: Uint8Array): Hash[] {
  const range = CompactRange.empty();
  for (let at = 0; at < partial.length; at += HASH_BYTES)
    range.append(Buffer.from(partial.subarray(at, at + HASH_BYTES)));
  return range.hashes();
}
