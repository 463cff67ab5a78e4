/**
 * Rows of the event index below its head, put right by an operator's command while the sealer may go on indexing.
 *
 * Every transaction locks the index head first, as the sealer's does: the two wait for each other, in one order, and below the head
 * nobody else writes. Missing rows are added with a sealer's rights. Rows that stand are never changed with those: triggers and
 * grants refuse it. Taking them out is for the owner of the tables, who switches the trigger off and on again within one
 * transaction, so that nobody ever sees it off; what is taken out is handed to the caller first.
 */
import type { Pool, PoolClient } from 'pg';
import { copyIn, COPY_BUFFER_BYTES } from '../copy/copy-in.js';
import { encodeIndexRow, INDEX_COLUMNS, MAX_INDEX_ROW_BYTES, type IndexRow } from '../copy/index-row.js';
import { OWNER_ROLE } from '../roles.js';
import { StoreError } from '../store-error.js';
import { inTransaction, onConnection } from '../transaction.js';

/** Positions [from, to) of the index, and what belongs there. */
export interface IndexStretch {
  readonly from: number;
  /** The index head must be here or beyond. */
  readonly to: number;
  readonly rows: readonly IndexRow[];
}

/** Gets rows as JSON text before they are gone; they must be safe when this returns. */
export type KeepRows = (rows: readonly string[]) => void;

/**
 * Adds those of the rows whose position has none. May be done twice.
 *
 * @param pool with a sealer's rights
 * @throws StoreError store.index-moved when the index does not reach to `to`; CommitUnknown: do it again
 */
export async function addIndexRows(pool: Pool, ledgerId: number, { from, to, rows }: IndexStretch): Promise<void> {
  await inTransaction(pool, `putting rows ${from} to ${to} of ledger ${ledgerId} back`, async (client) => {
    await lockIndexHead(client, ledgerId, to);
    const { rows: standing } = await client.query<{ position: number }>(
      'SELECT position FROM event_index WHERE ledger_id = $1 AND position = ANY ($2)',
      [ledgerId, rows.map(({ position }) => position)],
    );
    const there = new Set(standing.map(({ position }) => position));
    await insertRows(
      client,
      ledgerId,
      rows.filter(({ position }) => !there.has(position)),
    );
    // Crash before COMMIT: nothing was added. After it: these stand, and are found standing by the next run.
  });
}

/**
 * Takes out whatever stands at these positions, and puts the rows there. May be done twice.
 *
 * @param pool as everseal_migrator, who may become the owner
 * @param positions null for all of the stretch: when a row of it cannot be read
 * @throws StoreError as addIndexRows
 */
export async function replaceIndexRows(
  pool: Pool,
  ledgerId: number,
  { from, to, rows }: IndexStretch,
  positions: readonly number[] | null,
  keep: KeepRows,
): Promise<void> {
  const doing = `replacing rows ${from} to ${to} of ledger ${ledgerId}`;
  await asOwner(pool, ledgerId, doing, to, async (client) => {
    await takeOut(client, ledgerId, { from, to, positions, keep });
    await insertRows(client, ledgerId, rows);
  });
}

