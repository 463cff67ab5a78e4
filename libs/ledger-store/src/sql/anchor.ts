/** Table `anchor`: proofs by third parties that a stored checkpoint existed (RFC 3161 tokens, copies elsewhere), and what is to be anchored next. */
import type { Pool } from 'pg';
import { autocommit, onConnection } from '../transaction.js';
import type { CheckpointRow } from './checkpoint.js';

/** Where anchors are made; one for a size, kind and target. */
export interface AnchorPlace {
  /** What it is: `rfc3161`, `file`, `s3`. */
  kind: string;
  /** Its name in the settings. */
  target: string;
}

export interface AnchorRow extends AnchorPlace {
  size: number;
  /** The proof as the target gave it, at most 1 MiB. */
  evidence: Buffer;
}

export interface AnchoredRow extends AnchorRow {
  /** The signed checkpoint of this size; null when none stands. */
  note: string | null;
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

/** Size of the newest anchor of a kind and target; null before the first. */
export async function newestAnchored(
  pool: Pool,
  ledgerId: number,
  { kind, target }: AnchorPlace,
): Promise<number | null> {
  return onConnection(pool, `reading the newest ${kind} anchor of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ size: number | null }>(
      'SELECT max(size) AS size FROM anchor WHERE ledger_id = $1 AND kind = $2 AND target = $3',
      [ledgerId, kind, target],
    );
    return rows[0]?.size ?? null;
  });
}

/** Anchors of a kind and target of sizes larger than `size`, by size, at most `most`, each with the checkpoint of its size. */
export async function anchorsAfter(
  pool: Pool,
  ledgerId: number,
  { kind, target }: AnchorPlace,
  size: number,
  most: number,
): Promise<AnchoredRow[]> {
  return onConnection(pool, `reading ${kind} anchors of ledger ${ledgerId} after ${size}`, async (client) => {
    const { rows } = await client.query<AnchoredRow>(
      `SELECT size, kind, target, evidence, (SELECT min(note) FROM checkpoint c
         WHERE c.ledger_id = a.ledger_id AND c.size = a.size) AS note
       FROM anchor a WHERE ledger_id = $1 AND kind = $2 AND target = $3 AND size > $4 ORDER BY size LIMIT $5`,
      [ledgerId, kind, target, size, most],
    );
    return rows;
  });
}

/** Anchors of the checkpoint of a size, by kind and target. */
export async function anchorsAt(pool: Pool, ledgerId: number, size: number): Promise<AnchorRow[]> {
  return onConnection(pool, `reading anchors of ${size} of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<AnchorRow>(
      'SELECT size, kind, target, evidence FROM anchor WHERE ledger_id = $1 AND size = $2 ORDER BY kind, target',
      [ledgerId, size],
    );
    return rows;
  });
}

/** What a page of anchors holds at most, and how large one of them is: ours are smaller. */
const MOST_A_PAGE = 50;
const MOST_EVIDENCE_BYTES = 262_144;

export interface AnchorPage {
  readonly anchors: AnchorRow[];
  /** `after` of the next page; null after the last. */
  readonly next: number | null;
}

/** Anchors of checkpoints of sizes above `after` up to `upTo`, by size, kind and target; those of one size are on one page. */
export async function anchorPage(pool: Pool, ledgerId: number, after: number, upTo: number): Promise<AnchorPage> {
  return onConnection(pool, `reading anchors of ledger ${ledgerId} after ${after}`, async (client) => {
    const { rows } = await client.query<AnchorRow>(
      `SELECT size, kind, target, evidence FROM anchor
       WHERE ledger_id = $1 AND size > $2 AND size <= $3 AND octet_length(evidence) <= ${MOST_EVIDENCE_BYTES}
       ORDER BY size, kind, target LIMIT ${MOST_A_PAGE + 1}`,
      [ledgerId, after, upTo],
    );
    if (rows.length <= MOST_A_PAGE) return { anchors: rows, next: null };
    const last = rows.at(-1)!.size;
    const whole = rows.filter(({ size }) => size < last);
    const anchors = whole.length > 0 ? whole : rows;
    return { anchors, next: anchors.at(-1)!.size };
  });
}

export interface AnchorProgress extends AnchorPlace {
  /** The newest size, and how many there are. */
  readonly size: number;
  readonly count: number;
  /** When the newest was stored, by the database's clock; milliseconds since 1970. */
  readonly stored: number;
}

/** How far each kind and target is. */
export async function anchorProgress(pool: Pool, ledgerId: number): Promise<AnchorProgress[]> {
  return onConnection(pool, `reading how far ledger ${ledgerId} is anchored`, async (client) => {
    const { rows } = await client.query<AnchorProgress>(
      `SELECT kind, target, max(size) AS size, count(*) AS count,
         (extract(epoch FROM max(stored)) * 1000)::bigint AS stored
       FROM anchor WHERE ledger_id = $1 GROUP BY kind, target ORDER BY kind, target`,
      [ledgerId],
    );
    return rows;
  });
}

/** An anchor row that reading by size may pass by: of no size, or one of several of a size, kind and target. Null without. */
export async function strayAnchor(
  pool: Pool,
  ledgerId: number,
  { kind, target }: AnchorPlace,
): Promise<{ size: number | null } | null> {
  return onConnection(pool, `looking for stray ${kind} anchors of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ size: number | null }>(
      `SELECT size FROM anchor WHERE ledger_id = $1 AND kind = $2 AND target = $3
       GROUP BY size HAVING count(*) > 1 OR size IS NULL ORDER BY size LIMIT 1`,
      [ledgerId, kind, target],
    );
    return rows[0] ?? null;
  });
}

/** A checkpoint and the time at which its block was sealed, milliseconds since 1970. */
export interface SealedCheckpoint extends CheckpointRow {
  readonly sealed: number;
}

const SEALED = `SELECT c.size, c.note, (extract(epoch FROM b.sealed) * 1000)::bigint AS sealed
  FROM checkpoint c JOIN block b ON b.ledger_id = c.ledger_id AND b.next = c.size WHERE c.ledger_id = $1`;

/** The checkpoint of the smallest size larger than `size`; null without. */
export async function checkpointBehind(pool: Pool, ledgerId: number, size: number): Promise<SealedCheckpoint | null> {
  return sealedCheckpoint(pool, ledgerId, `${SEALED} AND c.size > $2 ORDER BY c.size LIMIT 1`, size);
}

/** The checkpoint of the largest size up to `size`; null without. */
export async function checkpointUpTo(pool: Pool, ledgerId: number, size: number): Promise<SealedCheckpoint | null> {
  return sealedCheckpoint(pool, ledgerId, `${SEALED} AND c.size <= $2 ORDER BY c.size DESC LIMIT 1`, size);
}

async function sealedCheckpoint(
  pool: Pool,
  ledgerId: number,
  query: string,
  size: number,
): Promise<SealedCheckpoint | null> {
  return onConnection(pool, `looking for a checkpoint of ledger ${ledgerId} to anchor`, async (client) => {
    const { rows } = await client.query<SealedCheckpoint>(query, [ledgerId, size]);
    return rows[0] ?? null;
  });
}
