/** Table `anchor`: proofs by third parties that a stored checkpoint existed (RFC 3161 tokens, other logs, archives). */
import type { Pool } from 'pg';
import { autocommit, onConnection } from '../transaction.js';

export interface AnchorRow {
  size: number;
  /** What it is, e.g. `rfc3161`. */
  kind: string;
  /** Where it was made; one anchor for a size, kind and target. */
  target: string;
  /** The proof as the target gave it, at most 1 MiB. */
  evidence: Buffer;
}

/** Stores an anchor unless there is one for this size, kind and target. */
export async function insertAnchor(
  pool: Pool,
  ledgerId: number,
  { size, kind, target, evidence }: AnchorRow,
): Promise<void> {
  await autocommit(
    pool,
    `storing the ${kind} anchor of ${size} of ledger ${ledgerId}`,
    `INSERT INTO anchor (ledger_id, size, kind, target, evidence) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (ledger_id, size, kind, target) DO NOTHING`,
    [ledgerId, size, kind, target, evidence],
  );
}

/** Anchors of sizes larger than `size`, by size, at most `most`. */
export async function anchorsAfter(pool: Pool, ledgerId: number, size: number, most: number): Promise<AnchorRow[]> {
  return onConnection(pool, `reading anchors of ledger ${ledgerId} after ${size}`, async (client) => {
    const { rows } = await client.query<AnchorRow>(
      `SELECT size, kind, target, evidence FROM anchor WHERE ledger_id = $1 AND size > $2
       ORDER BY size, kind, target LIMIT $3`,
      [ledgerId, size, most],
    );
    return rows;
  });
}
