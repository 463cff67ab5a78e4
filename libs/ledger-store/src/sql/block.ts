/**
 * Tables `block` and `block_body`: the one transaction that appends to a ledger, and reading block rows without bodies.
 * Bodies are read by sql/body.ts.
 */
import type { Pool, PoolClient } from 'pg';
import type { Hash, Timestamp } from '@everseal/audit-core';
import { HeadMoved } from '../store-error.js';
import { inTransaction, onConnection } from '../transaction.js';
import { frameValues, keepFrames, sealFrames, type SealedFrame, type WaitingFrame } from './frame.js';
import { insertGaps, type GapRow } from './gap.js';
import { lockHead, moveCursor, type ExpectedHead, type StreamCursor } from './head.js';
import { insertTiles, tileValues, type TileRow } from './tile.js';

export interface BlockRow {
  height: number;
  /** Index of the first entry it covers, and of the first entry after its own note. */
  first: number;
  next: number;
  /** Entries it covers, its own note not counted: next − first − 1. */
  entries: number;
  /** Leaf hash of the block note. */
  hash: Hash;
  sealed: Timestamp;
}

export interface BlockWrite {
  /** The head before this block: height − 1, its first, its previous. */
  expect: ExpectedHead;
  block: BlockRow;
  /** Its entries and its note in entry-bundle encoding. */
  body: Buffer;
  /** Tiles that this block completed, any order. */
  tiles: readonly TileRow[];
  /** Frames in this block; some of them may have waited. */
  frames: readonly SealedFrame[];
  gaps: readonly GapRow[];
  /** Frames met on the way to `cursor` that stay out of this block. */
  waiting: readonly WaitingFrame[];
  /** The head after this block, where it does not follow from the block. */
  frontier: readonly Hash[];
  keysIndex: number;
  cursor: StreamCursor;
}

/**
 * Appends one block: everything of it, or nothing. Four statements, however much there is: on a busy machine the way there
 * and back costs more than the work (docs/decisions/0067).
 *
 * @throws FenceLost, HeadMoved: stop. CommitUnknown: read the head; this block's height and hash there mean it is stored,
 *   the expected ones that it is not. StoreUnavailable: nothing was stored
 */
export async function commitBlock(pool: Pool, write: BlockWrite): Promise<void> {
  const { block, gaps, waiting, frames } = write;
  const { ledgerId } = write.expect;
  await inTransaction(pool, `committing block ${block.height} of ledger ${ledgerId}`, async (client) => {
    // Until COMMIT a crash of either side leaves nothing behind: whoever comes next finds the old head.
    await moveHead(client, write);
    const sealed = await insertBlock(client, write);
    if (sealed !== frames.length) {
      const known = `${frames.length - sealed} of ${frames.length} frames of ledger ${ledgerId}`;
      throw new HeadMoved(`${known} are sealed already`);
    }
    await insertGaps(client, ledgerId, gaps);
    await keepFrames(client, ledgerId, waiting);
    // From here on the block is stored or not, and only the head row can tell which.
  });
}

/** Locks the head and moves it to the block, if it is what the writer believes. @throws as lockHead */
async function moveHead(client: PoolClient, { expect, block, frontier, keysIndex, cursor }: BlockWrite): Promise<void> {
  const { ledgerId, fence, height, size, previous } = expect;
  const { rowCount } = await client.query(
    `UPDATE ledger_head SET height = $6, size = $7, previous = $8, frontier = $9, sealed = $10, keys_index = $11,
            stream_epoch = $12, stream_created = $13, stream_sequence = $14, stream_hash = $15
     WHERE ledger_id = $1 AND fence = $2 AND height = $3 AND size = $4 AND previous IS NOT DISTINCT FROM $5
       AND state = 'open'`,
    [
      ledgerId,
      fence,
      height,
      size,
      previous,
      block.height,
      block.next,
      block.hash,
      Buffer.concat(frontier),
      block.sealed,
      keysIndex,
      cursor.epoch,
      cursor.created,
      cursor.sequence,
      cursor.hash,
    ],
  );
  if (rowCount === 1) return;
  await lockHead(client, expect);
  throw new HeadMoved(`the head of ledger ${ledgerId} was not as expected, and now it is`);
}

