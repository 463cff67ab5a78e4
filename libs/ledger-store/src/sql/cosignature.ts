/**
 * Table `cosignature`: what verifiers and other witnesses signed about a stored checkpoint, the first line of each for a
 * size. Later ones of the same key and size (a witness signs with its own time) are heartbeats and are not kept.
 */
import type { Pool } from 'pg';
import { MOST_NOTE_LINES } from '@everseal/audit-core';
import { StoreError } from '../store-error.js';
import { autocommit, onConnection } from '../transaction.js';

/** Of a checkpoint no more are read: one more than a note has lines, so that too many are seen to be too many. */
export const MOST_COSIGNATURES = MOST_NOTE_LINES + 1;

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

/** Cosignatures on the checkpoint of a size, by signer. @throws StoreError store.unexpected-value: more than a note holds */
export async function cosignaturesAt(pool: Pool, ledgerId: number, size: number): Promise<CosignatureRow[]> {
  return onConnection(pool, `reading cosignatures on ${size} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<CosignatureRow>(
      `SELECT size, signer, key_id AS "keyId", line FROM cosignature
       WHERE ledger_id = $1 AND size = $2 ORDER BY signer, key_id LIMIT ${MOST_COSIGNATURES}`,
      [ledgerId, size],
    );
    if (rows.length === MOST_COSIGNATURES) {
      const message = `the checkpoint of size ${size} has more than ${MOST_NOTE_LINES} cosignatures, which no note can hold`;
      throw new StoreError('store.unexpected-value', message);
    }
    return rows;
  });
}

/** An SQL expression: the lines on the checkpoint of `alias`, by signer, as an array. @param alias of table `checkpoint` in the query around it */
export const linesOn = (alias: string): string => `ARRAY(
  SELECT s.line FROM cosignature s WHERE s.ledger_id = ${alias}.ledger_id AND s.size = ${alias}.size
  ORDER BY s.signer, s.key_id LIMIT ${MOST_COSIGNATURES})`;

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
