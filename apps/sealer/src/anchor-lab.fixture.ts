/** Checkpoints of one log for specs of anchors, signed as its sealer signs them; and a ledger in a real Postgres that holds some. */
import { leafHash, signCheckpoint, treeRoot } from '@everseal/audit-core';
import {
  acquireLease,
  anchorsAt,
  checkpointsAfter,
  commitBlock,
  createLedger,
  insertCheckpoint,
  readHead,
  type AnchorRow,
} from '@everseal/ledger-store';
import type { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { KEYS, LogWriter, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { CURSOR, expectHead, nextBlock, SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import type { ToAnchor } from './anchor-target.js';

/** The checkpoint of a size. @param history another one has other entries */
export function toAnchor(size: number, history = 'entry', keySets = [new LogWriter().genesis]): ToAnchor {
  const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.from(`${history} ${i}`)));
  const note = signCheckpoint({ origin: ORIGIN, size, root: treeRoot(leaves) }, KEYS.log);
  return { origin: ORIGIN, size, note: Buffer.from(note), keySets };
}

/** A ledger with a checkpoint on every block, sealed at times of one's own. */
export class AnchorLab {
  private constructor(
    private readonly store: SpecStore,
    readonly pool: Pool,
    readonly ledgerId: number,
    private readonly fence: number,
  ) {}

  static async create(server: TestPostgres, database: string): Promise<AnchorLab> {
    const store = await SpecStore.create(server, database);
    const pool = await store.sealer();
    const ledgerId = await createLedger(pool, ORIGIN, CURSOR);
    const lease = await acquireLease(pool, ledgerId, 's1', 600_000);
    return new AnchorLab(store, pool, ledgerId, lease!.fence);
  }

  /** A block of four entries and its checkpoint. @param sealed milliseconds since 1970 @returns its size */
  async seal(sealed: number): Promise<number> {
    const block = nextBlock({ ...expectHead(await readHead(this.pool, this.ledgerId)), fence: this.fence });
    await commitBlock(this.pool, { ...block, block: { ...block.block, sealed: new Date(sealed).toISOString() } });
    const size = block.block.next;
    await insertCheckpoint(this.pool, this.ledgerId, this.fence, { size, note: toAnchor(size).note.toString() });
    return size;
  }

  /** Every anchor row, by size. */
  async rows(): Promise<AnchorRow[]> {
    const checkpoints = await checkpointsAfter(this.pool, this.ledgerId, 0, 1_000);
    const rows = await Promise.all(checkpoints.map(({ size }) => anchorsAt(this.pool, this.ledgerId, size)));
    return rows.flat();
  }

  async sizes(): Promise<number[]> {
    return (await this.rows()).map(({ size }) => size);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
