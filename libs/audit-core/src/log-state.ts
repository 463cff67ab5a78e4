/**
 * Reading a ledger block by block: the grammar of formats.md "The log", with everything that a reader has to remember.
 *
 *     log = keys [restore] block *run
 *     run = *( keys | frame event{count} | gap frame event{count} ) block
 *
 * Place decides the kind of an entry, not its first bytes. The whole state is: size and root of the tree, the block
 * before, the newest key set, the newest frame of each ingester, the open debts. `readBlock` takes the stored bytes of
 * one block and either moves the state over the whole block or leaves it untouched and says what is wrong: there is no
 * half-read block. The verifier, the offline check and the tests all read a log through this one class.
 *
 * Which verdict a broken block gets: the block note is looked at first, because its signed root divides the cases. Note
 * not signed: `block.signature`. Note does not continue the block before: `block.chain`. Root differs from the stored
 * entries: bytes were changed after sealing, `entry.*`. Root fits: the log was sealed wrong, and the verdict is that of
 * the entry that breaks the grammar (`custody.*`, `key.changed`).
 */

import { openBlock, type Block } from './block.js';
import { CompactRange } from './compact-range.js';
import { DebtBook, type Debt } from './debt.js';
import { splitBundle, type EntryOffsets } from './entry-bundle.js';
import { entryKind, type EntryKind } from './entry-kind.js';
import { FormatError } from './format-error.js';
import { openFrame, type Frame } from './frame.js';
import { checkFrameEntries } from './frame-message.js';
import { openGap, type Gap } from './gap.js';
import { encodeBase64 } from './base64.js';
import { equalHash, leafHashInPlace, ZERO_HASH, type Hash } from './hash.js';
import { openGenesis, openKeySet, type KeySet } from './key-set.js';
import { MAX_BLOCK_BYTES } from './limits.js';
import { openRestore } from './restore.js';
import { retiredBy, type RetiredKey } from './retired-keys.js';
import { TreeGrowth } from './tree-growth.js';
import type { Finding, VerdictCode } from './verdict.js';

/** The newest sealed frame of one ingester. */
export interface FrameHead {
  readonly number: number;
  readonly hash: Hash;
  readonly index: number;
  readonly accepted: string;
}

/** A frame as it stands in the log. */
export interface SealedFrame {
  readonly frame: Frame;
  readonly hash: Hash;
  readonly index: number;
}

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

/** The trust that a reader starts from. */
export interface LogTrust {
  readonly origin: string;
  /** Leaf hash of entry 0, the first key set. */
  readonly genesis: Hash;
}

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

interface Walk {
  keys: KeySet | null;
  keysHash: Hash;
  keysIndex: number;
  retired: readonly RetiredKey[];
  readonly heads: Map<string, FrameHead>;
  readonly debts: DebtBook;
  readonly frames: SealedFrame[];
  gap: Gap | null;
}

