/**
 * The ledger's hash tiles as the sealer sees them: the right edge that is still growing, the tiles that filled lately,
 * and everything older from Postgres. Proofs for announcements and witnesses are made through `proven`: what a stored
 * tile says counts only when the proof verifies, else the tile is made anew from the entries.
 */

import {
  FormatError,
  leafHashInPlace,
  splitBundle,
  TileBuilder,
  type FullTile,
  type Hash,
  type TileReader,
  type TileRef,
} from '@everseal/audit-core';
import { bodyOf, readTiles, tileRoots } from '@everseal/ledger-store';
import { StopProcess } from '@everseal/process';
import type { Pool } from 'pg';
import { rebuildTile, UnusableStore } from './rebuild-tile.js';

const TILE_WIDTH = 256;
const HASH_BYTES = 32;
/** Tiles kept in memory after they filled: 8 KiB each, enough for several seconds at full load. */
const RECENT_TILES = 512;
/** Tiles made anew that are kept instead of the stored ones. */
const REBUILT_TILES = 512;

export class LogTiles {
  private readonly recent = new Map<string, Buffer>();
  /** Used instead of stored tiles that did not prove what they should. */
  private readonly rebuilt = new Map<string, Buffer>();

  /** @param onAltered told of a stored tile that is not what the entries give */
  constructor(
    readonly builder: TileBuilder,
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly onAltered: (tile: TileRef) => void,
  ) {}

  /** Remembers tiles as they fill: until their block is committed they stand nowhere else. */
  keep(tiles: readonly FullTile[]): void {
    for (const tile of tiles) this.recent.set(nameOf(tile), tile.data);
    dropOldest(this.recent, RECENT_TILES);
  }

  /**
   * What `make` makes of the tiles, once it holds. When it does not, the stored tiles that it used are made anew from the
   * entries and it is made once more.
   *
   * @returns null when it does not hold even then
   */
  async proven<T>(make: (read: TileReader) => Promise<T>, holds: (made: T) => boolean): Promise<T | null> {
    const used = new Map<string, TileRef>();
    const noting: TileReader = async (refs) => {
      for (const ref of refs) if (!this.inMemory(ref)) used.set(nameOf(ref), ref);
      return this.read(refs);
    };
    try {
      const made = await make(noting);
      if (holds(made)) return made;
    } catch (error) {
      if (!isUnusable(error)) throw error;
    }
    try {
      for (const ref of used.values()) await this.rebuild(ref);
      const made = await make(this.read);
      return holds(made) ? made : null;
    } catch (error) {
      if (isUnusable(error)) return null;
      throw error;
    }
  }

  private async rebuild(ref: TileRef): Promise<void> {
    const stored = await this.stored([ref]);
    const data = await rebuildTile(this.pool, this.ledgerId, ref, async (level, number) => {
      const tile = { level, number, width: TILE_WIDTH };
      return this.inMemory(tile) ?? (await this.stored([tile]))[0] ?? null;
    });
    if (stored[0]?.subarray(0, data.length).equals(data)) return;
    this.rebuilt.set(nameOf(ref), data);
    dropOldest(this.rebuilt, REBUILT_TILES);
    this.onAltered(ref);
  }

  /** Tile data for a proof; of a tile that has grown since, the asked width is a prefix. */
  private readonly read: TileReader = async (refs) => {
    // Memory is looked at once, before the wait: the right edge moves on while the database answers.
    const found = refs.map((ref) => this.inMemory(ref));
    const missing = refs.filter((_, i) => found[i] === null);
    const stored = await this.stored(missing);
    return refs.map((ref, i) => {
      const data = found[i] ?? stored[missing.indexOf(ref)];
      if (!data) throw new UnusableStore(`tile ${nameOf(ref)} is neither in memory nor in the database`);
      return data.subarray(0, ref.width * HASH_BYTES);
    });
  };

  /** What Postgres has for these, in their order. */
  private async stored(refs: readonly TileRef[]): Promise<(Buffer | undefined)[]> {
    const rows = await readTiles(this.pool, this.ledgerId, refs);
    return refs.map(({ level, number }) => rows.find((row) => row.level === level && row.number === number)?.data);
  }

  private inMemory(ref: TileRef): Buffer | null {
    const filled = this.recent.get(nameOf(ref));
    if (filled) return filled;
    const rebuilt = this.rebuilt.get(nameOf(ref));
    if (rebuilt && rebuilt.length >= ref.width * HASH_BYTES) return rebuilt;
    const edge = this.builder.partial(ref.level);
    const growing = Math.floor(this.builder.size / TILE_WIDTH ** (ref.level + 1)) === ref.number;
    return growing && edge.length >= ref.width * HASH_BYTES ? edge : null;
  }
}

/** Whether this may come of what is stored, and a tile made anew may help: not of a database that cannot be asked. */
function isUnusable(error: unknown): boolean {
  return error instanceof FormatError || error instanceof UnusableStore;
}

function nameOf({ level, number }: { level: number; number: number }): string {
  return `${level}/${number}`;
}

function dropOldest(tiles: Map<string, Buffer>, most: number): void {
  for (const key of tiles.keys()) {
    if (tiles.size <= most) break;
    tiles.delete(key);
  }
}

/**
 * The tree of a ledger of this size, rebuilt from stored tiles and, for the last entries that fill no tile yet, from
 * their bytes. The caller compares its frontier with the one in the head row.
 */
export async function recallTree(pool: Pool, ledgerId: number, size: number): Promise<TileBuilder> {
  if (size === 0) return TileBuilder.empty();
  const partials: Buffer[] = [await edgeLeaves(pool, ledgerId, size)];
  for (let level = 1; ; level++) {
    const tilesBelow = Math.floor(size / TILE_WIDTH ** level);
    if (tilesBelow === 0) break;
    const from = Math.floor(tilesBelow / TILE_WIDTH) * TILE_WIDTH;
    const roots = await tileRoots(pool, ledgerId, level - 1, from, tilesBelow);
    partials.push(Buffer.concat(roots.map(({ root }) => root)));
  }
  return TileBuilder.of(size, partials);
}

/** Leaf hashes of the entries behind the last full level-0 tile. */
async function edgeLeaves(pool: Pool, ledgerId: number, size: number): Promise<Buffer> {
  const leaves: Hash[] = [];
  for (let index = Math.floor(size / TILE_WIDTH) * TILE_WIDTH; index < size;) {
    const block = await bodyOf(pool, ledgerId, index);
    if (!block?.body)
      throw new StopProcess('head.bodies', `entry ${index} of the newest blocks is not in the database`);
    const offsets = splitBundle(block.body);
    for (let i = index - block.first; i < offsets.count && index < size; i++, index++) {
      leaves.push(leafHashInPlace(block.body, offsets.start(i), offsets.end(i)));
    }
  }
  return Buffer.concat(leaves);
}
