/**
 * A log read block by block, with everything that the tables of a ledger say about each block: what was lost is put back from
 * this and from nothing else. The state of reading (log-state.ts) and the tiles of the tree (tile-builder.ts), moved
 * together.
 */
import { blockGaps } from './block-events.js';
import type { NumberRange } from './debt.js';
import type { FrameHead, LogTrust } from './entry-walk.js';
import type { GapCause } from './gap.js';
import type { Hash } from './hash.js';
import type { KeySet } from './key-set.js';
import { LogState } from './log-state.js';
import { TileBuilder, type FullTile } from './tile-builder.js';
import type { Timestamp } from './timestamp.js';
import type { Finding } from './verdict.js';

/** One block as the tables have it. */
export interface ReplayedBlock {
  readonly height: number;
  /** Leaf hash of the block note before; null at height 0. */
  readonly previous: Hash | null;
  /** Index of its first entry, and of the first one behind its note. */
  readonly first: number;
  readonly next: number;
  /** Entries it covers, its note not counted. */
  readonly entries: number;
  /** Leaf hash of its note. */
  readonly hash: Hash;
  readonly sealed: Timestamp;
  readonly body: Buffer;
  /** Tiles that it completed. */
  readonly tiles: readonly FullTile[];
  readonly frames: readonly { ingester: string; number: number; hash: Hash; position: number }[];
  readonly gaps: readonly { ingester: string; first: number; last: number; cause: GapCause; position: number }[];
  /** Behind it: roots of the perfect subtrees, left to right, and the index of the newest key set. */
  readonly frontier: readonly Hash[];
  readonly keysIndex: number;
}

export type ReplayResult =
  { readonly ok: true; readonly block: ReplayedBlock } | { readonly ok: false; readonly finding: Finding };

export class LogReplay {
  private constructor(
    private readonly state: LogState,
    private tree: TileBuilder,
  ) {}

  /** Before block 0. */
  static empty(trust: LogTrust): LogReplay {
    return new LogReplay(LogState.empty(trust), TileBuilder.empty());
  }

  get size(): number {
    return this.state.size;
  }
  /** Height of the next block. */
  get height(): number {
    return this.state.height;
  }
  /** Root of the tree of all entries so far. */
  get root(): Hash {
    return this.tree.root();
  }
  /** The keys in force; null before block 0. */
  get keySet(): KeySet | null {
    return this.state.keySet;
  }

  /** The newest frame of each ingester. */
  get heads(): ReadonlyMap<string, FrameHead> {
    return this.state.heads;
  }
  /** Frames of an ingester that gap records left open, [first, last] pairs, ascending. */
  debtsOf(ingester: string): NumberRange[] {
    return this.state.debts.ranges(ingester);
  }

  clone(): LogReplay {
    return new LogReplay(this.state.clone(), this.tree.clone());
  }

  /**
   * Reads the next block and moves on, or stays where it is and says what is wrong with it.
   * @param body as for LogState.readBlock
   */
  read(body: Buffer): ReplayResult {
    const { size: first, height, previous } = this.state;
    const result = this.state.readBlock(body);
    if (!result.ok) return result;
    const tiles: FullTile[] = [];
    for (const leaf of result.leaves) tiles.push(...this.tree.append(leaf));
    const { block, hash, leaves, frames } = result;
    return {
      ok: true,
      block: {
        height,
        previous: height === 0 ? null : previous,
        first,
        next: first + leaves.length,
        entries: block.entries,
        hash,
        sealed: block.sealed,
        body,
        tiles,
        frames: frames.map(({ frame, hash: leaf, index }) => {
          return { ingester: frame.ingester, number: frame.number, hash: leaf, position: index };
        }),
        gaps: [...blockGaps(body, first)].map(({ gap, position }) => {
          return { ingester: gap.ingester, first: gap.first, last: gap.last, cause: gap.cause, position };
        }),
        frontier: this.tree.frontier().hashes(),
        keysIndex: this.state.keysIndex,
      },
    };
  }
}
