/**
 * The event index behind the sealer: a projection (formats.md "Event index") in its own transactions, so that nothing
 * inside an event can hold up sealing. It follows the committed blocks; what it needs of them is handed over in memory
 * while they are new and read back from Postgres otherwise.
 */

import {
  blockEvents,
  JsonTape,
  leafHashInPlace,
  splitBundle,
  type BlockEvent,
  type Finding,
  type Hash,
} from '@everseal/audit-core';
import {
  bodyOf,
  DuplicateFinder,
  EventIndexWriter,
  readIndexHead,
  readLeafHashes,
  StoreError,
} from '@everseal/ledger-store';
import { fateOf, RetryLater, type AlertBook } from '@everseal/process';
import type { Pool } from 'pg';
import { isUnknown } from './lease.js';
import type { CutBlock } from './open-block.js';

/** Committed bodies kept in memory for the index, bytes. Older ones are read back. */
const KEEP_BYTES = 24 * 1024 * 1024;
/** Rows between two turns of the event loop, so that indexing never delays sealing by more than some milliseconds. */
const ROWS_A_TURN = 512;
/** Pause when everything is indexed. */
const IDLE_MS = 200;

export interface IndexedBlock {
  readonly first: number;
  readonly next: number;
  readonly body: Buffer;
}

export class IndexLedger {
  private readonly recent = new Map<number, IndexedBlock>();
  private recentBytes = 0;
  private readonly tape = new JsonTape();
  /** Rows of the block behind the one that is being written: Postgres works on one while this process derives the other. */
  private ahead: { readonly first: number; readonly rows: Promise<BlockEvent[]> } | null = null;
  /** As index_head says it; null when that has to be asked (again): at start and after any failure. */
  private position: number | null = null;
  private sealedSize = 0;

