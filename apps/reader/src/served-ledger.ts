/** One ledger as this reader serves it: what is published, and the ways to its bytes. */
import { Problem } from './problem.js';
import type { Caches } from './caches.js';
import { LogSource } from './log-source.js';
import { LogTiles } from './log-tiles.js';
import type { PublishedLog, Published } from './published-log.js';
import type { Pool } from 'pg';

export class ServedLedger {
  private open: { ledgerId: number; source: LogSource; tiles: LogTiles } | null = null;

  constructor(
    readonly pool: Pool,
    readonly log: PublishedLog,
    readonly caches: Caches,
  ) {}

  get name(): string {
    return this.log.name;
  }

  get origin(): string {
    return this.log.origin;
  }

  /** @throws Problem log.empty before the first checkpoint */
  get published(): Published {
    const { newest } = this.log;
    if (newest !== null) return newest;
    throw new Problem('log.empty', `${this.origin} has no checkpoint yet`);
  }

  /** @throws Problem log.empty */
  get ledgerId(): number {
    return this.parts.ledgerId;
  }

  get source(): LogSource {
    return this.parts.source;
  }

  get tiles(): LogTiles {
    return this.parts.tiles;
  }

  private get parts(): NonNullable<typeof this.open> {
    if (this.open !== null) return this.open;
    const { ledgerId } = this.log;
    if (ledgerId === null) throw new Problem('log.empty', `${this.origin} has no entries yet`);
    const source = new LogSource(this.pool, ledgerId, this.caches.blocks);
    this.open = { ledgerId, source, tiles: new LogTiles(this.pool, ledgerId, source, this.caches) };
    return this.open;
  }
}
