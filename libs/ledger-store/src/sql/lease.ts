/**
 * The lease on a ledger: who may seal it, until when, by the database's clock. Three columns of `ledger_head`.
 *
 * The fence is raised by every take-over and checked by every write, under the row's lock: a holder that was stopped for
 * longer than its lease finds another fence and has written nothing. That, and not the time, is what keeps two writers
 * apart; the time only decides when a take-over is allowed. A lease that ran out is still good while nobody took it.
 *
 * The same name gets no second lease while the first one runs: two processes started with one name would else throw
 * each other out for ever.
 */
import type { Pool } from 'pg';
import { autocommit } from '../transaction.js';

/**
 * @returns the new fence, or null while somebody else's lease runs
 * @throws CommitUnknown: the lease may be ours; nobody else will get it before it ends
 */
export async function acquireLease(
  pool: Pool,
  ledgerId: number,
  holder: string,
  milliseconds: number,
): Promise<{ fence: number } | null> {
  const { rows } = await autocommit<{ fence: number }>(
    pool,
    `acquiring the lease on ledger ${ledgerId}`,
    `UPDATE ledger_head
     SET holder = $2, fence = fence + 1, lease_until = clock_timestamp() + $3 * interval '1 millisecond'
     WHERE ledger_id = $1 AND (holder IS NULL OR lease_until <= clock_timestamp())
     RETURNING fence`,
    [ledgerId, holder, milliseconds],
  );
  return rows[0] ?? null;
}

/** @returns false when the fence is no longer this one: somebody else took over, stop */
export async function renewLease(pool: Pool, ledgerId: number, fence: number, milliseconds: number): Promise<boolean> {
  const { rowCount } = await autocommit(
    pool,
    `renewing the lease on ledger ${ledgerId}`,
    `UPDATE ledger_head SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
     WHERE ledger_id = $1 AND fence = $2 AND holder IS NOT NULL`,
    [ledgerId, fence, milliseconds],
  );
  return rowCount === 1;
}

/** Lets a standby take over at once. The fence stays: it only ever grows. */
export async function releaseLease(pool: Pool, ledgerId: number, fence: number): Promise<void> {
  await autocommit(
    pool,
    `releasing the lease on ledger ${ledgerId}`,
    'UPDATE ledger_head SET holder = NULL, lease_until = NULL WHERE ledger_id = $1 AND fence = $2',
    [ledgerId, fence],
  );
}
