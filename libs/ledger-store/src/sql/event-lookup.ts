/**
 * Looking up events by what a person knows of them, in table `event_index`. There is no index on the id alone (it would cost every
 * event that is sealed): with producer and source the index on identity answers at once, otherwise the partitions are scanned.
 *
 * What is found is a row of a projection: whoever needs to be sure reads the entry and derives the row again.
 */
import type { Pool, PoolClient } from 'pg';
import { eventIdentity } from '@everseal/audit-core';
import { onConnection } from '../transaction.js';

export interface WantedEvent {
  eventId: string;
  source?: string | undefined;
  producer?: string | undefined;
}

export interface FoundEvent {
  position: number;
  producer: string;
  source: string | null;
  eventId: string | null;
  /** Position of the event that this one repeats; null for the first. */
  duplicateOf: number | null;
}

const COLUMNS = 'position, producer, source, event_id AS "eventId", duplicate_of AS "duplicateOf"';

/** Events with this id below an index, by position, at most `most`. Texts are compared as they stand in the index, cut to 256 bytes. */
export async function findEvents(
  pool: Pool,
  ledgerId: number,
  wanted: WantedEvent,
  before: number,
  most: number,
): Promise<FoundEvent[]> {
  const { eventId, source, producer } = wanted;
  return onConnection(pool, `looking for event ${eventId} of ledger ${ledgerId}`, async (client) => {
    const known = source !== undefined && producer !== undefined;
    const first = known ? await firstOf(client, ledgerId, producer, source, eventId, before) : [];
    if (first.length > 0) return first;
    const { rows } = await client.query<FoundEvent>(
      `SELECT ${COLUMNS} FROM event_index
       WHERE ledger_id = $1 AND event_id = $2 AND position < $3 AND ($4::text IS NULL OR source = $4)
         AND ($5::text IS NULL OR producer = $5) ORDER BY position LIMIT $6`,
      [ledgerId, eventId, before, source ?? null, producer ?? null, most],
    );
    return rows;
  });
}

/** By the index on identity, which leaves out copies in their original's partition: what is found are different events. */
async function firstOf(
  client: PoolClient,
  ledgerId: number,
  producer: string,
  source: string,
  eventId: string,
  before: number,
): Promise<FoundEvent[]> {
  const identity = eventIdentity(producer, source, eventId).readBigInt64BE(0).toString();
  const { rows } = await client.query<FoundEvent>(
    `SELECT ${COLUMNS} FROM event_index
     WHERE identity = $2 AND (duplicate_of IS NULL OR duplicate_of >> 25 <> position >> 25) AND ledger_id = $1
       AND event_id = $3 AND source = $4 AND producer = $5 AND position < $6 ORDER BY position LIMIT 64`,
    [ledgerId, identity, eventId, source, producer, before],
  );
  return rows;
}

/** Which events of a ledger a query takes; everything is a bound or an equality, all of them must hold. */
export interface EventQuery {
  /** Positions [from, to). */
  from: number;
  to: number;
  source?: string | undefined;
  /** Accepted at or after, and before: RFC 3339. */
  since?: string | undefined;
  until?: string | undefined;
}

/**
 * Positions of the events that a query takes, ascending, at most `most`: ask again from behind the last. In pages, because one
 * long statement would keep the server from cleaning up while its rows are worked on.
 */
export async function eventPositions(pool: Pool, ledgerId: number, query: EventQuery, most: number): Promise<number[]> {
  const { from, to, source = null, since = null, until = null } = query;
  return onConnection(pool, `searching events of ledger ${ledgerId} from ${from}`, async (client) => {
    const { rows } = await client.query<{ position: number }>(
      `SELECT position FROM event_index
       WHERE ledger_id = $1 AND position >= $2 AND position < $3 AND ($4::text IS NULL OR source = $4)
         AND ($5::timestamptz IS NULL OR accepted >= $5) AND ($6::timestamptz IS NULL OR accepted < $6)
       ORDER BY position LIMIT $7`,
      [ledgerId, from, to, source, since, until, most],
    );
    return rows.map(({ position }) => position);
  });
}
