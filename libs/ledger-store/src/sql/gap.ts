/**
 * Table `gap`: the gap records of a ledger, so that a sealer that starts knows the open debts without reading the log.
 * A projection: the records themselves are entries of the log.
 */
import type { Pool, PoolClient } from 'pg';
import { onConnection } from '../transaction.js';

export interface GapRow {
  ingester: string;
  /** First and last missing frame number. */
  first: number;
  last: number;
  cause: 'lost' | 'key-revoked' | 'malformed';
  /** Index of the gap record in the log. */
  position: number;
}

/** Part of a block's transaction. */
export async function insertGaps(client: PoolClient, ledgerId: number, gaps: readonly GapRow[]): Promise<void> {
  for (const { ingester, first, last, cause, position } of gaps) {
    await client.query(
      'INSERT INTO gap (ledger_id, ingester, first, last, cause, position) VALUES ($1, $2, $3, $4, $5, $6)',
      [ledgerId, ingester, first, last, cause, position],
    );
  }
}

/** All gaps of a ledger, by ingester and first number. */
export async function listGaps(pool: Pool, ledgerId: number): Promise<GapRow[]> {
  return onConnection(pool, `listing the gaps of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<GapRow>(
      'SELECT ingester, first, last, cause, position FROM gap WHERE ledger_id = $1 ORDER BY ingester, first',
      [ledgerId],
    );
    return rows;
  });
}