export class LogState {
  private range = CompactRange.empty();
  private nextHeight = 0;
  private previousBlock: Hash = ZERO_HASH;
  private lastSealed = '';
  private keys: KeySet | null = null;
  private newestKeys: { hash: Hash; index: number } = { hash: ZERO_HASH, index: -1 };
  private retired: readonly RetiredKey[] = [];
  private frameHeads = new Map<string, FrameHead>();
  private openDebts = new DebtBook();

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
    state.keys = memory.keys;
    state.newestKeys = { hash: memory.keysHash, index: memory.keysIndex };
    state.retired = memory.retired;
    state.frameHeads = new Map(memory.heads);
    state.openDebts = new DebtBook([...memory.debts]);
    return state;
  }

  memory(): LogMemory {
    return {
      size: this.range.size,
      frontier: this.range.hashes(),
      height: this.nextHeight,
      previous: this.previousBlock,
      sealed: this.lastSealed,
      keys: this.keys,
      keysHash: this.newestKeys.hash,
      keysIndex: this.newestKeys.index,
      retired: this.retired,
      heads: new Map(this.frameHeads),
      debts: this.openDebts.all(),
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
    return this.keys;
  }
  /** Index of the entry that holds the newest key set. */
  get keysIndex(): number {
    return this.newestKeys.index;
  }
  get heads(): ReadonlyMap<string, FrameHead> {
    return this.frameHeads;
  }
  get debts(): DebtBook {
    return this.openDebts;
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
    const walk = this.startWalk();
    const problem = this.walkEntries(walk, body, offsets, leaves);

    const note = body.subarray(offsets.start(count), offsets.end(count));
    const opened = this.openBlockNote(note, walk, count, problem);
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
    const keysChanged = walk.keysIndex !== this.newestKeys.index;
    this.keys = walk.keys;
    this.newestKeys = { hash: walk.keysHash, index: walk.keysIndex };
    this.retired = walk.retired;
    this.frameHeads = walk.heads;
    this.openDebts = walk.debts;
    return {
      ok: true,
      block,
      hash: leaves[count]!,
      leaves,
      growth,
      frames: walk.frames,
      keysIndex: keysChanged ? walk.keysIndex : null,
    };
  }

  private startWalk(): Walk {
    return {
      keys: this.keys,
      keysHash: this.newestKeys.hash,
      keysIndex: this.newestKeys.index,
      retired: this.retired,
      heads: new Map(this.frameHeads),
      debts: this.openDebts.clone(),
      frames: [],
      gap: null,
    };
  }

  /** Walks the entries before the block note by the grammar; returns the first that breaks it. */
  private walkEntries(walk: Walk, body: Buffer, offsets: EntryOffsets, leaves: readonly Hash[]): Finding | null {
    const count = offsets.count - 1;
    let i = 0;
    while (i < count) {
      const index = this.size + i;
      const entry = body.subarray(offsets.start(i), offsets.end(i));
      try {
        if (index === 0) this.readGenesis(walk, entry, leaves[i]!);
        else i += this.readItem(walk, body, offsets, i, leaves, entry);
      } catch (error) {
        if (error instanceof Broken) return this.finding(error.verdict, error.index ?? index, error.message);
        if (error instanceof FormatError) return this.finding(verdictOf(entry, error), index, error.message);
        throw error;
      }
      i++;
    }
    if (walk.gap) return this.finding('custody.gap-false', this.size + count - 1, 'no frame follows a gap record');
    if (walk.keys === null) return this.finding('key.changed', 0, 'the log does not start with a key set');
    return null;
  }

  private readGenesis(walk: Walk, entry: Buffer, leaf: Hash): void {
    if (!equalHash(leaf, this.trust.genesis)) {
      throw new Broken('key.changed', 'entry 0 is not the key set that this reader trusts', 0);
    }
    walk.keys = openGenesis(entry, this.trust.origin);
    walk.keysHash = leaf;
    walk.keysIndex = 0;
  }

  /** Reads the item that starts at entry `i`; returns how many entries follow its first (the events of a frame). */
  private readItem(
    walk: Walk,
    body: Buffer,
    offsets: EntryOffsets,
    i: number,
    leaves: readonly Hash[],
    entry: Buffer,
  ): number {
    const index = this.size + i;
    const keys = walk.keys;
    if (!keys) throw new Broken('key.changed', 'an entry stands before the first key set', index);
    const kind = kindOf(entry);
    if (walk.gap && kind !== 'frame') {
      throw new Broken('custody.gap-false', 'a gap record is not followed by the frame that ends it', index);
    }
    if (kind === 'keys') {
      walk.keys = openKeySet(entry, keys, walk.keysHash);
      walk.retired = [...walk.retired, ...retiredBy(keys, walk.keys, index)];
      walk.keysHash = leaves[i]!;
      walk.keysIndex = index;
      return 0;
    }
    if (kind === 'gap') {
      walk.gap = this.readGap(walk, openGap(entry, [keys.log]), index);
      return 0;
    }
    if (kind === 'restore' && index === 1) {
      openRestore(entry, keys, null);
      return 0;
    }
    if (kind !== 'frame') {
      throw new Broken('entry.inserted', 'an entry is neither a note nor an event of a frame', index);
    }
    return this.readFrame(walk, body, offsets, i, leaves, entry, keys);
  }

  private readFrame(
    walk: Walk,
    body: Buffer,
    offsets: EntryOffsets,
    i: number,
    leaves: readonly Hash[],
    entry: Buffer,
    keys: KeySet,
  ): number {
    const index = this.size + i;
    const frame = openFrame(entry, keys.ingest, this.trust.origin);
    if (i + frame.count > offsets.count - 1) {
      throw new Broken('custody.altered', `the frame says ${frame.count} events, its block ends before that`, index);
    }
    checkFrameEntries(frame, body, offsets, i + 1, leaves);
    const sealed: SealedFrame = { frame, hash: leaves[i]!, index };
    this.continueLane(walk, sealed);
    walk.frames.push(sealed);
    return frame.count;
  }

  /** A frame continues its ingester's chain, ends a gap, or pays an open debt; anything else breaks custody. */
  private continueLane(walk: Walk, sealed: SealedFrame): void {
    const { frame, hash, index } = sealed;
    const head = walk.heads.get(frame.ingester);
    const number = head?.number ?? 0;
    if (walk.gap) {
      if (frame.ingester !== walk.gap.ingester || frame.number !== walk.gap.last + 1) {
        throw new Broken('custody.gap-false', 'a gap record is not followed by the frame that ends it', index);
      }
      if (walk.gap.cause === 'lost') walk.debts.open(walk.gap, head ?? null, frame);
      walk.gap = null;
    } else if (frame.number <= number) {
      const refusal = walk.debts.pay(frame, hash);
      if (refusal) throw new Broken('custody.conflict', refusal, index);
      return;
    } else if (frame.number !== number + 1) {
      throw new Broken('custody.gap', `frame ${frame.number} of ${frame.ingester} follows frame ${number}`, index);
    } else if (!equalHash(frame.previous, head?.hash ?? ZERO_HASH)) {
      throw new Broken('custody.conflict', `frame ${frame.number} of ${frame.ingester} continues another frame`, index);
    }
    if (head && frame.accepted < head.accepted) {
      throw new Broken('custody.altered', `frame ${frame.number} was accepted before the frame before it`, index);
    }
    walk.heads.set(frame.ingester, { number: frame.number, hash, index, accepted: frame.accepted });
  }

  private readGap(walk: Walk, gap: Gap, index: number): Gap {
    const number = walk.heads.get(gap.ingester)?.number ?? 0;
    if (gap.origin !== this.trust.origin || gap.first !== number + 1) {
      throw new Broken('custody.gap-false', `a gap record starts at ${gap.first}, the lane stands at ${number}`, index);
    }
    return gap;
  }

  private openBlockNote(
    note: Buffer,
    walk: Walk,
    count: number,
    problem: Finding | null,
  ): { block: Block } | { finding: Finding } {
    const index = this.size + count;
    // Entry 0 or a key set without an operator's signature: the keys that signed this block are not to be trusted.
    if (problem?.code === 'key.changed') return { finding: problem };
    let block: Block;
    try {
      if (walk.keys === null) throw new FormatError('block.keys', 'no key set stands before it');
      block = openBlock(note, [walk.keys.log]);
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

/** An entry that parses but breaks the grammar; carries the verdict. Never leaves this file. */
class Broken extends Error {
  constructor(
    readonly verdict: VerdictCode,
    message: string,
    readonly index: number | null = null,
  ) {
    super(message);
  }
}

function kindOf(entry: Buffer): EntryKind | null {
  try {
    return entryKind(entry);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** The verdict for an entry that does not open, by its kind and by what did not fit. */
function verdictOf(entry: Buffer, error: FormatError): VerdictCode {
  const kind = kindOf(entry);
  if (kind === 'keys') return 'key.changed';
  if (kind === 'gap') return 'custody.gap-false';
  if (kind === 'restore') return 'key.unknown';
  // A genuine frame note over other events than it names; else the note itself is nobody's.
  return /^(frame\.entry|event-entry)/.test(error.code) ? 'custody.altered' : 'custody.forged';
}

function reason(error: unknown): string {
  if (error instanceof FormatError) return error.message;
  throw error;
}
