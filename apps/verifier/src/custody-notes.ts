/**
 * The signed frame notes that this verifier has heard of, by ingester: the newest, and every other one that is not known to
 * be sealed. Each note shows by its own signature that the frame was made, so it does not matter who brought it.
 *
 * Bounded: at most 64 notes a lane. When there are more, those go first whose going hides least: the oldest show since when
 * the lane waits, the newest how far it has come, the ones between are in nobody's way.
 */

import { leafHash, openFrame, type Frame, type Hash, type KeySet } from '@everseal/audit-core';

const MOST_NOTES = 64;

/** Where a note was heard. `stream`: with its events, well-formed and under its root. */
export const HEARD_WHERE = ['heartbeat', 'claim', 'stream', 'stream, with other events'] as const;
export type HeardWhere = (typeof HEARD_WHERE)[number];

export interface HeardFrame {
  readonly frame: Frame;
  readonly note: string;
  readonly hash: Hash;
  /** Where it was heard first; becomes `stream` when it is seen there whole. */
  where: HeardWhere;
  /** When it was heard first, milliseconds of a clock that never goes back; a restart counts as hearing it. */
  readonly heardAt: number;
  /** Known to be in the log. Only the newest of a lane is kept when it is. */
  sealed: boolean;
  /** Was found to be overdue; stays so until it is sealed, across a restart too. */
  overdue: boolean;
}

export class CustodyNotes {
  private readonly lanes = new Map<string, HeardFrame[]>();
  /** Something was heard or settled since it was last written down. */
  changed = false;

  /** Ingesters that were heard of. */
  get ingesters(): string[] {
    return [...this.lanes.keys()];
  }

  /** The notes of a lane by number, ascending. */
  lane(ingester: string): readonly HeardFrame[] {
    return this.lanes.get(ingester) ?? [];
  }

  all(): HeardFrame[] {
    return [...this.lanes.values()].flat();
  }

  /**
   * @returns the note as it is kept; one that was heard before is the same object
   * @throws FormatError when it is no frame of this ledger that a key in force signed
   */
  hear(note: string, where: HeardWhere, keys: KeySet, at: number): HeardFrame {
    const known = this.known(note);
    if (known) {
      if (where === 'stream' && known.where !== where) this.change(() => (known.where = where));
      return known;
    }
    const frame = openFrame(note, keys.ingest, keys.origin);
    const hash = leafHash(Buffer.from(note));
    const heard = { frame, note, hash, where, heardAt: at, sealed: false, overdue: false };
    this.change(() => this.keep(frame.ingester, [...this.lane(frame.ingester), heard]));
    return heard;
  }

  /** The frame is in the log. */
  settle(heard: HeardFrame): void {
    if (heard.sealed) return;
    this.change(() => {
      heard.sealed = true;
      heard.overdue = false;
      this.keep(heard.frame.ingester, this.lane(heard.frame.ingester));
    });
  }

  /** Another frame is in the log in its place, or its key is no longer in force: it will never be sealed. */
  drop(heard: HeardFrame): void {
    const { ingester } = heard.frame;
    this.change(() =>
      this.keep(
        ingester,
        this.lane(ingester).filter((other) => other !== heard),
      ),
    );
  }

  change(how: () => void): void {
    how();
    this.changed = true;
  }

  /** The same text has the same hash, and needs no second look at its signature. */
  private known(note: string): HeardFrame | null {
    for (const lane of this.lanes.values()) {
      for (let i = lane.length - 1; i >= 0; i--) if (lane[i]!.note === note) return lane[i]!;
    }
    return null;
  }

  private keep(ingester: string, frames: readonly HeardFrame[]): void {
    const lane = frames.toSorted((a, b) => a.frame.number - b.frame.number);
    const newest = lane.at(-1);
    const kept = lane.filter((heard) => heard === newest || !heard.sealed);
    while (kept.length > MOST_NOTES) kept.splice(kept.length - 2, 1);
    if (kept.length === 0) this.lanes.delete(ingester);
    else this.lanes.set(ingester, kept);
  }
}
