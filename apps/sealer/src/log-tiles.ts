/**
 * The ledger's hash tiles as the sealer sees them: the right edge that is still growing, the tiles that filled lately,
 * and everything older from Postgres. Proofs for announcements and witnesses read through `read`, one batch a proof.
 */

import {
  splitBundle,
  leafHashInPlace,
  TileBuilder,
  type FullTile,
  type Hash,
  type TileReader,
  type TileRef,
} from '@everseal/audit-core';
import { bodyOf, readTiles, tileRoots } from '@everseal/ledger-store';
import { StopProcess } from '@everseal/process';
import type { Pool } from 'pg';

const TILE_WIDTH = 256;
const HASH_BYTES = 32;
/** Tiles kept in memory after they filled: 8 KiB each, enough for several seconds at full load. */
const RECENT_TILES = 512;

export class LogTiles {
  private readonly recent = new Map<string, Buffer>();

  constructor(
    readonly builder: TileBuilder,
    private readonly pool: Pool,
    private readonly ledgerId: number,
  ) {}

  /** Remembers tiles as they fill: until their block is committed they stand nowhere else. */
  keep(tiles: readonly FullTile[]): void {
    for (const { level, number, data } of tiles) this.recent.set(`${level}/${number}`, data);
    for (const key of this.recent.keys()) {
      if (this.recent.size <= RECENT_TILES) break;
      this.recent.delete(key);
    }
  }

  /** Tile data for a proof; of a tile that has grown since, the asked width is a prefix. */
  readonly read: TileReader = async (refs) => {
    // Memory is looked at once, before the wait: the right edge moves on while the database answers.
    const found = refs.map((ref) => this.inMemory(ref));
    const missing = refs.filter((_, i) => found[i] === null);
    const stored = await readTiles(this.pool, this.ledgerId, missing);
    return refs.map(({ level, number, width }, i) => {
      const data = found[i] ?? stored.find((row) => row.level === level && row.number === number)?.data;
      if (!data) throw new Error(`tile ${level}/${number} is neither in memory nor in the database`);
      return data.subarray(0, width * HASH_BYTES);
    });
  };

  private inMemory(ref: TileRef): Buffer | null {
    const filled = this.recent.get(`${ref.level}/${ref.number}`);
    if (filled) return filled;
    const edge = this.builder.partial(ref.level);
    const growing = Math.floor(this.builder.size / TILE_WIDTH ** (ref.level + 1)) === ref.number;
    return growing && edge.length >= ref.width * HASH_BYTES ? edge : null;
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
