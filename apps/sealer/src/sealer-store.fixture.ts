/** A ledger in a real Postgres for specs, sealed block by block without the loop, and an alert book beside it. */

import path from 'node:path';
import { type TileBuilder, TileBuilder as Tiles, ZERO_HASH, type Hash } from '@everseal/audit-core';
import { acquireLease, commitBlock, createLedger, readHead } from '@everseal/ledger-store';
import { AlertBook } from '@everseal/process';
import { temporaryFolder, type TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { KEYS, LogWriter, ORIGIN, testKey, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { CURSOR, expectHead, SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { checkedOf } from './checked-frames.fixture.js';
import { OpenBlock, type CutBlock } from './open-block.js';
import { recoverHead, type RecoveredFrom } from './recover-head.js';
import type { Sealed } from './sealing.js';

export class SealerStore {
  readonly writer = new LogWriter();
  readonly tree: TileBuilder = Tiles.empty();
  readonly folder = temporaryFolder('sealer');
  readonly alerts = new AlertBook(
    path.join(this.folder.path, 'alerts.json'),
    'audit.example.com/sealer/s1',
    testKey('audit.example.com/sealer/s1/alerts'),
    Date.now,
    () => Promise.resolve(true),
  );
  private previous: Hash = ZERO_HASH;
  private keysIndex = 0;
  private logKey = KEYS.log;

  private constructor(
    readonly store: SpecStore,
    readonly pool: Pool,
    readonly ledgerId: number,
  ) {}

  static async create(server: TestPostgres, database: string): Promise<SealerStore> {
    const store = await SpecStore.create(server, database);
    const pool = await store.sealer({ max: 8 });
    return new SealerStore(store, pool, await createLedger(pool, ORIGIN, CURSOR));
  }

  /** Seals a key set as the next block, by the log key that it names. @returns its index */
  async sealKeys(note: string | Buffer, logKey = this.logKey): Promise<number> {
    this.logKey = logKey;
    await this.cut((open) => {
      this.keysIndex = open.addNote(Buffer.from(note));
    });
    return this.keysIndex;
  }

  /** Takes the lease and seals these frames as the next block; the first block begins with the key set. */
  seal(...frames: MadeFrame[]): Promise<CutBlock> {
    return this.cut((open) => frames.forEach((frame) => open.addFrame(checkedOf(frame))));
  }

  private async cut(fill: (open: OpenBlock) => void): Promise<CutBlock> {
    const { pool, ledgerId } = this;
    await acquireLease(pool, ledgerId, 's1', 600_000);
    const head = await readHead(pool, ledgerId);
    const start = { origin: ORIGIN, height: head.height + 1, previous: this.previous };
    const open = new OpenBlock(start, this.tree, () => {});
    if (head.height < 0) open.addNote(this.writer.genesis);
    fill(open);
    const cut = open.cut(this.writer.time(), this.logKey);
    this.previous = cut.hash;
    const { block, hash, size, body, tiles, frontier } = cut;
    await commitBlock(pool, {
      expect: expectHead(head),
      block: { ...block, hash, next: size },
      body,
      tiles,
      frames: cut.frames,
      gaps: cut.gaps,
      waiting: [],
      frontier,
      keysIndex: this.keysIndex,
      cursor: CURSOR,
    });
    return cut;
  }

  /** One frame of ingester a with so many events, as one block. */
  sealEvents(count: number): Promise<CutBlock> {
    return this.seal(this.writer.frame('a', Array<string>(count).fill('{}')));
  }

  get recoverFrom(): RecoveredFrom {
    const { pool, ledgerId, alerts, writer } = this;
    return {
      origin: ORIGIN,
      ledgerId,
      pool,
      alerts,
      genesis: writer.genesis,
      heldBytes: 1_000_000,
      onTurn: () => undefined,
    };
  }

  /** What recovery finds sealed, under the fence that stands. */
  async sealed(): Promise<Sealed> {
    const head = await recoverHead(this.recoverFrom);
    const { tree, tiles, lanes, debts, keys, keysNote, keysIndex, keySets, logKeys, sealed } = head;
    const keysBefore = keySets.slice(1).map(({ note }) => note);
    const signing = { logKey: this.logKey, logKeys, keysBefore };
    const { fence } = await readHead(this.pool, this.ledgerId);
    const [height, size, root, heads] = [head.height - 1, tree.size, tree.root(), lanes.snapshot()];
    return { height, size, root, sealed, keys, keysNote, keysIndex, ...signing, heads, debts, tiles, fence };
  }

  get alertCodes(): string[] {
    return this.alerts.open.map(({ code }) => code);
  }

  /** As a superuser who has switched off what stands in the way. */
  async tamper(sql: string): Promise<void> {
    await this.store.sql(`SET session_replication_role = 'replica'; ${OFF}; ${sql}`);
  }

  async close(): Promise<void> {
    await this.store.close();
    this.folder.remove();
  }
}

const OFF = ['block', 'block_body', 'tile', 'frame', 'gap', 'ledger_head', 'index_head', 'event_index']
  .map((table) => `ALTER TABLE everseal.${table} DISABLE TRIGGER USER`)
  .join('; ');
