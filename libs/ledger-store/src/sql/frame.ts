/**
 * Table `frame`: every frame that was sealed, and every one that waits.
 *
 *   sealed       position, no bytes: the block holds them
 *   held         bytes, no position: ahead of its lane's head
 *   quarantined  as held, with the reason: a frame that may not be sealed as things are
 *
 * A waiting frame (held or quarantined) is sealed by the same statement as a new one: it gets its position, once, and a
 * trigger drops its bytes. Two frames of one number may wait, told apart by their hashes; one of a number is sealed.
 */
import type { Pool, PoolClient } from 'pg';
import type { Hash } from '@everseal/audit-core';
import { onConnection } from '../transaction.js';

export interface SealedFrame {
  ingester: string;
  number: number;
  /** Leaf hash of the frame note. */
  hash: Hash;
  /** Index of the frame note in the log. */
  position: number;
  /** Stream sequence it was read at; null (or 0) when it did not come through the stream. */
  sequence: number | null;
}

export interface WaitingFrame {
  ingester: string;
  /** 0 when the message is not a frame at all. */
  number: number;
  /** Leaf hash of the frame note, or SHA-256 of the message when it is not a frame at all. */
  hash: Hash;
  sequence: number | null;
  /** The whole frame message. */
  bytes: Buffer;
  /** Why it is quarantined, a verdict code; null when it is only held. */
  reason: string | null;
}

/** A frame that waits, without its bytes: `size` says how many they are. */
export type WaitingRow = Omit<WaitingFrame, 'bytes'> & { size: number };

/**
 * Part of the statement that inserts a block: gives its frames their positions, from parameter number `at` on
 * (frameValues). $1 is the ledger. Touches fewer rows than there are frames when one of them is sealed already.
 */
export function sealFrames(at: number): string {
  return `INSERT INTO frame (ledger_id, ingester, number, hash, position, sequence)
    SELECT $1::smallint, f.ingester, f.number, substring($${at}::bytea FROM (f.ordinal::integer - 1) * 32 + 1 FOR 32),
           f.position, f.sequence
    FROM unnest($${at + 1}::text[], $${at + 2}::bigint[], $${at + 3}::bigint[], $${at + 4}::bigint[])
         WITH ORDINALITY AS f (ingester, number, position, sequence, ordinal)
    ON CONFLICT (ledger_id, ingester, number, hash) DO UPDATE SET position = excluded.position
      WHERE frame.position IS NULL`;
}

export function frameValues(frames: readonly SealedFrame[]): unknown[] {
  return [
    Buffer.concat(frames.map(({ hash }) => hash)),
    frames.map(({ ingester }) => ingester),
    frames.map(({ number }) => number),
    frames.map(({ position }) => position),
    frames.map(({ sequence }) => sequence),
  ];
}

/** Part of a cursor's transaction: keeps the bytes of frames that wait. One that waits already is left as it is. */
export async function keepFrames(client: PoolClient, ledgerId: number, frames: readonly WaitingFrame[]): Promise<void> {
  for (const { ingester, number, hash, sequence, bytes, reason } of frames) {
    await client.query(
      `INSERT INTO frame (ledger_id, ingester, number, hash, sequence, bytes, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (ledger_id, ingester, number, hash) DO NOTHING`,
      [ledgerId, ingester, number, hash, sequence, bytes, reason],
    );
  }
}

/** The newest sealed frame of every ingester that ever sealed one, by ingester. */
export async function frameHeads(pool: Pool, ledgerId: number): Promise<SealedFrame[]> {
  return onConnection(pool, `reading the frame heads of ledger ${ledgerId}`, async (client) => {
    // Steps from ingester to ingester along the index: the table has a row for every frame ever sealed.
    const { rows } = await client.query<SealedFrame>(
      `WITH RECURSIVE lane AS (
         (SELECT ingester FROM frame WHERE ledger_id = $1 AND position IS NOT NULL ORDER BY ingester LIMIT 1)
         UNION ALL
         SELECT (SELECT f.ingester FROM frame f
                 WHERE f.ledger_id = $1 AND f.position IS NOT NULL AND f.ingester > lane.ingester
                 ORDER BY f.ingester LIMIT 1)
         FROM lane WHERE lane.ingester IS NOT NULL
       )
       SELECT newest.* FROM lane CROSS JOIN LATERAL (
         SELECT ingester, number, hash, position, sequence FROM frame
         WHERE ledger_id = $1 AND ingester = lane.ingester AND position IS NOT NULL
         ORDER BY number DESC LIMIT 1
       ) AS newest ORDER BY newest.ingester`,
      [ledgerId],
    );
    return rows;
  });
}

