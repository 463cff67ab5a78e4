/**
 * Putting one lost block back: the same rows that sealing it had written, in one transaction, under the fence. What stands
 * already is compared and never changed, so a block may be put back twice, and beside rows that survived.
 *
 * The cursor of the stream stays where it is. An older one is safe: frames that are sealed are skipped by their hash. A newer
 * one would skip frames that nobody sealed.
 */
import type { Pool, PoolClient } from 'pg';
import { equalHash, type Hash } from '@everseal/audit-core';
import { HeadMoved, StoreError } from '../store-error.js';
import { inTransaction } from '../transaction.js';
import type { BlockRow } from './block.js';
import type { SealedFrame } from './frame.js';
import type { GapRow } from './gap.js';
import { lockFence } from './head.js';
import type { TileRow } from './tile.js';

export interface RestoredBlock {
  readonly block: BlockRow;
  /** Leaf hash of the block note before; null at height 0. */
  readonly previous: Hash | null;
  /** Its entries and its note in entry-bundle encoding. */
  readonly body: Buffer;
  /** Tiles that this block completed. */
  readonly tiles: readonly TileRow[];
  readonly frames: readonly Omit<SealedFrame, 'sequence'>[];
  readonly gaps: readonly GapRow[];
  /** The head after this block. */
  readonly frontier: readonly Hash[];
  readonly keysIndex: number;
}

/**
 * Puts a block back, all of it or nothing. The head moves when this is the block after it; a head at or beyond it stays.
 *
 * @throws FenceLost; HeadMoved when the block does not continue the head. StoreError store.ledger-closed;
 *   store.unexpected-value when a row stands there that is not this block's. CommitUnknown: do it again
 */
export async function restoreBlock(
  pool: Pool,
  ledgerId: number,
  fence: number,
  restored: RestoredBlock,
): Promise<void> {
  const { block } = restored;
  await inTransaction(pool, `restoring block ${block.height} of ledger ${ledgerId}`, async (client) => {
    const head = await lockFence(client, ledgerId, fence);
    if (head.state !== 'open') {
      throw new StoreError('store.ledger-closed', `ledger ${ledgerId} is closed: use its successor`);
    }
    // Until COMMIT a crash of either side leaves nothing behind: the same block is put back by the next run.
    await restoreBlockRow(client, ledgerId, block);
    await restoreBody(client, ledgerId, block.height, restored.body);
    await restoreTiles(client, ledgerId, restored.tiles);
    await restoreFrames(client, ledgerId, restored.frames);
    await restoreGaps(client, ledgerId, restored.gaps);
    if (head.height < block.height) await moveHead(client, ledgerId, fence, head, restored);
  });
}

async function restoreBlockRow(client: PoolClient, ledgerId: number, block: BlockRow): Promise<void> {
  const { height, first, next, entries, hash, sealed } = block;
  const values = [ledgerId, height, first, next, entries, hash, sealed];
  await client.query(
    `INSERT INTO block (ledger_id, height, first, next, entries, hash, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (ledger_id, height) DO NOTHING`,
    values,
  );
  const same = `SELECT FROM block WHERE ledger_id = $1 AND height = $2 AND first = $3 AND next = $4 AND entries = $5
    AND hash = $6 AND sealed = $7`;
  await requireRows(client, same, values, 1, `the row of block ${height}`);
}

async function restoreBody(client: PoolClient, ledgerId: number, height: number, body: Buffer): Promise<void> {
  const values = [ledgerId, height, body];
  const { rowCount } = await client.query(
    `INSERT INTO block_body (ledger_id, height, body) VALUES ($1, $2, $3) ON CONFLICT (ledger_id, height) DO NOTHING`,
    values,
  );
  if (rowCount === 1) return; // sent once, not twice
  const same = 'SELECT FROM block_body WHERE ledger_id = $1 AND height = $2 AND body = $3';
  await requireRows(client, same, values, 1, `the body of block ${height}`);
}

