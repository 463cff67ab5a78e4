/**
 * Table `ledger_head`: where a ledger stands. One row a ledger, one of the two that are ever updated, and the row that
 * every writer locks first: whoever holds its lock and the fence in it is alone.
 */
import type { Pool, PoolClient } from 'pg';
import { equalHash, HASH_BYTES, type Hash, type Timestamp } from '@everseal/audit-core';
import { FenceLost, HeadMoved, StoreError } from '../store-error.js';
import { inTransaction, onConnection } from '../transaction.js';

/** Position in the frames stream: the identity of the stream, and the last message that was taken from it. */
export interface StreamCursor {
  epoch: string;
  /** The stream's creation time as JetStream tells it. */
  created: string;
  /** 0 before the first message. */
  sequence: number;
  /** SHA-256 of the message at `sequence`; null at 0. */
  hash: Hash | null;
}

export interface LedgerHead {
  ledgerId: number;
  origin: string;
  /** Height of the newest block; −1 when there is none. */
  height: number;
  /** Entries in the log, blocks' own notes included. */
  size: number;
  /** Leaf hash of the newest block note; null when there is none. */
  previous: Hash | null;
  /** Roots of the perfect subtrees of `size`, left to right. */
  frontier: Hash[];
  sealed: Timestamp | null;
  /** Index of the newest key set. */
  keysIndex: number;
  cursor: StreamCursor;
  holder: string | null;
  fence: number;
  /** Milliseconds until the lease ends by the database's clock, negative once it has; null without a holder. */
  leaseLeft: number | null;
  /** A closed ledger takes no more blocks; its successor does. */
  state: 'open' | 'closed';
}

interface HeadRow extends Omit<LedgerHead, 'frontier' | 'cursor'> {
  frontier: Buffer;
  epoch: string;
  created: string;
  sequence: number;
  hash: Buffer | null;
}

const HEAD = `
SELECT h.ledger_id AS "ledgerId", l.origin, h.height, h.size, h.previous, h.frontier, h.sealed,
       h.keys_index AS "keysIndex", h.stream_epoch AS epoch, h.stream_created AS created,
       h.stream_sequence AS sequence, h.stream_hash AS hash, h.holder, h.fence, h.state,
       (extract(epoch FROM h.lease_until - clock_timestamp()) * 1000)::bigint AS "leaseLeft"
FROM ledger_head h JOIN ledger l USING (ledger_id)
WHERE h.ledger_id = $1`;

/** @throws StoreError store.unexpected-value when there is no such ledger */
export async function readHead(pool: Pool, ledgerId: number): Promise<LedgerHead> {
  return onConnection(pool, `reading the head of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<HeadRow>(HEAD, [ledgerId]);
    const [row, second] = rows;
    if (!row) throw new StoreError('store.unexpected-value', `there is no ledger ${ledgerId} in this database`);
    if (second) throw new StoreError('store.unexpected-value', `ledger ${ledgerId} has more than one head row`);
    const { frontier, epoch, created, sequence, hash, ...head } = row;
    return { ...head, frontier: splitHashes(frontier), cursor: { epoch, created, sequence, hash } };
  });
}

/** A column of concatenated hashes. What is left over at its end is kept as a last, short one: never valid, never hidden. */
export function splitHashes(bytes: Buffer): Hash[] {
  const hashes: Hash[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) hashes.push(bytes.subarray(at, at + HASH_BYTES));
  return hashes;
}

/** What a writer believes about the head. */
export interface ExpectedHead {
  ledgerId: number;
  fence: number;
  height: number;
  size: number;
  previous: Hash | null;
}

/**
 * Locks the head row for this transaction and checks the fence. After this nobody else writes to the ledger, or takes
 * its lease, until the transaction ends.
 *
 * @returns the head as it is now
 * @throws FenceLost
 */
export async function lockFence(
  client: PoolClient,
  ledgerId: number,
  fence: number,
): Promise<Pick<LedgerHead, 'height' | 'size' | 'previous' | 'state'>> {
  const { rows } = await client.query<Pick<LedgerHead, 'height' | 'size' | 'previous' | 'fence' | 'state'>>(
    'SELECT height, size, previous, fence, state FROM ledger_head WHERE ledger_id = $1 FOR NO KEY UPDATE',
    [ledgerId],
  );
  const [head] = rows;
  if (head?.fence !== fence) {
    throw new FenceLost(`ledger ${ledgerId} has fence ${head?.fence ?? 'none'}, this writer has ${fence}`);
  }
  return head;
}

/**
 * lockFence, and the head must be what the writer believes.
 *
 * @throws FenceLost, HeadMoved, StoreError store.ledger-closed
 */
export async function lockHead(client: PoolClient, expected: ExpectedHead): Promise<void> {
  const { ledgerId, fence, height, size, previous } = expected;
  const head = await lockFence(client, ledgerId, fence);
  if (head.state !== 'open')
    throw new StoreError('store.ledger-closed', `ledger ${ledgerId} is closed: use its successor`);
  const samePrevious = head.previous && previous ? equalHash(head.previous, previous) : head.previous === previous;
  if (head.height !== height || head.size !== size || !samePrevious) {
    throw new HeadMoved(
      `ledger ${ledgerId} is at height ${head.height}, size ${head.size}; this writer expected height ${height}, ` +
        `size ${size}${samePrevious ? '' : ', and another previous block'}`,
    );
  }
}

/** Closes a ledger for good: its successor takes over (formats: Successor). Under the fence, like every write. */
export async function closeLedger(pool: Pool, ledgerId: number, fence: number): Promise<void> {
  await inTransaction(pool, `closing ledger ${ledgerId}`, async (client) => {
    await lockFence(client, ledgerId, fence);
    await client.query("UPDATE ledger_head SET state = 'closed' WHERE ledger_id = $1", [ledgerId]);
  });
}

/** Moves the cursor of a locked head; called in the transaction that stores what was read up to it. */
export async function moveCursor(client: PoolClient, ledgerId: number, cursor: StreamCursor): Promise<void> {
  await client.query(
    `UPDATE ledger_head SET stream_epoch = $2, stream_created = $3, stream_sequence = $4, stream_hash = $5
     WHERE ledger_id = $1`,
    [ledgerId, cursor.epoch, cursor.created, cursor.sequence, cursor.hash],
  );
}