/** The sealed frames of one ingester among these numbers, by number; what is missing was not sealed. */
export async function framesAt(
  pool: Pool,
  ledgerId: number,
  ingester: string,
  numbers: readonly number[],
): Promise<SealedFrame[]> {
  return onConnection(pool, `looking up frames of ${ingester}`, async (client) => {
    const { rows } = await client.query<SealedFrame>(
      `SELECT ingester, number, hash, position, sequence FROM frame
       WHERE ledger_id = $1 AND ingester = $2 AND number = ANY ($3::bigint[]) AND position IS NOT NULL ORDER BY number`,
      [ledgerId, ingester, numbers],
    );
    return rows;
  });
}

/** Sealed frames of one ingester with numbers in [first, last], by number: what of a debt is paid. */
export async function framesBetween(
  pool: Pool,
  ledgerId: number,
  ingester: string,
  first: number,
  last: number,
): Promise<SealedFrame[]> {
  return onConnection(pool, `reading frames ${first} to ${last} of ${ingester}`, async (client) => {
    const { rows } = await client.query<SealedFrame>(
      `SELECT ingester, number, hash, position, sequence FROM frame
       WHERE ledger_id = $1 AND ingester = $2 AND number BETWEEN $3 AND $4 AND position IS NOT NULL ORDER BY number`,
      [ledgerId, ingester, first, last],
    );
    return rows;
  });
}

/** The sealed frame of one ingester with the smallest number above `number`; null when there is none. */
export async function sealedFrameAfter(
  pool: Pool,
  ledgerId: number,
  ingester: string,
  number: number,
): Promise<SealedFrame | null> {
  return onConnection(pool, `looking up the frame after ${number} of ${ingester}`, async (client) => {
    const { rows } = await client.query<SealedFrame>(
      `SELECT ingester, number, hash, position, sequence FROM frame
       WHERE ledger_id = $1 AND ingester = $2 AND number > $3 AND position IS NOT NULL ORDER BY number LIMIT 1`,
      [ledgerId, ingester, number],
    );
    return rows[0] ?? null;
  });
}

/**
 * Frames that wait, by ingester and number, the quarantined ones left out: those of one ingester from a number on, with
 * their bytes. At most `most` of them (a frame message is up to 768 KiB).
 */
export async function heldFrames(
  pool: Pool,
  ledgerId: number,
  ingester: string,
  from: number,
  most: number,
): Promise<WaitingFrame[]> {
  return onConnection(pool, `reading the held frames of ${ingester}`, async (client) => {
    const { rows } = await client.query<WaitingFrame>(
      `SELECT ingester, number, hash, sequence, bytes, reason FROM frame
       WHERE ledger_id = $1 AND ingester = $2 AND number >= $3 AND position IS NULL AND reason IS NULL
       ORDER BY number, hash LIMIT $4`,
      [ledgerId, ingester, from, most],
    );
    return rows;
  });
}

/** Everything that waits, quarantined or not, without the bytes. */
export async function waitingFrames(pool: Pool, ledgerId: number): Promise<WaitingRow[]> {
  return onConnection(pool, `listing the waiting frames of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<WaitingRow>(
      `SELECT ingester, number, hash, sequence, reason, octet_length(bytes) AS size FROM frame
       WHERE ledger_id = $1 AND position IS NULL ORDER BY ingester, number, hash`,
      [ledgerId],
    );
    return rows;
  });
}

/** A row that waits as none can: of a frame that is sealed, or without its bytes. Null when there is none. */
export async function strayWaiting(
  pool: Pool,
  ledgerId: number,
): Promise<Pick<WaitingFrame, 'ingester' | 'number'> | null> {
  return onConnection(pool, `looking for stray frames of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<Pick<WaitingFrame, 'ingester' | 'number'>>(
      `SELECT w.ingester, w.number FROM frame w
       WHERE w.ledger_id = $1 AND w.position IS NULL AND (w.bytes IS NULL OR EXISTS (
         SELECT FROM frame s WHERE s.ledger_id = $1 AND s.ingester = w.ingester AND s.number = w.number
           AND s.hash = w.hash AND s.position IS NOT NULL))
       ORDER BY w.ingester, w.number LIMIT 1`,
      [ledgerId],
    );
    return rows[0] ?? null;
  });
}
