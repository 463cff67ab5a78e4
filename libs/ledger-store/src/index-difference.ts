/**
 * What a row of the event index says otherwise than its event: the verifier's sweep and the command that puts rows right compare
 * with this one function, so that neither leaves what the other minds.
 */
import type { BlockEvent } from '@everseal/audit-core';
import { IDENTITY_BYTES, type IndexRow } from './copy/index-row.js';

/** A column, and what stands in it; values as text, null as `null`. */
export interface ColumnDifference {
  /** As the table names it. */
  readonly column: string;
  readonly expected: string;
  readonly found: string;
}

/** Columns of text; a difference names them as the table does. */
const TEXTS = {
  producer: 'producer',
  eventId: 'event_id',
  source: 'source',
  type: 'type',
  subject: 'subject',
  actor: 'actor',
  action: 'action',
  target: 'target',
  outcome: 'outcome',
} as const;
const TEXT_KEYS = Object.keys(TEXTS) as (keyof typeof TEXTS)[];

/** The first column that differs; null when the row is the event's. @param event with its original filled in */
export function differentColumn(event: BlockEvent, row: IndexRow): ColumnDifference | null {
  const differ = (column: string, expected: unknown, found: unknown): ColumnDifference => {
    return { column, expected: String(expected), found: String(found) };
  };
  for (const key of TEXT_KEYS) if (event[key] !== row[key]) return differ(TEXTS[key], event[key], row[key]);
  if (event.accepted !== row.accepted) return differ('accepted', event.accepted, row.accepted);
  if (event.occurred !== row.occurred) return differ('occurred', event.occurred, row.occurred);
  if (event.duplicateOf !== row.duplicateOf) return differ('duplicate_of', event.duplicateOf, row.duplicateOf);
  const identity = storedIdentity(event);
  const found = storedIdentity(row);
  return identity === found ? null : differ('identity', identity, found);
}

function storedIdentity({ identity }: { readonly identity: Buffer | null }): string | null {
  return identity?.toString('hex', 0, IDENTITY_BYTES) ?? null;
}
