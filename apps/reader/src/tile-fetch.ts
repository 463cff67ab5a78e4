/**
 * Reads tiles for whoever waits for one: what is asked for while a statement runs goes into the next one. A single request
 * waits for nobody; thousands a second cost a statement for many of them, not one each.
 */
import type { TileRef } from '@everseal/audit-core';

/** Statements at once, and the most tiles of one: half a megabyte. */
const STATEMENTS = 2;
const MOST_TILES = 64;

export interface FoundTile {
  readonly level: number;
  readonly number: number;
  readonly data: Buffer;
}

interface Batch {
  readonly refs: Map<string, TileRef>;
  readonly found: Promise<ReadonlyMap<string, Buffer>>;
  readonly start: () => void;
}

export class TileFetch {
  private readonly waiting: Batch[] = [];
  private running = 0;

  /** @param read hashes of full tiles, in any order; those that are not there are left out */
  constructor(private readonly read: (refs: readonly TileRef[]) => Promise<readonly FoundTile[]>) {}

  /** The hashes of a full tile; undefined when it is not there. @throws what `read` throws */
  async get(ref: TileRef): Promise<Buffer | undefined> {
    const key = keyOf(ref);
    const batch = this.batch();
    batch.refs.set(key, ref);
    return (await batch.found).get(key);
  }

  /** The batch that still takes tiles. */
  private batch(): Batch {
    const last = this.waiting.at(-1);
    if (last !== undefined && last.refs.size < MOST_TILES) return last;
    const refs = new Map<string, TileRef>();
    let start!: () => void;
    const found = new Promise<void>((resolve) => (start = resolve)).then(async () => {
      const rows = await this.read([...refs.values()]);
      return new Map(rows.map((row) => [keyOf(row), row.data]));
    });
    const batch = { refs, found, start };
    this.waiting.push(batch);
    // Once whoever opened it has asked for all it wants.
    queueMicrotask(() => this.startNext());
    return batch;
  }

  private startNext(): void {
    if (this.running === STATEMENTS) return;
    const batch = this.waiting.shift();
    if (batch === undefined) return;
    this.running++;
    const ended = (): void => {
      this.running--;
      this.startNext();
    };
    batch.found.then(ended, ended);
    batch.start();
  }
}

const keyOf = ({ level, number }: Omit<FoundTile, 'data'>): string => `${level}/${number}`;
