/**
 * Reading a ledger block by block: the grammar of formats.md "The log", with everything that a reader has to remember.
 *
 *     log = keys [restore] block *run
 *     run = *( keys | frame event{count} | gap frame event{count} ) block
 *
 * Place decides the kind of an entry, not its first bytes. The whole state is: size and root of the tree, the block
 * before, the newest key set, the newest frame of each ingester, the open debts. `readBlock` takes the stored bytes of
 * one block and either moves the state over the whole block or leaves it untouched and says what is wrong: there is no
 * half-read block. The verifier, the offline check and the tests all read a log through this one class; the entries before
 * a block note are walked in entry-walk.ts.
 *
 * Which verdict a broken block gets: the block note is looked at first, because its signed root divides the cases. Note
 * not signed: `block.signature`. Note does not continue the block before: `block.chain`. Root differs from the stored
 * entries: bytes were changed after sealing, `entry.*`. Root fits: the log was sealed wrong, and the verdict is that of
 * the entry that breaks the grammar (`custody.*`, `key.changed`).
 */

import { encodeBase64 } from './base64.js';
import { openBlock, type Block } from './block.js';
import { CompactRange } from './compact-range.js';
import { DebtBook, type Debt } from './debt.js';
import { splitBundle, type EntryOffsets } from './entry-bundle.js';
import { EntryWalk, type Established, type FrameHead, type LogTrust, type SealedFrame } from './entry-walk.js';
import { FormatError } from './format-error.js';
import { equalHash, leafHashInPlace, ZERO_HASH, type Hash } from './hash.js';
import type { KeySet } from './key-set.js';
import { MAX_BLOCK_BYTES } from './limits.js';
import type { RetiredKey } from './retired-keys.js';
import { TreeGrowth } from './tree-growth.js';
import type { Finding, VerdictCode } from './verdict.js';

/** What one good block brought. `leaves` holds the leaf hash of every entry, the block note last. */
export interface BlockReading {
  readonly block: Block;
  readonly hash: Hash;
  readonly leaves: readonly Hash[];
  /** The tree with those leaves. */
  readonly growth: TreeGrowth;
  readonly frames: readonly SealedFrame[];
  /** Index of the newest key set, when this block brought one. */
  readonly keysIndex: number | null;
}

export type BlockResult = ({ readonly ok: true } & BlockReading) | { readonly ok: false; readonly finding: Finding };

/** All that a reader remembers of a log: enough to go on from `size` without reading anything again. */
export interface LogMemory {
  readonly size: number;
  /** Compact range of the tree of that size, left to right. */
  readonly frontier: readonly Hash[];
  readonly height: number;
  readonly previous: Hash;
  readonly sealed: string;
  readonly keys: KeySet | null;
  readonly keysHash: Hash;
  readonly keysIndex: number;
  /** Keys that earlier sets named and this one does not, in the order in which they went. */
  readonly retired: readonly RetiredKey[];
  readonly heads: ReadonlyMap<string, FrameHead>;
  readonly debts: readonly Debt[];
}

export class LogState {
  private range = CompactRange.empty();
  private nextHeight = 0;
  private previousBlock: Hash = ZERO_HASH;
  private lastSealed = '';
  private established: Established = {
    keys: null,
    keysHash: ZERO_HASH,
    keysIndex: -1,
    retired: [],
    heads: new Map(),
    debts: new DebtBook(),
  };

  private constructor(readonly trust: LogTrust) {}

  /** A reader that has seen nothing but its trust. */
  static empty(trust: LogTrust): LogState {
    return new LogState(trust);
  }

  /** Goes on from a memory. The caller answers for it: it is as trusted as the state it was taken from. */
  static recall(trust: LogTrust, memory: LogMemory): LogState {
    const state = new LogState(trust);
    state.range = CompactRange.of(memory.size, [...memory.frontier]);
    state.nextHeight = memory.height;
    state.previousBlock = memory.previous;
    state.lastSealed = memory.sealed;
    const { keys, keysHash, keysIndex, retired, heads, debts } = memory;
    state.established = { keys, keysHash, keysIndex, retired, heads: new Map(heads), debts: new DebtBook([...debts]) };
    return state;
  }

  memory(): LogMemory {
    const { heads, debts, ...established } = this.established;
    return {
      size: this.range.size,
      frontier: this.range.hashes(),
      height: this.nextHeight,
      previous: this.previousBlock,
      sealed: this.lastSealed,
      ...established,
      heads: new Map(heads),
      debts: debts.all(),
    };
  }

  get size(): number {
    return this.range.size;
  }
  /** Height of the next block. */
  get height(): number {
    return this.nextHeight;
  }
  /** Leaf hash of the newest block note; 32 zero bytes before block 0. */
  get previous(): Hash {
    return this.previousBlock;
  }
  get sealed(): string {
    return this.lastSealed;
  }
  get root(): Hash {
    return this.range.root();
  }
  /** The newest key set: the keys in force for the next entry. Null before block 0. */
  get keySet(): KeySet | null {
    return this.established.keys;
  }
  /** Index of the entry that holds the newest key set. */
  get keysIndex(): number {
    return this.established.keysIndex;
  }
  get heads(): ReadonlyMap<string, FrameHead> {
    return this.established.heads;
  }
  get debts(): DebtBook {
    return this.established.debts;
  }
  frontier(): CompactRange {
    return this.range.clone();
  }