/** Rows that stand behind the index head, where nobody has indexed yet: how many, and the first; both looked at together. */
export async function rowsBehindIndex(
  pool: Pool,
  ledgerId: number,
): Promise<{ count: number; first: number | null; head: number }> {
  return onConnection(pool, `looking behind the index of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ count: number; first: number | null; head: number }>(
      `SELECT h.position AS head, count(e.position) AS count, min(e.position) AS first
       FROM index_head h LEFT JOIN event_index e ON e.ledger_id = h.ledger_id AND e.position >= h.position
       WHERE h.ledger_id = $1 GROUP BY h.position`,
      [ledgerId],
    );
    return rows[0] ?? { count: 0, first: null, head: 0 };
  });
}

/**
 * Takes out at most so many of the rows behind the index head, wherever that is by now.
 *
 * @param pool as everseal_migrator
 * @returns how many there were
 * @throws StoreError; CommitUnknown: do it again
 */
export async function removeRowsBehindIndex(
  pool: Pool,
  ledgerId: number,
  most: number,
  keep: KeepRows,
): Promise<number> {
  const doing = `removing rows behind the index of ledger ${ledgerId}`;
  return asOwner(pool, ledgerId, doing, 0, async (client, head) => {
    const { rows } = await client.query<{ position: number }>(
      'SELECT position FROM event_index WHERE ledger_id = $1 AND position >= $2 ORDER BY position LIMIT $3',
      [ledgerId, head, most],
    );
    const positions = rows.map(({ position }) => position);
    await takeOut(client, ledgerId, { from: head, to: Number.MAX_SAFE_INTEGER, positions, keep });
    return positions.length;
  });
}

/**
 * Moves an index head that stands where no index can end.
 *
 * @param pool with a sealer's rights
 * @returns false when it is not at `from` any more: nothing was moved
 */
export async function moveIndexHead(pool: Pool, ledgerId: number, from: number, to: number): Promise<boolean> {
  return inTransaction(pool, `moving the index head of ledger ${ledgerId}`, async (client) => {
    const moved = 'UPDATE index_head SET position = $3 WHERE ledger_id = $1 AND position = $2';
    return (await client.query(moved, [ledgerId, from, to])).rowCount === 1;
  });
}

/** @param work gets where the head stands, which stays there meanwhile */
async function asOwner<T>(
  pool: Pool,
  ledgerId: number,
  doing: string,
  reach: number,
  work: (client: PoolClient, head: number) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, doing, async (client) => {
    await client.query(`SET LOCAL ROLE ${OWNER_ROLE}`);
    const head = await lockIndexHead(client, ledgerId, reach);
    await client.query('ALTER TABLE event_index DISABLE TRIGGER append_only');
    const result = await work(client, head);
    await client.query('ALTER TABLE event_index ENABLE ALWAYS TRIGGER append_only');
    return result;
    // Crash before COMMIT: the rows and the trigger are as they were. After it: both are as they should be.
  });
}

async function lockIndexHead(client: PoolClient, ledgerId: number, reach: number): Promise<number> {
  const { rows } = await client.query<{ position: number }>(
    'SELECT position FROM index_head WHERE ledger_id = $1 FOR NO KEY UPDATE',
    [ledgerId],
  );
  const head = rows[0]?.position ?? -1;
  if (rows.length === 1 && head >= reach) return head;
  const where = rows.length === 1 ? `is at ${head}, before ${reach}` : `has ${rows.length} rows`;
  throw new StoreError('store.index-moved', `the index head of ledger ${ledgerId} ${where}`);
}

interface TakenOut {
  readonly from: number;
  readonly to: number;
  readonly positions: readonly number[] | null;
  readonly keep: KeepRows;
}

async function takeOut(client: PoolClient, ledgerId: number, { from, to, positions, keep }: TakenOut): Promise<void> {
  const { rows } = await client.query<{ row: string }>(
    `DELETE FROM event_index e WHERE ledger_id = $1 AND position >= $2 AND position < $3
       AND ($4::bigint[] IS NULL OR position = ANY ($4)) RETURNING to_jsonb(e)::text AS row`,
    [ledgerId, from, to, positions],
  );
  if (rows.length > 0) keep(rows.map(({ row }) => row));
}

async function insertRows(client: PoolClient, ledgerId: number, rows: readonly IndexRow[]): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(COPY_BUFFER_BYTES);
  const view = new DataView(buffer.buffer, buffer.byteOffset, COPY_BUFFER_BYTES);
  const statement = `COPY event_index (${INDEX_COLUMNS}) FROM STDIN (FORMAT binary)`;
  await copyIn(client, statement, buffer, MAX_INDEX_ROW_BYTES, rows, (at, row) =>
    encodeIndexRow(view, at, ledgerId, row),
  );
}