async function restoreTiles(client: PoolClient, ledgerId: number, tiles: readonly TileRow[]): Promise<void> {
  for (const { level, number, data, root } of tiles) {
    const values = [ledgerId, level, number, data, root];
    await client.query(
      `INSERT INTO tile (ledger_id, level, number, data, root) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (ledger_id, level, number) DO NOTHING`,
      values,
    );
    const same = `SELECT FROM tile WHERE ledger_id = $1 AND level = $2 AND number = $3 AND data = $4 AND root = $5`;
    await requireRows(client, same, values, 1, `tile ${level}/${number}`);
  }
}

/** A frame that waits gets its position, as it did when it was sealed. */
async function restoreFrames(
  client: PoolClient,
  ledgerId: number,
  frames: readonly Omit<SealedFrame, 'sequence'>[],
): Promise<void> {
  if (frames.length === 0) return;
  const values = [
    ledgerId,
    Buffer.concat(frames.map(({ hash }) => hash)),
    frames.map(({ ingester }) => ingester),
    frames.map(({ number }) => number),
    frames.map(({ position }) => position),
  ];
  const given = `unnest($3::text[], $4::bigint[], $5::bigint[]) WITH ORDINALITY AS f (ingester, number, position, ordinal)`;
  const hash = 'substring($2::bytea FROM (f.ordinal::integer - 1) * 32 + 1 FOR 32)';
  await client.query(
    `INSERT INTO frame (ledger_id, ingester, number, hash, position)
     SELECT $1, f.ingester, f.number, ${hash}, f.position FROM ${given}
     ON CONFLICT (ledger_id, ingester, number, hash) DO UPDATE SET position = excluded.position
       WHERE frame.position IS NULL`,
    values,
  );
  const same = `SELECT FROM ${given} JOIN frame s ON s.ledger_id = $1 AND s.ingester = f.ingester
    AND s.number = f.number AND s.hash = ${hash} AND s.position = f.position`;
  await requireRows(client, same, values, frames.length, `the rows of its ${frames.length} frames`);
}

async function restoreGaps(client: PoolClient, ledgerId: number, gaps: readonly GapRow[]): Promise<void> {
  for (const { ingester, first, last, cause, position } of gaps) {
    const values = [ledgerId, ingester, first, last, cause, position];
    await client.query(
      `INSERT INTO gap (ledger_id, ingester, first, last, cause, position) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (ledger_id, ingester, first) DO NOTHING`,
      values,
    );
    const same = `SELECT FROM gap WHERE ledger_id = $1 AND ingester = $2 AND first = $3 AND last = $4 AND cause = $5
      AND position = $6`;
    await requireRows(client, same, values, 1, `the gap of ${ingester} at ${first}`);
  }
}

async function requireRows(
  client: PoolClient,
  query: string,
  values: unknown[],
  rows: number,
  what: string,
): Promise<void> {
  const { rowCount } = await client.query(query, values);
  if (rowCount === rows) return;
  throw new StoreError('store.unexpected-value', `${what} stands in the database and is not what the log says`);
}

async function moveHead(
  client: PoolClient,
  ledgerId: number,
  fence: number,
  head: { height: number; size: number; previous: Hash | null },
  { block, previous, frontier, keysIndex }: RestoredBlock,
): Promise<void> {
  const follows = head.previous && previous ? equalHash(head.previous, previous) : head.previous === previous;
  if (head.height !== block.height - 1 || head.size !== block.first || !follows) {
    const at = `height ${head.height}, size ${head.size}`;
    throw new HeadMoved(`the head of ledger ${ledgerId} (${at}) is not what block ${block.height} continues`);
  }
  const { rowCount } = await client.query(
    `UPDATE ledger_head SET height = $3, size = $4, previous = $5, frontier = $6, sealed = $7, keys_index = $8
     WHERE ledger_id = $1 AND fence = $2`,
    [ledgerId, fence, block.height, block.next, block.hash, Buffer.concat(frontier), block.sealed, keysIndex],
  );
  if (rowCount !== 1) throw new HeadMoved(`the head of ledger ${ledgerId} vanished under its lock`);
}
