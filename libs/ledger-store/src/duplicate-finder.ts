/**
 * Which events repeat an earlier one (formats.md "Event index", duplicate_of): the first entry with the same producer,
 * source and id and the same event bytes, within this partition of the index and the one before.
 *
 * Candidates are found by identity in the index; whether the bytes are the same is decided by the leaf hash that the
 * event would have had at that place, so no old body is read. The sealer's projection and the verifier's check of it are
 * both made with this class, each with leaf hashes from its own source.
 */

import { encodeEventEntry, eventPrefix, formatTimestamp, leafHash, type Hash } from '@everseal/audit-core';
import type { Pool } from 'pg';
import { findSameIdentity, MOST_SAME_IDENTITY, PARTITION_POSITIONS } from './sql/event-index.js';

/** An indexed event as far as this matters. `duplicateOf` is written by `mark`. */
export interface MarkedEvent {
  readonly position: number;
  readonly producer: string;
  readonly identity: Buffer | null;
  duplicateOf: number | null;
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
   * Sets `duplicateOf` of each row.
   *
   * @param rows events of one partition in order of position, none of them null in duplicateOf for another reason
   * @param eventOf the event's bytes as the producer sent them
   */
  async mark<R extends MarkedEvent>(rows: readonly R[], eventOf: (row: R) => Buffer): Promise<void> {
    const asked = rows.filter((row) => row.identity !== null);
    await this.markFromIndex(asked, eventOf);
    const seen = new Map<string, R[]>();
    for (const row of asked) {
      if (row.duplicateOf !== null) continue;
      const key = row.identity!.toString('latin1');
      const same = seen.get(key)?.find((before) => eventOf(before).equals(eventOf(row)));
      if (same) row.duplicateOf = same.position;
      else seen.set(key, [...(seen.get(key) ?? []), row]);
    }
  }

  /** Asks again from where an answer was cut, for the few identities that have more candidates than one answer holds. */
  private async markFromIndex<R extends MarkedEvent>(rows: readonly R[], eventOf: (row: R) => Buffer): Promise<void> {
    let open = rows;
    for (let after = -1; open.length > 0;) {
      const partition = Math.floor(open[0]!.position / PARTITION_POSITIONS);
      const identities = open.map((row) => row.identity!);
      const found = await findSameIdentity(this.pool, this.ledgerId, partition, identities, after);
      const leaves = await this.leavesAt(found.map(({ position }) => position));
      const counts = new Map<R, { count: number; last: number }>();
      for (const { asked, position, accepted } of found) {
        const row = open[asked]!;
        counts.set(row, { count: (counts.get(row)?.count ?? 0) + 1, last: position });
        if (row.duplicateOf !== null || position >= row.position) continue;
        const prefix = eventPrefix(this.origin, row.producer, formatTimestamp(Number(accepted / 1000n)));
        if (leaves.get(position)?.equals(leafHash(encodeEventEntry(prefix, eventOf(row))))) row.duplicateOf = position;
      }
      open = open.filter((row) => row.duplicateOf === null && counts.get(row)?.count === MOST_SAME_IDENTITY);
      after = Math.min(...open.map((row) => counts.get(row)!.last));
    }
  }
}
