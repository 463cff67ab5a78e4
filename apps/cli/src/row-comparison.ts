/** The rows of the event index in one block's stretch against the events of that block: what is missing, altered, too much. */
import type { BlockEvent } from '@everseal/audit-core';
import { differentColumn, type ColumnDifference, type IndexRow } from '@everseal/ledger-store';

export interface RowDifferences {
  /** Events without a row. */
  readonly missing: readonly BlockEvent[];
  /** Events whose row says something else. */
  readonly altered: readonly { readonly event: BlockEvent; readonly difference: ColumnDifference }[];
  /** How many rows too many stand at a position: where no event is, or twice. */
  readonly extra: ReadonlyMap<number, number>;
}

/** Null: a row cannot be read, and so nothing is known about any of the block. */
export type Differences = RowDifferences | null;

export class RowComparison {
  private readonly awaited: Map<number, BlockEvent>;
  private readonly altered: { event: BlockEvent; difference: ColumnDifference }[] = [];
  private readonly extra = new Map<number, number>();

  /** @param events of the block, originals filled in */
  constructor(events: readonly BlockEvent[]) {
    this.awaited = new Map(events.map((event) => [event.position, event]));
  }

  /** Takes rows in any order. */
  take(rows: readonly IndexRow[]): void {
    for (const row of rows) {
      const event = this.awaited.get(row.position);
      this.awaited.delete(row.position);
      const difference = event && differentColumn(event, row);
      if (event === undefined) this.extra.set(row.position, (this.extra.get(row.position) ?? 0) + 1);
      else if (difference) this.altered.push({ event, difference });
    }
  }

  /** Once all rows were taken. */
  differences(): RowDifferences {
    return { missing: [...this.awaited.values()], altered: this.altered, extra: this.extra };
  }
}
