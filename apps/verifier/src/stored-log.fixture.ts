/**
 * A log in a real Postgres for specs: made by the writer of audit-core's specs, stored through the store's one way of
 * appending a block. No code of the sealer takes part.
 */

import {
  FIRST_LINE,
  leafHash,
  parseBlockText,
  parseGapText,
  parseNote,
  splitBundle,
  TileBuilder,
  type FullTile,
} from '@everseal/audit-core';
import {
  acquireLease,
  commitBlock,
  createLedger,
  insertCheckpoint,
  readHead,
  type GapRow,
} from '@everseal/ledger-store';
import type { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { LogWriter, ORIGIN, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { CURSOR, expectHead, SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';

const GUARDED = ['block', 'block_body', 'tile', 'frame', 'checkpoint', 'cosignature', 'ledger_head'];

export class StoredLog {
  private readonly tree = TileBuilder.empty();
  private keysIndex = 0;

  private constructor(
    readonly store: SpecStore,
    readonly sealer: Pool,
    readonly verifier: Pool,
    readonly ledgerId: number,
    private readonly fence: number,
    readonly writer: LogWriter,
  ) {}

  /** A database of its own, with a ledger that holds nothing; `writer` has written nothing, either. */
  static async create(server: TestPostgres, database: string, writer = new LogWriter()): Promise<StoredLog> {
    const store = await SpecStore.create(server, database);
    const sealer = await store.sealer();
    const ledgerId = await createLedger(sealer, ORIGIN, CURSOR);
    const lease = await acquireLease(sealer, ledgerId, 's1', 600_000);
    return new StoredLog(store, sealer, await store.verifier(), ledgerId, lease!.fence, writer);
  }

  /** Seals these frames, and gap records and key sets as they are, as the next block. */
  async seal(...parts: (MadeFrame | Buffer)[]): Promise<void> {
    const body = this.writer.block(...parts);
    const frames = parts.filter((part): part is MadeFrame => !Buffer.isBuffer(part));
    const first = this.tree.size;
    const tiles: FullTile[] = [];
    const offsets = splitBundle(body);
    const positions = new Map<string, number>();
    const gaps: GapRow[] = [];
    let note: Buffer = Buffer.alloc(0);
    for (let i = 0; i < offsets.count; i++) {
      note = body.subarray(offsets.start(i), offsets.end(i));
      const hash = leafHash(note);
      positions.set(hash.toString('hex'), first + i);
      if (note.toString('latin1', 0, FIRST_LINE.keys.length) === FIRST_LINE.keys) this.keysIndex = first + i;
      if (note.toString('latin1', 0, FIRST_LINE.gap.length) === FIRST_LINE.gap)
        gaps.push({ ...parseGapText(parseNote(note).text), position: first + i });
      tiles.push(...this.tree.append(hash));
    }
    const { height, entries, sealed } = parseBlockText(parseNote(note).text);
    const head = await readHead(this.sealer, this.ledgerId);
    await commitBlock(this.sealer, {
      expect: { ...expectHead(head), fence: this.fence },
      block: { height, first, next: this.tree.size, entries, hash: leafHash(note), sealed },
      body,
      tiles,
      frames: frames.map(({ frame, hash }, i) => ({
        ingester: frame.ingester,
        number: frame.number,
        hash,
        position: positions.get(hash.toString('hex'))!,
        sequence: first + i,
      })),
      gaps,
      waiting: [],
      frontier: this.tree.frontier().hashes(),
      keysIndex: this.keysIndex,
      cursor: CURSOR,
    });
  }

  /** Some frames of ingester a, sealed as one block. */
  async sealEvents(...events: string[]): Promise<void> {
    await this.seal(this.writer.frame('a', events));
  }

  storeCheckpoint(note: string): Promise<void> {
    const size = Number(note.split('\n')[1]);
    return insertCheckpoint(this.sealer, this.ledgerId, this.fence, { size, note });
  }

  get size(): number {
    return this.tree.size;
  }

  /** As a superuser who has switched off what stands in the way. */
  async tamper(sql: string): Promise<void> {
    const off = GUARDED.map((table) => `ALTER TABLE everseal.${table} DISABLE TRIGGER USER`).join('; ');
    await this.store.sql(`SET session_replication_role = 'replica'; ${off}; ${sql}`);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
