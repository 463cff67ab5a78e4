/**
 * Table `checkpoint`: signed checkpoints, one for a size, each at the end of a block (a foreign key). Written under the
 * fence: only the stored row is ever published, so a signer that lost its lease publishes nothing more.
 */
import type { Pool } from 'pg';
import { StoreError } from '../store-error.js';
import { inTransaction, onConnection } from '../transaction.js';
import { lockFence } from './head.js';

export interface CheckpointRow {
  size: number;
  /** The signed note as its signer made it, cosignatures not included. */
  note: string;
}

/**
 * Stores a signed checkpoint; the same one again is fine, which is also how to go on after CommitUnknown.
 *
 * @throws FenceLost; StoreError store.checkpoint-conflict when another note stands at this size: stop and alert
 */
export async function insertCheckpoint(
  pool: Pool,
  ledgerId: number,
  fence: number,
  { size, note }: CheckpointRow,
): Promise<void> {
  await inTransaction(pool, `storing checkpoint ${size} of ledger ${ledgerId}`, async (client) => {
    await lockFence(client, ledgerId, fence);
    const { rowCount } = await client.query(
      'INSERT INTO checkpoint (ledger_id, size, note) VALUES ($1, $2, $3) ON CONFLICT (ledger_id, size) DO NOTHING',
      [ledgerId, size, note],
    );
    if (rowCount === 1) return;
    const stored = await client.query<{ note: string }>(
      'SELECT note FROM checkpoint WHERE ledger_id = $1 AND size = $2',
      [ledgerId, size],
    );
    if (stored.rows[0]?.note !== note) {
      throw new StoreError(
        'store.checkpoint-conflict',
        `another checkpoint of size ${size} stands in ledger ${ledgerId}`,
      );
    }
  });
}

/** The checkpoint of exactly this size, or null. */
export async function checkpointAt(pool: Pool, ledgerId: number, size: number): Promise<CheckpointRow | null> {
  return onConnection(pool, `reading checkpoint ${size} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CheckpointRow>(
      'SELECT size, note FROM checkpoint WHERE ledger_id = $1 AND size = $2',
      [ledgerId, size],
    );
    return rows[0] ?? null;
  });
}

/** The checkpoint of the largest size, or null. */
export async function newestCheckpoint(pool: Pool, ledgerId: number): Promise<CheckpointRow | null> {
  return onConnection(pool, `reading the newest checkpoint of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CheckpointRow>(
      'SELECT size, note FROM checkpoint WHERE ledger_id = $1 ORDER BY size DESC LIMIT 1',
      [ledgerId],
    );
    return rows[0] ?? null;
  });
}

/** Checkpoints larger than `size`, by size, at most `most`. */
export async function checkpointsAfter(
  pool: Pool,
  ledgerId: number,
  size: number,
  most: number,
): Promise<CheckpointRow[]> {
  return onConnection(pool, `reading checkpoints of ledger ${ledgerId} after ${size}`, async (client) => {
    const { rows } = await client.query<CheckpointRow>(
      'SELECT size, note FROM checkpoint WHERE ledger_id = $1 AND size > $2 ORDER BY size LIMIT $3',
      [ledgerId, size, most],
    );
    return rows;
  });
}

/** Checkpoint rows that reading by size may pass by: of no size, or more than one of a size. Null when there are none. */
export async function strayCheckpoint(pool: Pool, ledgerId: number): Promise<{ size: number | null } | null> {
  return onConnection(pool, `looking for stray checkpoints of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ size: number | null }>(
      `SELECT size FROM checkpoint WHERE ledger_id = $1
       GROUP BY size HAVING count(*) > 1 OR size IS NULL ORDER BY size LIMIT 1`,
      [ledgerId],
    );
    return rows[0] ?? null;
  });
}
