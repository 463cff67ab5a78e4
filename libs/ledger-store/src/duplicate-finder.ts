/**
 * Which events repeat an earlier one (formats.md "Event index", duplicate_of): the first entry with the same producer,
 * source and id and the same event bytes, within this partition of the index and the one before.
 *
 * Candidates are found by identity in the index; whether the bytes are the same is decided by the leaf hash that the
 * event would have had at that place, so no old body is read. The sealer's projection and the verifier's check of it are
 * both made with this class, each with leaf hashes from its own source.
 */

import {
  encodeEventEntry,
  eventPrefix,
  formatTimestamp,
  leafHash,
  sha256,
  type Hash,
  type Timestamp,
} from '@everseal/audit-core';
import type { Pool } from 'pg';
import { findSameIdentity, MOST_SAME_IDENTITY, PARTITION_POSITIONS } from './sql/event-index.js';

/** An indexed event as far as this matters. `duplicateOf` is written by `mark`. */
export interface MarkedEvent {
  readonly position: number;
  readonly producer: string;
  readonly identity: Buffer | null;
  duplicateOf: number | null;
}

/** An event with producer, source and id of an earlier one and other bytes (formats.md "Event index", `event.conflict`). */
export interface EventConflict<R> {
  readonly row: R;
  /** Position of the earlier one. */
  readonly earlier: number;
}

/** Leaf hashes of entries by position; a position that cannot be told is left out. */
export type LeafSource = (positions: readonly number[]) => Promise<ReadonlyMap<number, Hash>>;

export class DuplicateFinder {
  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly origin: string,
    private readonly leavesAt: LeafSource,
  ) {}

  /**
   * Sets `duplicateOf` of each row, and tells those whose identity stands earlier with other bytes only.
   *
   * @param rows events in order of position, all null in duplicateOf. The index is asked about what stands in front of the
   *   first: whether it holds these rows already makes no difference
   * @param eventOf the event's bytes as the producer sent them
   */
  async mark<R extends MarkedEvent>(rows: readonly R[], eventOf: (row: R) => Buffer): Promise<EventConflict<R>[]> {
    const asked = rows.filter((row) => row.identity !== null);
    const differing = new Map<R, number>();
    for (const partition of new Set(asked.map((row) => partitionOf(row.position)))) {
      const some = asked.filter((row) => partitionOf(row.position) === partition);
      await this.markFromIndex(some, asked[0]!.position, eventOf, differing);
    }
    markAmong(asked, eventOf, differing);
    return [...differing].flatMap(([row, earlier]) => (row.duplicateOf === null ? [{ row, earlier }] : []));
  }

  /** Asks again from where an answer was cut, for the few identities that have more candidates than one answer holds. */
  private async markFromIndex<R extends MarkedEvent>(
    rows: readonly R[],
    before: number,
    eventOf: (row: R) => Buffer,
    differing: Map<R, number>,
  ): Promise<void> {
    let open = rows;
    for (let after = -1; open.length > 0;) {
      const partition = partitionOf(open[0]!.position);
      const identities = open.map((row) => row.identity!);
      const found = await findSameIdentity(this.pool, this.ledgerId, identities, { partition, after, before });
      const leaves = await this.leavesAt(found.map(({ position }) => position));
      const counts = new Map<R, { count: number; last: number }>();
      for (const { asked, position, accepted } of found) {
        const row = open[asked]!;
        counts.set(row, { count: (counts.get(row)?.count ?? 0) + 1, last: position });
        if (row.duplicateOf !== null) continue;
        const time = timeOf(accepted);
        if (time === null) continue;
        const prefix = eventPrefix(this.origin, row.producer, time);
        const leaf = leaves.get(position);
        if (!leaf) continue;
        if (leaf.equals(leafHash(encodeEventEntry(prefix, eventOf(row))))) row.duplicateOf = position;
        else if (!differing.has(row)) differing.set(row, position);
      }
      open = open.filter((row) => row.duplicateOf === null && counts.get(row)?.count === MOST_SAME_IDENTITY);
      after = Math.min(...open.map((row) => counts.get(row)!.last));
    }
  }
}

const FIRST_MS = Date.parse('0001-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Null for a time that no entry can have been accepted at: the column is not what was written. */
function timeOf(accepted: bigint): Timestamp | null {
  const ms = Number(accepted / 1000n);
  return ms >= FIRST_MS && ms <= LAST_MS ? formatTimestamp(ms) : null;
}

const partitionOf = (position: number): number => Math.floor(position / PARTITION_POSITIONS);

/** Whether an event at `row` may repeat the one at `position`: same partition or the one before. */
const inReach = (position: number, row: MarkedEvent): boolean => partitionOf(position) >= partitionOf(row.position) - 1;

/**
 * Originals among the rows themselves. The bytes are hashed only where an identity comes twice: nearly never, and then
 * a flood of one identity costs a hash an event and not a comparison of each with each.
 */
function markAmong<R extends MarkedEvent>(
  rows: readonly R[],
  eventOf: (row: R) => Buffer,
  differing: Map<R, number>,
): void {
  /** The only row of an identity so far; null once there were more, which are then in `originals`. */
  const only = new Map<string, R | null>();
  const originals = new Map<string, R>();
  const firsts = new Map<string, R>();
  for (const row of rows) {
    const identity = row.identity!.toString('latin1');
    const keyOf = (one: R): string => identity + sha256(eventOf(one)).toString('latin1');
    const first = only.get(identity);
    only.set(identity, first === undefined ? row : null);
    if (first === undefined) {
      firsts.set(identity, row);
      continue;
    }
    if (first) originals.set(keyOf(first), first);
    const key = keyOf(row);
    const original = originals.get(key);
    // What is itself a copy counts as an original again for those that cannot reach what it repeats.
    const usable = original && !(original.duplicateOf !== null && inReach(original.duplicateOf, row));
    if (row.duplicateOf === null && usable) row.duplicateOf = original.position;
    if (original) continue;
    originals.set(key, row);
    if (!differing.has(row)) differing.set(row, firsts.get(identity)!.position);
  }
}
