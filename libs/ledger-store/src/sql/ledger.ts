/** Table `ledger`: the number that stands for an origin in every primary key. */
import type { Pool } from 'pg';
import { inTransaction, onConnection } from '../transaction.js';
import { HeadMoved } from '../store-error.js';
import type { StreamCursor } from './head.js';

export interface Ledger {
  ledgerId: number;
  origin: string;
}

/** All ledgers of the database, by number. */
export async function listLedgers(pool: Pool): Promise<Ledger[]> {
  return onConnection(pool, 'listing the ledgers', async (client) => {
    const { rows } = await client.query<Ledger>(
      'SELECT ledger_id AS "ledgerId", origin FROM ledger ORDER BY ledger_id',
    );
    return rows;
  });
}

/** The number of a ledger, or null when it was not created. */
export async function findLedger(pool: Pool, origin: string): Promise<number | null> {
  return onConnection(pool, `looking up ledger ${origin}`, async (client) => {
    const { rows } = await client.query<Ledger>('SELECT ledger_id AS "ledgerId" FROM ledger WHERE origin = $1', [
      origin,
    ]);
    return rows[0]?.ledgerId ?? null;
  });
}

/**
 * Creates a ledger without blocks and its two head rows; the number is the database's choice.
 *
 * @param cursor where in which stream its first frame will be looked for; sequence 0 and hash null at the beginning
 * @returns the ledger's number, also when it existed (its head is then left as it is)
 */
export async function createLedger(pool: Pool, origin: string, cursor: StreamCursor): Promise<number> {
  const existing = await findLedger(pool, origin);
  if (existing !== null) return existing;
  try {
    return await insertLedger(pool, origin, cursor);
  } catch (error) {
    // Another standby created it between the two statements.
    const created = error instanceof HeadMoved ? await findLedger(pool, origin) : null;
    if (created === null) throw error;
    return created;
  }
}

async function insertLedger(pool: Pool, origin: string, cursor: StreamCursor): Promise<number> {
  return inTransaction(pool, `creating ledger ${origin}`, async (client) => {
    const { rows } = await client.query<Ledger>(
      'INSERT INTO ledger (origin) VALUES ($1) RETURNING ledger_id AS "ledgerId"',
      [origin],
    );
    const { ledgerId } = rows[0]!;
    await client.query(
      `INSERT INTO ledger_head (ledger_id, height, size, previous, frontier, sealed, keys_index, stream_epoch,
         stream_created, stream_sequence, stream_hash, holder, fence, lease_until, state)
       VALUES ($1, -1, 0, NULL, '', NULL, 0, $2, $3, $4, $5, NULL, 0, NULL, 'open')`,
      [ledgerId, cursor.epoch, cursor.created, cursor.sequence, cursor.hash],
    );
    await client.query('INSERT INTO index_head (ledger_id, position) VALUES ($1, 0)', [ledgerId]);
    return ledgerId;
  });
}
