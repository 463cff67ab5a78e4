/**
 * Table `cosignature`: what verifiers and other witnesses signed about a stored checkpoint, the first line of each for a
 * size. Later ones of the same key and size (a witness signs with its own time) are heartbeats and are not kept.
 */
import type { Pool } from 'pg';
import { autocommit, onConnection } from '../transaction.js';

export interface CosignatureRow {
  size: number;
  /** Key name and key id of the cosigner. */
  signer: string;
  keyId: Buffer;
  /** The signature line. */
  line: string;
}

/** Stores a cosignature unless that key has one for this size. */
export async function insertCosignature(
  pool: Pool,
  ledgerId: number,
  { size, signer, keyId, line }: CosignatureRow,
): Promise<void> {
  await autocommit(
    pool,
    `storing the cosignature of ${signer} on ${size} of ledger ${ledgerId}`,
    `INSERT INTO cosignature (ledger_id, size, signer, key_id, line) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (ledger_id, size, signer, key_id) DO NOTHING`,
    [ledgerId, size, signer, keyId, line],
  );
}

/** Cosignatures on the checkpoint of a size, by signer. */
export async function cosignaturesAt(pool: Pool, ledgerId: number, size: number): Promise<CosignatureRow[]> {
  return onConnection(pool, `reading cosignatures on ${size} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CosignatureRow>(
      `SELECT size, signer, key_id AS "keyId", line FROM cosignature
       WHERE ledger_id = $1 AND size = $2 ORDER BY signer, key_id`,
      [ledgerId, size],
    );
    return rows;
  });
}

/** Of the newest checkpoints, so many are looked through for a signer. */
const NEWEST = 100_000;

/** The newest stored cosignature of a key, with the checkpoint that stands at its size; null when there is none. */
export async function newestCosignatureBy(
  pool: Pool,
  ledgerId: number,
  signer: string,
  keyId: Buffer,
): Promise<{ size: number; note: string; line: string } | null> {
  return onConnection(pool, `looking for cosignatures of ${signer} in ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ size: number; note: string; line: string }>(
      `SELECT s.size, c.note, s.line
       FROM (SELECT size, note FROM checkpoint WHERE ledger_id = $1 ORDER BY size DESC LIMIT ${NEWEST}) AS c
       JOIN cosignature s ON s.ledger_id = $1 AND s.size = c.size AND s.signer = $2 AND s.key_id = $3
       ORDER BY s.size DESC LIMIT 1`,
      [ledgerId, signer, keyId],
    );
    return rows[0] ?? null;
  });
}