/** @returns how many of its frames were sealed by this: fewer when one was before */
async function insertBlock(client: PoolClient, { expect, block, body, tiles, frames }: BlockWrite): Promise<number> {
  const { rows } = await client.query<{ sealed: number }>(
    `WITH new_block AS (
       INSERT INTO block (ledger_id, height, first, next, entries, hash, sealed)
       VALUES ($1::smallint, $2::bigint, $3, $4, $5, $6, $7)
     ), new_body AS (
       INSERT INTO block_body (ledger_id, height, body) VALUES ($1::smallint, $2::bigint, $8)
     ), new_tiles AS (
       ${insertTiles(9)}
     ), new_frames AS (
       ${sealFrames(13)} RETURNING 1
     )
     SELECT count(*) AS sealed FROM new_frames`,
    [
      expect.ledgerId,
      block.height,
      block.first,
      block.next,
      block.entries,
      block.hash,
      block.sealed,
      body,
      ...tileValues(tiles),
      ...frameValues(frames),
    ],
  );
  return rows[0]!.sealed;
}

/**
 * Moves the cursor without a block: past frames that are sealed already, or that wait.
 *
 * @throws as commitBlock
 */
export async function advanceCursor(
  pool: Pool,
  expect: ExpectedHead,
  cursor: StreamCursor,
  waiting: readonly WaitingFrame[],
): Promise<void> {
  const { ledgerId } = expect;
  await inTransaction(pool, `moving the cursor of ledger ${ledgerId} to ${cursor.sequence}`, async (client) => {
    await lockHead(client, expect);
    await keepFrames(client, ledgerId, waiting);
    await moveCursor(client, ledgerId, cursor);
  });
}

const COLUMNS = 'height, first, next, entries, hash, sealed';

/** Block rows from a height on, at most `most`, by height. */
export async function readBlocks(pool: Pool, ledgerId: number, from: number, most: number): Promise<BlockRow[]> {
  return onConnection(pool, `reading blocks of ledger ${ledgerId} from ${from}`, async (client) => {
    const { rows } = await client.query<BlockRow>(
      `SELECT ${COLUMNS} FROM block WHERE ledger_id = $1 AND height >= $2 ORDER BY height LIMIT $3`,
      [ledgerId, from, most],
    );
    return rows;
  });
}

/** The block that holds an entry (or whose own note it is), or null when the log does not reach that far. */
export async function blockOf(pool: Pool, ledgerId: number, position: number): Promise<BlockRow | null> {
  return onConnection(pool, `looking up entry ${position} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<BlockRow>(
      `SELECT ${COLUMNS} FROM block WHERE ledger_id = $1 AND next > $2 ORDER BY next LIMIT 1`,
      [ledgerId, position],
    );
    return rows[0] ?? null;
  });
}

/** Whether a block of this height stands, whatever its row says. */
export async function blockStands(pool: Pool, ledgerId: number, height: number): Promise<boolean> {
  return onConnection(pool, `looking for block ${height} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query('SELECT FROM block WHERE ledger_id = $1 AND height = $2', [ledgerId, height]);
    return rows.length > 0;
  });
}

/** Block rows that no log can have: of a negative height, of none, or more than one of a height. Null when there are none. */
export async function strayBlock(
  pool: Pool,
  ledgerId: number,
): Promise<{ height: number | null; isTwice: boolean } | null> {
  return onConnection(pool, `looking for stray blocks of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ height: number | null; isTwice: boolean }>(
      `SELECT height, count(*) > 1 AS "isTwice" FROM block WHERE ledger_id = $1
       GROUP BY height HAVING count(*) > 1 OR height < 0 OR height IS NULL ORDER BY height LIMIT 1`,
      [ledgerId],
    );
    return rows[0] ?? null;
  });
}
