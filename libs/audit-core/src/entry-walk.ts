/**
 * The walk over the entries of one block, up to its note, by the grammar of a run (log-state.ts). It starts with what the blocks before
 * have established and changes a copy of it; whoever believes the block takes the copy over.
 */
import type { DebtBook } from './debt.js';
import type { EntryOffsets } from './entry-bundle.js';
import { entryKind, type EntryKind } from './entry-kind.js';
import { FormatError } from './format-error.js';
import { openFrame, type Frame } from './frame.js';
import { checkFrameEntries } from './frame-message.js';
import { openGap, type Gap } from './gap.js';
import { equalHash, ZERO_HASH, type Hash } from './hash.js';
import { openGenesis, openKeySet, type KeySet } from './key-set.js';
import { openRestore } from './restore.js';
import { retiredBy, type RetiredKey } from './retired-keys.js';
import type { VerdictCode } from './verdict.js';

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

/** What the entries so far have established. */
export interface Established {
  /** The newest key set: the keys in force for the next entry. Null before entry 0. */
  keys: KeySet | null;
  /** Leaf hash of its entry; 32 zero bytes before entry 0. */
  keysHash: Hash;
  /** Index of its entry; -1 before entry 0. */
  keysIndex: number;
  /** Keys that earlier sets named and this one does not, in the order in which they went. */
  retired: readonly RetiredKey[];
  readonly heads: Map<string, FrameHead>;
  readonly debts: DebtBook;
}

/** The trust that a reader starts from. */
export interface LogTrust {
  readonly origin: string;
  /** Leaf hash of entry 0, the first key set. */
  readonly genesis: Hash;
}

/** The entries of one block as they are stored, its note last. */
export interface BlockEntries {
  readonly body: Buffer;
  readonly offsets: EntryOffsets;
  readonly leaves: readonly Hash[];
  /** Index of the first one in the log. */
  readonly first: number;
}

/** The first entry that breaks the grammar. */
export interface Misfit {
  readonly code: VerdictCode;
  readonly index: number;
  readonly detail: string;
}

export class EntryWalk {
  /** With the entries that were walked over. */
  readonly established: Established;
  readonly frames: SealedFrame[] = [];
  /** The gap record whose frame has to come next. */
  private gap: Gap | null = null;

  constructor(
    private readonly trust: LogTrust,
    private readonly entries: BlockEntries,
    before: Established,
  ) {
    this.established = { ...before, heads: new Map(before.heads), debts: before.debts.clone() };
  }

  /** Walks to the block note; returns the first entry that does not fit, or null. Once. */
  run(): Misfit | null {
    const { offsets, first } = this.entries;
    const count = offsets.count - 1;
    for (let i = 0; i < count; i++) {
      const index = first + i;
      const entry = this.entry(i);
      try {
        if (index === 0) this.readGenesis(entry);
        else i += this.readItem(i, entry);
      } catch (error) {
        if (error instanceof Broken) return { code: error.verdict, index: error.index, detail: error.message };
        if (error instanceof FormatError) return { code: verdictOf(entry, error), index, detail: error.message };
        throw error;
      }
    }
    if (this.gap)
      return { code: 'custody.gap-false', index: first + count - 1, detail: 'no frame follows a gap record' };
    if (this.established.keys) return null;
    return { code: 'key.changed', index: 0, detail: 'the log does not start with a key set' };
  }

  private entry(i: number): Buffer {
    const { body, offsets } = this.entries;
    return body.subarray(offsets.start(i), offsets.end(i));
  }

  private readGenesis(entry: Buffer): void {
    const leaf = this.entries.leaves[0]!;
    if (!equalHash(leaf, this.trust.genesis)) {
      throw new Broken('key.changed', 'entry 0 is not the key set that this reader trusts', 0);
    }
    const { established } = this;
    established.keys = openGenesis(entry, this.trust.origin);
    established.keysHash = leaf;
    established.keysIndex = 0;
  }

  /** Reads the item that starts at entry `i`; returns how many entries follow its first (the events of a frame). */
  private readItem(i: number, entry: Buffer): number {
    const index = this.entries.first + i;
    const { keys } = this.established;
    if (!keys) throw new Broken('key.changed', 'an entry stands before the first key set', index);
    const kind = kindOf(entry);
    if (this.gap && kind !== 'frame') {
      throw new Broken('custody.gap-false', 'a gap record is not followed by the frame that ends it', index);
    }
    if (kind === 'keys') {
      this.readKeySet(i, entry, keys);
      return 0;
    }
    if (kind === 'gap') {
      this.gap = this.readGap(openGap(entry, [keys.log]), index);
      return 0;
    }
    if (kind === 'restore' && index === 1) {
      openRestore(entry, keys, null);
      return 0;
    }
    if (kind !== 'frame') {
      throw new Broken('entry.inserted', 'an entry is neither a note nor an event of a frame', index);
    }
    return this.readFrame(i, entry, keys);
  }

  private readKeySet(i: number, entry: Buffer, before: KeySet): void {
    const { established } = this;
    const index = this.entries.first + i;
    const keys = openKeySet(entry, before, established.keysHash);
    established.keys = keys;
    established.retired = [...established.retired, ...retiredBy(before, keys, index)];
    established.keysHash = this.entries.leaves[i]!;
    established.keysIndex = index;
  }

  private readFrame(i: number, entry: Buffer, keys: KeySet): number {
    const { body, offsets, leaves, first } = this.entries;
    const index = first + i;
    const frame = openFrame(entry, keys.ingest, this.trust.origin);
    if (i + frame.count > offsets.count - 1) {
      throw new Broken('custody.altered', `the frame says ${frame.count} events, its block ends before that`, index);
    }
    checkFrameEntries(frame, body, offsets, i + 1, leaves);
    const sealed: SealedFrame = { frame, hash: leaves[i]!, index };
    this.continueLane(sealed);
    this.frames.push(sealed);
    return frame.count;
  }

  /** A frame continues its ingester's chain, ends a gap, or pays an open debt; anything else breaks custody. */
  private continueLane(sealed: SealedFrame): void {
    const { heads, debts } = this.established;
    const { frame, hash, index } = sealed;
    const head = heads.get(frame.ingester);
    const number = head?.number ?? 0;
    if (this.gap) {
      if (frame.ingester !== this.gap.ingester || frame.number !== this.gap.last + 1) {
        throw new Broken('custody.gap-false', 'a gap record is not followed by the frame that ends it', index);
      }
      if (this.gap.cause === 'lost') debts.open(this.gap, head ?? null, frame);
      this.gap = null;
    } else if (frame.number <= number) {
      const refusal = debts.pay(frame, hash);
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
    heads.set(frame.ingester, { number: frame.number, hash, index, accepted: frame.accepted });
  }

  private readGap(gap: Gap, index: number): Gap {
    const number = this.established.heads.get(gap.ingester)?.number ?? 0;
    if (gap.origin !== this.trust.origin || gap.first !== number + 1) {
      throw new Broken('custody.gap-false', `a gap record starts at ${gap.first}, the lane stands at ${number}`, index);
    }
    return gap;
  }
}

/** An entry that parses but breaks the grammar; carries the verdict. Never leaves this file. */
class Broken extends Error {
  constructor(
    readonly verdict: VerdictCode,
    message: string,
    readonly index: number,
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
