/**
 * How many bytes of waiting messages a lane may have in the `frame` table. The sealer cannot delete there, so what is
 * kept and never sealed stays; without a bound whoever holds one ingest key, or writes on the broker's disk, could fill
 * the database that every ledger seals into. A lane at its bound keeps nothing more, and loses nothing by it: its
 * frames are in the stream and in its ingester's spool (decision 0033).
 */

/** Bytes that a row costs beside its message; the spool counts its frames the same way. */
const ROW_BYTES = 340;
/** Lanes that are counted by name. Names come from subjects, so that there may be any number of them. */
const MOST_LANES = 256;
/** Counts all further ones; no ingester has this name. */
const OTHERS = '';

export class KeptBytes {
  private readonly lanes = new Map<string, number>();

  /** @param most bytes a lane */
  constructor(private readonly most: number) {}

  /** Counts a message that is to be kept. @returns false when it would be too much: then nothing is counted */
  take(ingester: string, bytes: number): boolean {
    const lane = this.laneOf(ingester);
    const after = (this.lanes.get(lane) ?? 0) + bytes + ROW_BYTES;
    if (after > this.most) return false;
    this.lanes.set(lane, after);
    return true;
  }

  /** Counts a message that is stored already, however many that makes. */
  count(ingester: string, bytes: number): void {
    const lane = this.laneOf(ingester);
    this.lanes.set(lane, (this.lanes.get(lane) ?? 0) + bytes + ROW_BYTES);
  }

  /** The bytes of a kept message are gone: it was sealed. */
  release(ingester: string, bytes: number): void {
    const lane = this.laneOf(ingester);
    this.lanes.set(lane, Math.max(0, (this.lanes.get(lane) ?? 0) - bytes - ROW_BYTES));
  }

  private laneOf(ingester: string): string {
    return this.lanes.has(ingester) || this.lanes.size < MOST_LANES ? ingester : OTHERS;
  }
}
