/** Events by what names them: producer, source and id, through the hash of the three (formats: Event index). */
import type { Pool } from 'pg';
import { eventIdentity } from '@everseal/audit-core';
import { onConnection } from '../transaction.js';

/** Versions of one event are refused at the door; more rows than this are a flood that no page shows. */
const MOST_ROWS = 64;

/**
 * Positions of the events with this producer, source and id, ascending: first of all the original. Copies that are marked
 * as such and stand near it are left out (their `duplicate_of` names it). Texts are compared as far as the index holds them.
 */
export async function positionsOf(
  pool: Pool,
  ledgerId: number,
  { producer, source, id }: { producer: string; source: string; id: string },
  before: number,
): Promise<number[]> {
  const identity = eventIdentity(producer, source, id).readBigInt64BE(0).toString();
  return onConnection(pool, `looking up an event of ledger ${ledgerId}`, async (client) => {
    const { rows } = await client.query<{ position: number }>(
      `SELECT position FROM event_index WHERE identity = $2::bigint
         AND identity IS NOT NULL AND (duplicate_of IS NULL OR duplicate_of >> 25 <> position >> 25)
         AND ledger_id = $1 AND producer = $3 AND position < $4 ORDER BY position LIMIT ${MOST_ROWS}`,
      [ledgerId, identity, producer, before],
    );
    return rows.map(({ position }) => position);
  });
}
