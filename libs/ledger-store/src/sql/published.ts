/** What may be shown of a ledger: checkpoints with what others signed about them, and which blocks hold some entries. */
import type { Pool } from 'pg';
import { onConnection } from '../transaction.js';
import type { BlockRow } from './block.js';
import type { CheckpointRow } from './checkpoint.js';
import { linesOn } from './cosignature.js';

export interface CosignedCheckpoint extends CheckpointRow {
  /** Cosignature lines on it, by signer; at most MOST_COSIGNATURES. */
  cosignatures: string[];
}

const WITH_COSIGNATURES = `
  SELECT size, note, ${linesOn('c')} AS cosignatures
  FROM checkpoint c WHERE ledger_id = $1`;

/** The checkpoints of the largest sizes, the largest first. */
export async function newestCosigned(pool: Pool, ledgerId: number, most: number): Promise<CosignedCheckpoint[]> {
  return onConnection(pool, `reading the newest checkpoints of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CosignedCheckpoint>(`${WITH_COSIGNATURES} ORDER BY size DESC LIMIT $2`, [
      ledgerId,
      most,
    ]);
    return rows;
  });
}

/** So many checkpoints are looked through for those of certain signers. */
const LOOKED_THROUGH = 100_000;

/** As `newestCosigned`, of those that one of these signers (key names) cosigned, and not smaller than `least`. */
export async function newestCosignedBy(
  pool: Pool,
  ledgerId: number,
  signers: readonly string[],
  least: number,
  most: number,
): Promise<CosignedCheckpoint[]> {
  return onConnection(pool, `reading the newest witnessed checkpoints of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CosignedCheckpoint>(
      `SELECT size, note, ${linesOn('c')} AS cosignatures
       FROM (SELECT ledger_id, size, note FROM checkpoint WHERE ledger_id = $1 AND size >= $3
             ORDER BY size DESC LIMIT ${LOOKED_THROUGH}) AS c
       WHERE EXISTS (SELECT FROM cosignature s WHERE s.ledger_id = $1 AND s.size = c.size AND s.signer = ANY($2))
       ORDER BY size DESC LIMIT $4`,
      [ledgerId, signers, least, most],
    );
    return rows;
  });
}

/** The checkpoint of exactly this size, or null. */
export async function cosignedAt(pool: Pool, ledgerId: number, size: number): Promise<CosignedCheckpoint | null> {
  return onConnection(pool, `reading checkpoint ${size} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CosignedCheckpoint>(`${WITH_COSIGNATURES} AND size = $2`, [ledgerId, size]);
    return rows[0] ?? null;
  });
}

const COLUMNS = 'height, first, next, entries, hash, sealed';

/** The block of this height, or null. */
export async function blockAt(pool: Pool, ledgerId: number, height: number): Promise<BlockRow | null> {
  return onConnection(pool, `reading block ${height} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<BlockRow>(`SELECT ${COLUMNS} FROM block WHERE ledger_id = $1 AND height = $2`, [
      ledgerId,
      height,
    ]);
    return rows[0] ?? null;
  });
}

/** The blocks that hold the entries [from, to), by height; never more than to − from. */
export async function blocksBetween(pool: Pool, ledgerId: number, from: number, to: number): Promise<BlockRow[]> {
  return onConnection(pool, `looking up entries ${from} to ${to} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<BlockRow>(
      `SELECT ${COLUMNS} FROM block WHERE ledger_id = $1 AND next > $2
         AND next <= coalesce((SELECT next FROM block WHERE ledger_id = $1 AND next >= $3 ORDER BY next LIMIT 1), $3)
       ORDER BY next LIMIT $4`,
      [ledgerId, from, to, to - from],
    );
    return rows;
  });
}

/** The last bytes of a block's body, at most `most`: its note stands at the end, and the rest need not be read for it. */
export async function endOfBody(pool: Pool, ledgerId: number, height: number, most: number): Promise<Buffer | null> {
  return onConnection(pool, `reading the end of block ${height} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ end: Buffer }>(
      `SELECT substring(body FROM greatest(octet_length(body) - $3 + 1, 1)) AS "end" FROM block_body
       WHERE ledger_id = $1 AND height = $2`,
      [ledgerId, height, most],
    );
    return rows[0]?.end ?? null;
  });
}

/**
 * Index of the first entry of the first block that was sealed at `time` or later; null when there is none. Block times only
 * grow, so this halves the heights: about twenty rows of the largest ledger.
 * @param time as Postgres reads it, with its offset
 */
export async function firstSealedFrom(pool: Pool, ledgerId: number, time: string): Promise<number | null> {
  return onConnection(pool, `looking for blocks of ledger ${ledgerId} by time`, async (client) => {
    const { rows } = await client.query<{ first: number }>(
      `WITH RECURSIVE span (lo, hi) AS (
         SELECT 0::bigint, (SELECT height + 1 FROM ledger_head WHERE ledger_id = $1)
         UNION ALL
         SELECT CASE WHEN b.sealed < $2::timestamptz THEN b.height + 1 ELSE s.lo END,
                CASE WHEN b.sealed < $2::timestamptz THEN s.hi ELSE b.height END
         FROM span s JOIN block b ON b.ledger_id = $1 AND b.height = (s.lo + s.hi) / 2 WHERE s.lo < s.hi
       )
       SELECT b.first FROM span s JOIN block b ON b.ledger_id = $1 AND b.height = s.lo WHERE s.lo = s.hi`,
      [ledgerId, time],
    );
    return rows[0]?.first ?? null;
  });
}
