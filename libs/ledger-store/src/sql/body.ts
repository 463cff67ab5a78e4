/**
 * Reading blocks with their bodies, by binary COPY: bytea as text would be twice the bytes and a conversion on each side.
 *
 * What comes back is what is stored, however damaged: a block without a body, or with one that is larger than any valid
 * block, is still given to the caller (with `body` null), who says what is wrong with it. Only a missing block row is
 * seen as a missing height.
 */
import type { Pool } from 'pg';
import { MOST_ENTRY_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_ENTRIES, type Hash } from '@everseal/audit-core';
import { copyOut, integer } from '../copy/copy-out.js';
import { readInt8, type CopyRow } from '../copy/row-parser.js';
import { StoreError } from '../store-error.js';

export interface StoredBlock {
  height: number;
  first: number;
  next: number;
  entries: number;
  /** Leaf hash of the block note, as stored beside the body. */
  hash: Hash;
  /** Entry bundle; null when the row is missing or larger than MAX_BODY_BYTES. */
  body: Buffer | null;
  /** Length of the stored body; null when the row is missing. */
  bodyBytes: number | null;
}

/** Entries of a block, its note, and the two bytes of length before each. */
export const MAX_BODY_BYTES = MAX_BLOCK_BYTES + MOST_ENTRY_BYTES + 2 * (MAX_BLOCK_ENTRIES + 1);

/**
 * Blocks with bodies from a height on, by height, as one snapshot of the database. Memory: one body (and what the
 * caller keeps). Leaving the loop early costs a connection.
 *
 * @param most how many blocks at most. A sweep asks again and again: one long COPY would keep the server from cleaning up
 * @throws StoreError; store.unsafe-integer when a number in a row is beyond 2^53
 */
export async function* readBodies(
  pool: Pool,
  ledgerId: number,
  from: number,
  most: number,
): AsyncGenerator<StoredBlock> {
  const blocks = `SELECT * FROM everseal.block WHERE ledger_id = ${integer(ledgerId)} AND height >= ${integer(from)}
                  ORDER BY height LIMIT ${integer(most)}`;
  yield* copyBlocks(pool, blocks, `reading bodies of ledger ${ledgerId} from height ${from}`);
}

/** The block with its body that holds this entry (or whose own note it is); null when the log does not reach that far. */
export async function bodyOf(pool: Pool, ledgerId: number, position: number): Promise<StoredBlock | null> {
  const blocks = `SELECT * FROM everseal.block WHERE ledger_id = ${integer(ledgerId)} AND next > ${integer(position)}
                  ORDER BY next LIMIT 1`;
  let found: StoredBlock | null = null;
  // To the end, not to the first row: leaving a COPY early costs the connection.
  for await (const block of copyBlocks(pool, blocks, `reading the body of entry ${position} of ledger ${ledgerId}`)) {
    found = block;
  }
  return found !== null && found.first <= position ? found : null;
}

/** COPY takes no parameters; integer() lets nothing but digits into `blocks`. */
async function* copyBlocks(pool: Pool, blocks: string, doing: string): AsyncGenerator<StoredBlock> {
  const query = `
    SELECT b.height, b.first, b.next, b.entries, b.hash, octet_length(d.body),
           CASE WHEN octet_length(d.body) <= ${MAX_BODY_BYTES} THEN d.body END
    FROM (${blocks}) AS b
    LEFT JOIN everseal.block_body d ON d.ledger_id = b.ledger_id AND d.height = b.height
    ORDER BY b.height`;
  for await (const rows of copyOut(pool, query, MAX_BODY_BYTES, doing)) {
    for (const row of rows) yield storedBlock(row);
  }
}

function storedBlock(row: CopyRow): StoredBlock {
  const [height, first, next, entries, hash, bodyBytes, body] = row;
  if (!height || !first || !next || !entries || !hash || row.length !== 7) {
    throw new StoreError('store.unexpected-value', 'a block row has a null where a value belongs');
  }
  return {
    height: readInt8(height),
    first: readInt8(first),
    next: readInt8(next),
    entries: entries.readInt32BE(0),
    // A copy: a view would keep a whole chunk of the socket alive for 32 bytes.
    hash: Buffer.from(hash),
    bodyBytes: bodyBytes?.readInt32BE(0) ?? null,
    body: body ?? null,
  };
}
