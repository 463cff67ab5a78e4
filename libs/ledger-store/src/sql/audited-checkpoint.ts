/** Stored checkpoints as an auditor wants them: one that covers an entry and is cosigned, and one of every day. */
import type { Pool } from 'pg';
import { copyOut, integer } from '../copy/copy-out.js';
import { readInt8 } from '../copy/row-parser.js';
import { StoreError } from '../store-error.js';
import { onConnection } from '../transaction.js';
import type { CheckpointRow } from './checkpoint.js';
import { linesOn } from './cosignature.js';
import type { CosignedCheckpoint } from './published.js';

const MOST_NOTE_BYTES = 65_536;

export interface CosignedSearch {
  /** Entry that they are to cover. */
  over: number;
  /** From the smallest size on, so those that were there first, or from the largest down. */
  which: 'first' | 'newest';
  /** Size of the last one that is known already, to go on behind it; null to begin. */
  behind: number | null;
  /** Key names of which one must be among the cosigners; null for anybody. */
  signers: readonly string[] | null;
  most: number;
}

/** Checkpoints over an entry that were cosigned, with the cosignatures. What nobody of these signed costs an index look each. */
export async function cosignedCheckpoints(
  pool: Pool,
  ledgerId: number,
  { over, which, behind, signers, most }: CosignedSearch,
): Promise<CosignedCheckpoint[]> {
  const [order, side] = which === 'first' ? ['ASC', '>'] : ['DESC', '<'];
  return onConnection(pool, `looking for cosigned checkpoints of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CosignedCheckpoint>(
      `SELECT size, note, ${linesOn('c')} AS cosignatures
       FROM checkpoint c WHERE ledger_id = $1 AND size > $2 AND ($3::bigint IS NULL OR size ${side} $3)
         AND EXISTS (SELECT FROM cosignature s WHERE s.ledger_id = c.ledger_id AND s.size = c.size
                       AND ($4::text[] IS NULL OR s.signer = ANY($4)))
       ORDER BY size ${order} LIMIT $5`,
      [ledgerId, over, behind, signers, most],
    );
    return rows;
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
