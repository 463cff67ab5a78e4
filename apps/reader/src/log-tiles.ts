/**
 * The C2SP tiles of one ledger, at or below the size of a published checkpoint and never beyond.
 *
 * Full tiles are stored. What lies right of them is made from what is there: a partial tile of level 0 from at most 255
 * entries, one of a higher level from the roots of the full tiles below it. A partial tile of another width than the newest
 * checkpoint implies is a prefix of one that is there, and is given to whoever holds an older checkpoint.
 */
import {
  encodeBundle,
  entriesPath,
  fullTiles,
  HASH_BYTES,
  leafHash,
  partialWidth,
  TILE_WIDTH,
  tilePath,
  type TileReader,
  type TileRef,
} from '@everseal/audit-core';
import { readTileHashes, tileRoots } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import type { Caches } from './caches.js';
import { damaged, type LogSource } from './log-source.js';
import { TileFetch } from './tile-fetch.js';

export class LogTiles {
  private readonly fetch: TileFetch;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly source: LogSource,
    private readonly caches: Caches,
  ) {
    this.fetch = new TileFetch((refs) => readTileHashes(pool, ledgerId, refs));
  }

  /** Hashes of a tile, 32 bytes each; null when a tree of `size` entries does not have it. @throws Problem, StoreError */
  async tile(ref: TileRef, size: number): Promise<Buffer | null> {
    if (!isCovered(ref, size)) return null;
    if (ref.number < fullTiles(size, ref.level)) {
      const full = await this.full({ ...ref, width: TILE_WIDTH });
      return full.subarray(0, ref.width * HASH_BYTES);
    }
    return this.kept(tilePath(ref), () => this.partial(ref));
  }

  /** The entries under a tile of level 0, as an entry bundle; null when a tree of `size` entries does not have it. */
  async bundle({ number, width }: { number: number; width: number }, size: number): Promise<Buffer | null> {
    if (!isCovered({ level: 0, number, width }, size)) return null;
    const from = number * TILE_WIDTH;
    return this.kept(entriesPath(number, width), async () =>
      encodeBundle(await this.source.entries(from, from + width)),
    );
  }

  /** Reads tiles for a proof in the tree of `size`. */
  reader(size: number): TileReader {
    return (refs) => Promise.all(refs.map(async (ref) => (await this.tile(ref, size)) ?? damaged(tilePath(ref))));
  }

  private async full(ref: TileRef): Promise<Buffer> {
    const key = this.key(tilePath(ref));
    const kept = this.caches.tiles.get(key);
    if (kept !== undefined) return kept;
    const read = (await this.fetch.get(ref)) ?? damaged(tilePath(ref));
    this.caches.tiles.put(key, read);
    return read;
  }

  private async partial(ref: TileRef): Promise<Buffer> {
    const from = ref.number * TILE_WIDTH;
    const to = from + ref.width;
    if (ref.level === 0) return Buffer.concat((await this.source.entries(from, to)).map((entry) => leafHash(entry)));
    const roots = await tileRoots(this.pool, this.ledgerId, ref.level - 1, from, to);
    // Numbers are unique and in range: as many as asked for are all of them.
    if (roots.length !== ref.width) damaged(tilePath(ref));
    return Buffer.concat(roots.map(({ root }) => root));
  }

  private kept(path: string, load: () => Promise<Buffer>): Promise<Buffer> {
    return this.caches.bytes.get(this.key(path), load);
  }

  private key(path: string): string {
    return `${this.ledgerId}/${path}`;
  }
}

function isCovered({ level, number, width }: TileRef, size: number): boolean {
  const full = fullTiles(size, level);
  return number < full || (number === full && width <= partialWidth(size, level));
}