  private readonly writer: EventIndexWriter;
  private readonly duplicates: DuplicateFinder;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly origin: string,
    private readonly alerts: AlertBook,
    private readonly onIndexed: (position: number) => void,
    /** Resolves when no block is being committed: that comes first. Never rejects. */
    private readonly giveWay?: () => Promise<void>,
  ) {
    this.writer = new EventIndexWriter(pool, ledgerId);
    this.duplicates = new DuplicateFinder(pool, ledgerId, origin, (positions) => this.leavesAt(positions));
  }

  /** A block was committed. */
  offer(size: number, block: CutBlock | null): void {
    this.sealedSize = size;
    if (!block) return;
    const { first } = block.block;
    this.recent.set(first, { first, next: block.size, body: block.body });
    this.recentBytes += block.body.length;
    for (const [key, { body }] of this.recent) {
      if (this.recentBytes <= KEEP_BYTES) break;
      this.recent.delete(key);
      this.recentBytes -= body.length;
    }
  }

  /**
   * One round of the loop: indexes what is there; returns the milliseconds to wait.
   *
   * @throws what a later round may not meet again, and nothing else: whoever alters the index does not stop sealing
   */
  async round(): Promise<number> {
    try {
      // A standby leaves the index to the holder: what it read now would be old when its turn comes.
      if (this.sealedSize === 0) return IDLE_MS;
      this.position ??= await readIndexHead(this.pool, this.ledgerId);
      if (this.position === this.sealedSize) return IDLE_MS;
      if (this.position > this.sealedSize) throw this.altered(`its head ${this.position} is beyond ${this.sealedSize}`);
      const block = await this.blockAt(this.position);
      if (!block) return IDLE_MS;
      if (block.first !== this.position) throw this.altered(`its head ${this.position} is inside a block`);
      await this.indexBlock(block);
      this.alerts.reconcile(this.scope, []);
      return 0;
    } catch (error) {
      // The answer to a COMMIT may be among what was lost: only the database knows how far the index is.
      this.position = null;
      if (fateOf(error) === 'retry' || isUnknown(error)) throw error;
      // Another sealer has taken over, or somebody moved the head between two looks: the next round asks where it is.
      if (error instanceof StoreError && error.code === 'store.index-moved') {
        throw new RetryLater('index.moved', error.message, { cause: error });
      }
      throw this.altered(error);
    }
  }

  private get scope(): string {
    return `index of ${this.origin}`;
  }

  /** Rows or a head that this loop did not write, or bodies that it cannot read: an alert, and another try. */
  private altered(cause: unknown): RetryLater {
    const why = cause instanceof Error ? cause.message : String(cause);
    const detail = `the event index of ${this.origin} cannot go on: ${why}`;
    const finding: Finding = { code: 'index.altered', index: null, height: null, detail };
    this.alerts.raise(this.scope, finding, { ledger: this.origin });
    return new RetryLater('index.altered', `${detail}; everseal reindex puts it right`, { cause });
  }

  /** The block that holds this entry, from memory while it is new; null when the log does not reach that far. */
  private async blockAt(position: number): Promise<IndexedBlock | null> {
    const recent = this.recent.get(position);
    if (recent) return recent;
    const stored = await bodyOf(this.pool, this.ledgerId, position);
    if (!stored) return null;
    const { first, next, body } = stored;
    // The verifier raises the alert; sealing goes on meanwhile, and the index once the body is back.
    if (!body) throw new RetryLater('index.body', `the body of the block at entry ${first} is not in the database`);
    return { first, next, body };
  }

  /** All rows of one block and the new index head in one transaction: a crash leaves whole blocks. */
  private async indexBlock(block: IndexedBlock): Promise<void> {
    const rows = await this.rowsOf(block);
    const conflicts = await this.duplicates.mark(rows, ({ event }) => event);
    const written = this.writer.write({ from: block.first, to: block.next, rows }, this.giveWay);
    this.deriveAhead(block.next);
    await written;
    // Crash here: these are not told. The rows say all there is to say; the alert is for people.
    for (const { row, earlier } of conflicts) this.conflict(row, earlier);
    this.position = block.next;
    this.forget(block.first);
    this.onIndexed(block.next);
  }

  private async rowsOf({ body, first }: IndexedBlock): Promise<BlockEvent[]> {
    const ahead = this.ahead;
    this.ahead = null;
    // One at a time: they share the tape.
    const rows = await ahead?.rows;
    return rows && ahead?.first === first ? rows : this.derive(body, first);
  }

  private deriveAhead(first: number): void {
    const block = this.recent.get(first);
    if (!block) return;
    const rows = this.derive(block.body, first);
    // Whoever takes them up meets the failure.
    rows.catch(() => {});
    this.ahead = { first, rows };
  }

  private async derive(body: Buffer, first: number): Promise<BlockEvent[]> {
    const rows: BlockEvent[] = [];
    for (const row of blockEvents(body, first, this.tape)) {
      rows.push(row);
      if (rows.length % ROWS_A_TURN === 0) await new Promise(setImmediate);
    }
    return rows;
  }

  /** What ingest refuses within its window, and cannot know of beyond it or of another instance. Stands until it is looked into. */
  private conflict({ position, eventId, producer }: BlockEvent, earlier: number): void {
    const detail = `event ${position} of ${producer} has source and id of event ${earlier}, and other bytes`;
    const finding: Finding = { code: 'event.conflict', index: position, height: null, detail };
    this.alerts.raise(`conflicts of ${this.origin}`, finding, { ledger: this.origin, eventId, party: producer });
  }

  private forget(first: number): void {
    const kept = this.recent.get(first);
    if (!kept) return;
    this.recent.delete(first);
    this.recentBytes -= kept.body.length;
  }

  /** Leaf hashes from full tiles; those of the newest entries, which fill no tile yet, from their blocks. */
  private async leavesAt(positions: readonly number[]): Promise<Map<number, Hash>> {
    const leaves = await readLeafHashes(this.pool, this.ledgerId, positions);
    for (const position of positions) {
      if (leaves.has(position)) continue;
      const block = await bodyOf(this.pool, this.ledgerId, position);
      if (!block?.body) continue;
      const offsets = splitBundle(block.body);
      for (let i = 0; i < offsets.count; i++) {
        leaves.set(block.first + i, leafHashInPlace(block.body, offsets.start(i), offsets.end(i)));
      }
    }
    return leaves;
  }
}
