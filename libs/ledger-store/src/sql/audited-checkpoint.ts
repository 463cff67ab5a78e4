/** Stored checkpoints as an auditor wants them: one that covers an entry and is cosigned, and one of every day. */
import type { Pool } from 'pg';
import { copyOut, integer } from '../copy/copy-out.js';
import { readInt8 } from '../copy/row-parser.js';
import { StoreError } from '../store-error.js';
import { onConnection } from '../transaction.js';
import type { CheckpointRow } from './checkpoint.js';

const MOST_NOTE_BYTES = 65_536;

/**
 * The checkpoint over an entry that a verifier has cosigned: of the smallest size, so the one that was there first, or of the
 * largest. Null when there is none.
 */
export async function cosignedCheckpoint(
  pool: Pool,
  ledgerId: number,
  position: number,
  which: 'first' | 'newest',
): Promise<CheckpointRow | null> {
  return onConnection(pool, `looking for a cosigned checkpoint of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CheckpointRow>(
      `SELECT size, note FROM checkpoint c WHERE ledger_id = $1 AND size > $2
         AND EXISTS (SELECT FROM cosignature s WHERE s.ledger_id = c.ledger_id AND s.size = c.size)
       ORDER BY size ${which === 'first' ? 'ASC' : 'DESC'} LIMIT 1`,
      [ledgerId, position],
    );
    return rows[0] ?? null;
  });
}

/** The last checkpoint of every day (UTC, by the time of its block) up to a size, by size, in the groups that they arrive in. */
export async function* dailyCheckpoints(pool: Pool, ledgerId: number, upTo: number): AsyncGenerator<CheckpointRow[]> {
  const query = `
    SELECT c.size, c.note FROM everseal.checkpoint c JOIN (
      SELECT max(k.size) AS size FROM everseal.checkpoint k
      JOIN everseal.block b ON b.ledger_id = k.ledger_id AND b.next = k.size
      WHERE k.ledger_id = ${integer(ledgerId)} AND k.size <= ${integer(upTo)}
      GROUP BY date_trunc('day', b.sealed AT TIME ZONE 'UTC')
    ) AS daily ON daily.size = c.size WHERE c.ledger_id = ${integer(ledgerId)} ORDER BY c.size`;
  for await (const rows of copyOut(pool, query, MOST_NOTE_BYTES, `reading daily checkpoints of ledger ${ledgerId}`)) {
    yield rows.map(([size, note]) => {
      if (!size || !note) throw new StoreError('store.unexpected-value', 'a checkpoint row has a null');
      return { size: readInt8(size), note: note.toString('utf8') };
    });
  }
}
