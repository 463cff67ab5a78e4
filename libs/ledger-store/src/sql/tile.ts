/**
 * Table `tile`: full tiles only (C2SP tlog-tiles): 256 hashes of one level, and their root, which is one hash of the
 * level above. The partial right edge is not stored; it is recomputed from at most 255 entries a level.
 */
import type { Pool } from 'pg';
import { HASH_BYTES, TILE_WIDTH, type Hash } from '@everseal/audit-core';
import { copyOut, integer } from '../copy/copy-out.js';
import { readInt8 } from '../copy/row-parser.js';
import { splitHashes } from './head.js';
import { onConnection } from '../transaction.js';

/** Bytes of a full tile. */
const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

export interface TileRow {
  /** 0: leaf hashes. */
  level: number;
  number: number;
  /** 256 hashes, 8192 bytes. */
  data: Buffer;
  root: Hash;
}

/**
 * Part of the statement that inserts a block: its tiles, from parameter number `at` on (tileValues). $1 is the ledger.
 * As many as there are: every tile's bytes are a slice of one value.
 */
export function insertTiles(at: number): string {
  return `INSERT INTO tile (ledger_id, level, number, data, root)
    SELECT $1::smallint, t.level, t.number, substring($${at + 2}::bytea FROM (t.ordinal::integer - 1) * 8192 + 1 FOR 8192),
           substring($${at + 3}::bytea FROM (t.ordinal::integer - 1) * 32 + 1 FOR 32)
    FROM unnest($${at}::smallint[], $${at + 1}::bigint[]) WITH ORDINALITY AS t (level, number, ordinal)`;
}

export function tileValues(tiles: readonly TileRow[]): unknown[] {
  return [
    tiles.map(({ level }) => level),
    tiles.map(({ number }) => number),
    Buffer.concat(tiles.map(({ data }) => data)),
    Buffer.concat(tiles.map(({ root }) => root)),
  ];
}

/** The full tiles among these, as found: in no particular order, a missing one is left out. */
export async function readTiles(
  pool: Pool,
  ledgerId: number,
  refs: readonly { level: number; number: number }[],
): Promise<TileRow[]> {
  if (refs.length === 0) return [];
  return onConnection(pool, `reading ${refs.length} tiles of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<TileRow>(
      `SELECT level, number, data, root FROM tile
       JOIN unnest($2::smallint[], $3::bigint[]) AS wanted (level, number) USING (level, number) WHERE ledger_id = $1`,
      [ledgerId, refs.map(({ level }) => level), refs.map(({ number }) => number)],
    );
    return rows;
  });
}

/**
 * The hashes of the full tiles among these, for who asks thousands of times a second: by binary COPY, as text they are twice
 * the bytes, a conversion on each side and a string for the garbage collector. In no particular order; a tile that is missing
 * or has another length than a full one is left out. `data` may be a view of what came from the socket.
 */
export async function readTileHashes(
  pool: Pool,
  ledgerId: number,
  refs: readonly { level: number; number: number }[],
): Promise<{ level: number; number: number; data: Buffer }[]> {
  if (refs.length === 0) return [];
  const levels = refs.map(({ level }) => integer(level)).join();
  const numbers = refs.map(({ number }) => integer(number)).join();
  const query = `SELECT level::bigint, number, data FROM everseal.tile
    JOIN unnest('{${levels}}'::smallint[], '{${numbers}}'::bigint[]) AS wanted (level, number) USING (level, number)
    WHERE ledger_id = ${integer(ledgerId)} AND octet_length(data) = ${TILE_BYTES}`;
  const tiles = [];
  for await (const rows of copyOut(pool, query, TILE_BYTES, `reading ${refs.length} tiles of ledger ${ledgerId}`)) {
    for (const [level, number, data] of rows)
      tiles.push({ level: readInt8(level!), number: readInt8(number!), data: data! });
  }
  return tiles;
}

/** Roots of the full tiles `from` … `to` − 1 of a level, by number: hashes of the level above, without the tiles' bytes. */
export async function tileRoots(
  pool: Pool,
  ledgerId: number,
  level: number,
  from: number,
  to: number,
): Promise<{ number: number; root: Hash }[]> {
  return onConnection(pool, `reading tile roots of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ number: number; root: Hash }>(
      `SELECT number, root FROM tile WHERE ledger_id = $1 AND level = $2 AND number >= $3 AND number < $4 ORDER BY number`,
      [ledgerId, level, from, to],
    );
    return rows;
  });
}