  clone(): LogState {
    return LogState.recall(this.trust, this.memory());
  }

  /**
   * Reads the stored body of the next block (entry bundle: its entries, then its block note).
   *
   * @param body the bytes as stored; the call may write into it while it hashes and leaves it as it was
   */
  readBlock(body: Buffer): BlockResult {
    if (body.length > MAX_BLOCK_BYTES) {
      return this.broken('entry.inserted', this.size, `the body has ${body.length} bytes, more than any block`);
    }
    let offsets: EntryOffsets;
    try {
      offsets = splitBundle(body);
    } catch (error) {
      return this.broken('entry.altered', this.size, `the body is no entry bundle: ${reason(error)}`);
    }
    const count = offsets.count - 1;
    if (count < 0) return this.broken('entry.missing', this.size, 'the body holds no block note');

    const leaves: Hash[] = [];
    for (let i = 0; i <= count; i++) leaves.push(leafHashInPlace(body, offsets.start(i), offsets.end(i)));
    const walk = new EntryWalk(this.trust, { body, offsets, leaves, first: this.size }, this.established);
    const misfit = walk.run();
    const problem = misfit && this.finding(misfit.code, misfit.index, misfit.detail);

    const note = body.subarray(offsets.start(count), offsets.end(count));
    const opened = this.openBlockNote(note, walk.established.keys, count, problem);
    if ('finding' in opened) return { ok: false, finding: opened.finding };
    const { block } = opened;

    const growth = new TreeGrowth(this.range);
    for (let i = 0; i < count; i++) growth.append(leaves[i]!);
    const root = growth.range.root();
    if (block.entries !== count || !equalHash(block.root, root)) {
      return { ok: false, finding: this.changedAfterSealing(block, count, root, problem) };
    }
    if (problem) return { ok: false, finding: problem };

    growth.append(leaves[count]!);
    this.range = growth.range;
    this.nextHeight = block.height + 1;
    this.previousBlock = leaves[count]!;
    this.lastSealed = block.sealed;
    const keysChanged = walk.established.keysIndex !== this.keysIndex;
    this.established = walk.established;
    return {
      ok: true,
      block,
      hash: leaves[count]!,
      leaves,
      growth,
      frames: walk.frames,
      keysIndex: keysChanged ? this.keysIndex : null,
    };
  }

  private openBlockNote(
    note: Buffer,
    keys: KeySet | null,
    count: number,
    problem: Finding | null,
  ): { block: Block } | { finding: Finding } {
    const index = this.size + count;
    // Entry 0 or a key set without an operator's signature: the keys that signed this block are not to be trusted.
    if (problem?.code === 'key.changed') return { finding: problem };
    let block: Block;
    try {
      if (keys === null) throw new FormatError('block.keys', 'no key set stands before it');
      block = openBlock(note, [keys.log]);
    } catch (error) {
      return { finding: this.finding('block.signature', index, `the block note: ${reason(error)}`) };
    }
    const wrong = this.notNext(block);
    return wrong ? { finding: this.finding('block.chain', index, wrong) } : { block };
  }

  /** Why this block does not stand at the end of what was read, or null. */
  private notNext(block: Block): string | null {
    if (block.origin !== this.trust.origin) return `it belongs to ${block.origin}`;
    if (block.height !== this.nextHeight) return `its height is ${block.height}, expected ${this.nextHeight}`;
    if (!equalHash(block.previous, this.previousBlock)) return 'it continues another block';
    if (block.first !== this.size) return `it starts at ${block.first}, expected ${this.size}`;
    if (block.sealed <= this.lastSealed) return `it was sealed at ${block.sealed}, not after ${this.lastSealed}`;
    return null;
  }

  private changedAfterSealing(block: Block, count: number, root: Hash, problem: Finding | null): Finding {
    const code = count < block.entries ? 'entry.missing' : count > block.entries ? 'entry.inserted' : 'entry.altered';
    const where = problem?.index ?? this.size;
    return {
      ...this.finding(code, where, `block ${block.height} was sealed over other bytes than the stored ones`),
      expected: `${block.entries} entries, root ${encodeBase64(block.root)}`,
      found: `${count} entries, root ${encodeBase64(root)}`,
    };
  }

  private broken(code: VerdictCode, index: number, detail: string): BlockResult {
    return { ok: false, finding: this.finding(code, index, detail) };
  }

  private finding(code: VerdictCode, index: number, detail: string): Finding {
    return { code, index, height: this.nextHeight, detail };
  }
}

function reason(error: unknown): string {
  if (error instanceof FormatError) return error.message;
  throw error;
}
