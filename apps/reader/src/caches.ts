/** What this reader keeps of what it read. */
import { ByteCache } from './byte-cache.js';
import { blockBytes, type OpenBlock } from './log-source.js';
import { TileCache } from './tile-cache.js';

/** Memory that all ledgers share. */
export interface Caches {
  readonly tiles: TileCache;
  /** Bundles, also compressed ones, and partial tiles. */
  readonly bytes: ByteCache<Buffer>;
  readonly blocks: ByteCache<OpenBlock>;
}

/** @param most bytes in all */
export function makeCaches(most: number): Caches {
  return {
    tiles: new TileCache(most / 4),
    bytes: new ByteCache<Buffer>(most / 4, ({ length }) => length + 128),
    blocks: new ByteCache<OpenBlock>(most / 2, blockBytes),
  };
}