/** A tile that no log can have: of a level above `levels`, of a negative level or number, or of none. Null when there is none. */
export async function strayTile(
  pool: Pool,
  ledgerId: number,
  levels: number,
): Promise<{ level: number | null; number: number | null } | null> {
  return onConnection(pool, `looking for stray tiles of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ level: number | null; number: number | null }>(
      `SELECT level, number FROM tile
       WHERE ledger_id = $1 AND (level < 0 OR level > $2 OR number < 0 OR level IS NULL OR number IS NULL)
       ORDER BY level, number LIMIT 1`,
      [ledgerId, levels],
    );
    return rows[0] ?? null;
  });
}

/** How many full tiles a level has, by the highest number stored. */
export async function countTiles(pool: Pool, ledgerId: number, level: number): Promise<number> {
  return onConnection(pool, `counting tiles of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ next: number }>(
      `SELECT coalesce(max(number) + 1, 0) AS next FROM tile WHERE ledger_id = $1 AND level = $2`,
      [ledgerId, level],
    );
    return rows[0]!.next;
  });
}

/** Leaf hashes of these positions, read from full level-0 tiles; a position beyond the last full tile is left out. */
export async function readLeafHashes(
  pool: Pool,
  ledgerId: number,
  positions: readonly number[],
): Promise<Map<number, Hash>> {
  if (positions.length === 0) return new Map();
  return onConnection(pool, `reading leaf hashes of ledger ${ledgerId}`, async (client) => {
    // A slice of a column stored EXTERNAL reads the chunks it lies in, not the whole tile.
    const { rows } = await client.query<{ position: number; hash: Buffer }>(
      `SELECT position, substring(data FROM (position & 255)::integer * 32 + 1 FOR 32) AS hash
       FROM unnest($2::bigint[]) AS wanted (position)
       JOIN tile ON tile.ledger_id = $1 AND tile.level = 0 AND tile.number = position >> 8`,
      [ledgerId, positions],
    );
    return new Map(rows.map(({ position, hash }) => [position, splitHashes(hash)[0] ?? hash]));
  });
}

/** Tiles that one statement of a search reads: 128 MiB, well within the bound on a transaction. */
const TILES_A_SEARCH = 16_384;

/**
 * The newest position below `before` with this leaf hash, in the full level-0 tiles; null when none has it. Reads 32
 * bytes for every entry that it passes: for rare look-ups of what is not far back.
 */
export async function findLeaf(pool: Pool, ledgerId: number, leaf: Hash, before: number): Promise<number | null> {
  for (let to = Math.ceil(before / 256); to > 0; to -= TILES_A_SEARCH) {
    const found = await searchTiles(pool, ledgerId, leaf, Math.max(0, to - TILES_A_SEARCH), to, before);
    if (found !== null) return found;
  }
  return null;
}

async function searchTiles(
  pool: Pool,
  ledgerId: number,
  leaf: Hash,
  from: number,
  to: number,
  before: number,
): Promise<number | null> {
  return onConnection(pool, `searching an entry of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ position: number }>(
      `SELECT number * 256 + (at - 1) / 32 AS position
       FROM (SELECT number, position($3::bytea IN data) AS at FROM tile
             WHERE ledger_id = $1 AND level = 0 AND number >= $4 AND number < $5) AS looked
       WHERE at % 32 = 1 AND number * 256 + (at - 1) / 32 < $2 ORDER BY number DESC LIMIT 1`,
      [ledgerId, before, leaf, from, to],
    );
    return rows[0]?.position ?? null;
  });
}
