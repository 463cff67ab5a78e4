/**
 * Following one ledger: every new block is read from Postgres, derived again against this verifier's own memory, and
 * kept (leaf hashes, body). What lies beyond the newest cosigned checkpoint is provisional: it is in memory and on disk,
 * and is dropped and read again after a restart.
 *
 * One reader at a time: the tail loop and the hold requests of the sealer go through the same queue. A block is taken whole
 * or not at all: body, leaf hashes and state move together, so a disk that is full leaves nothing half-remembered.
 */

import { equalHash, type LogState, type Finding, type Hash, type LogMemory, type LogTrust } from '@everseal/audit-core';
import { blockStands, readBodies, readHead, type StoredBlock } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { ArrivalRate } from './arrival-rate.js';
import type { BodyRing } from './body-ring.js';
import type { RememberedTree } from './remembered-tree.js';

const BLOCKS_A_READ = 16;
/** Block ends that a checkpoint may still be asked for: a quarter of an hour of blocks at full load. */
const MOST_MARKS = 4_096;

/** A size at which a checkpoint may be: the end of a block. */
interface Mark {
  readonly size: number;
  readonly root: Hash;
  readonly memory: LogMemory;
}

export class FollowLedger {
  private queue: Promise<unknown> = Promise.resolve();
  /** Block ends from the newest cosigned size on, ascending. */
  private marks: Mark[];
  /** Entries of new blocks. */
  readonly arrivals = new ArrivalRate(() => performance.now());

  /** @param state stands at the newest cosigned size, or is empty */
  constructor(
    readonly trust: LogTrust,
    private readonly pool: Pool,
    readonly ledgerId: number,
    private state: LogState,
    readonly tree: RememberedTree,
    private readonly ring: BodyRing,
  ) {
    this.marks = state.size > 0 ? [markOf(state)] : [];
  }

  /** Entries derived and kept so far. */
  get size(): number {
    return this.tree.size;
  }

  get memory(): LogMemory {
    return this.state.memory();
  }

  /** The block end at exactly this size, when it is not older than the newest cosigned one. */
  markAt(size: number): Mark | null {
    return this.marks.find((mark) => mark.size === size) ?? null;
  }

  /** Forgets the block ends before a size that was cosigned. */
  settle(size: number): void {
    this.marks = this.marks.filter((mark) => mark.size >= size);
  }

  /**
   * Reads what is new. Returns what is wrong with the first block that cannot be taken, or null: then everything that
   * stands in the database was derived and agrees.
   */
  catchUp(): Promise<Finding | null> {
    const reading = this.queue.then(() => this.readNew());
    this.queue = reading.catch(() => undefined);
    return reading;
  }

  /** Everything derived so far survives a crash of this machine. */
  async sync(): Promise<void> {
    this.ring.sync();
    await this.tree.sync();
  }

  private async readNew(): Promise<Finding | null> {
    for (;;) {
      let read = 0;
      for await (const stored of readBodies(this.pool, this.ledgerId, this.state.height, BLOCKS_A_READ)) {
        read++;
        const finding = await this.take(stored);
        if (finding) return finding;
      }
      if (read < BLOCKS_A_READ) return this.compareHead();
    }
  }

  /** The row beside the body is the sweep's business: a spoiled column must not keep a good block from being held. */
  private async take(stored: StoredBlock): Promise<Finding | null> {
    const { height, size } = this.state;
    const at = (code: Finding['code'], detail: string): Finding => ({ code, index: size, height, detail });
    if (stored.height !== height) return at('block.missing', `block ${height} is gone, block ${stored.height} stands`);
    if (!stored.body) return at('block.missing', `block ${height} stands without its body`);
    const next = this.state.clone();
    const result = next.readBlock(stored.body);
    if (!result.ok) return result.finding;
    await this.ring.keep(height, stored.body);
    this.tree.append(result.leaves, result.growth);
    this.state = next;
    this.arrivals.arrived(result.leaves.length);
    this.marks.push(markOf(next));
    if (this.marks.length > MOST_MARKS) this.marks.shift();
    return null;
  }

  /** The head row must name the newest block that stands: fewer blocks than it says were cut off, a lower head went back. */
  private async compareHead(): Promise<Finding | null> {
    const { size, height, previous, sealed, keysIndex } = this.state;
    const head = await readHead(this.pool, this.ledgerId);
    const last = height - 1;
    const finding = (code: Finding['code'], detail: string): Finding => ({ code, index: null, height: last, detail });
    if (head.size > size) {
      // A block that was committed since the last read is there; one that is not was cut off.
      if (await blockStands(this.pool, this.ledgerId, height)) return null;
      return finding('log.truncated', `the head names block ${head.height}, the newest that stands is ${last}`);
    }
    if (head.size < size) {
      return finding('log.rolled-back', `the head is at size ${head.size}, this verifier has derived ${size}`);
    }
    if (size === 0) return null;
    if (head.height !== last || !head.previous || !equalHash(head.previous, previous)) {
      return finding('block.chain', 'the head row names another newest block than the one that stands');
    }
    if (head.sealed !== sealed || head.keysIndex !== keysIndex) {
      const column = head.sealed === sealed ? 'keys_index' : 'sealed';
      return finding('block.chain', `column ${column} of the head row is not what the log says`);
    }
    return null;
  }
}

function markOf(state: LogState): Mark {
  return { size: state.size, root: state.root, memory: state.memory() };
}
