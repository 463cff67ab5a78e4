/**
 * Who signed the entries of a range: its frames, read in order, with the key sets that the log names its ingesters in.
 *
 * A range begins and ends anywhere. Events before its first note belong to a frame whose note stands before it (`frames/<index>`), and
 * the last frame may have further events behind it. Of those the leaf hashes are enough to make the root that the ingester signed; they
 * stand in the level 0 tiles.
 *
 * An event begins with a brace and a note never does, so first bytes tell them apart in every log whose frames are valid.
 */
import { openBlock } from './block.js';
import { treeRoot } from './compact-range.js';
import { entryKind } from './entry-kind.js';
import { parseEventEntry } from './event-entry.js';
import { EXPORT_FOLDERS, frameFile, numbersIn, readExported, type ExportFiles } from './export-layout.js';
import type { ExportedKeys } from './exported-keys.js';
import { FormatError } from './format-error.js';
import { openFrame, type Frame } from './frame.js';
import type { FrameTally, OnFrame } from './frame-tally.js';
import { openGap } from './gap.js';
import { equalHash, leafHash, type Hash } from './hash.js';
import { MAX_FRAME_EVENTS } from './limits.js';
import { openRestore } from './restore.js';
import type { TileTree } from './tile-tree.js';

/** A frame whose events are being read. */
interface OpenFrame {
  readonly frame: Frame;
  /** Entry of its first event. */
  readonly first: number;
  /** Leaf hashes of its events so far. */
  readonly leaves: Hash[];
  /** How many of them stand before the range. */
  readonly outside: number;
}

const BRACE = 0x7b;

/** What the custody of a range is shown by. */
export interface RangePlace {
  readonly origin: string;
  readonly keys: ExportedKeys;
  readonly tree: TileTree;
  /** The first entry of the range. */
  readonly from: number;
  readonly tally: FrameTally;
  readonly onFrame?: OnFrame | undefined;
}

export class RangeCustody {
  private open: OpenFrame | null = null;
  /** Entries read so far end before this one. */
  private next: number;

  private constructor(private readonly place: RangePlace) {
    this.next = place.from;
  }

  /**
   * Begins with the frame that the first entry of the range is an event of, if it is one.
   * @throws FormatError `export.custody`, `export.missing`, `export.name`, `export.tile`, `export.root`
   */
  static async open(files: ExportFiles, place: RangePlace): Promise<RangeCustody> {
    const { tree, from } = place;
    const custody = new RangeCustody(place);
    const [index, ...others] = await numbersIn(files, EXPORT_FOLDERS.frames);
    if (index === undefined) return custody;
    if (others.length > 0 || index >= from || index < from - MAX_FRAME_EVENTS)
      throw new FormatError('export.custody', `frames/ holds notes that entry ${from} does not ask for`);
    const note = await readExported(files, frameFile(index));
    const [leaf, ...events] = await tree.leaves(index, from);
    if (!equalHash(leafHash(note), leaf!))
      throw new FormatError('export.custody', `${frameFile(index)} is not what stands at entry ${index}`);
    custody.begin(note, index, events);
    return custody;
  }

  private begin(note: Uint8Array, index: number, leaves: Hash[]): void {
    const { keys, origin } = this.place;
    const frame = atEntry(index, () => openFrame(note, keys.before(index).ingest, origin));
    if (frame.count <= leaves.length) {
      throw new FormatError('export.custody', `the frame at entry ${index} ends before entry ${this.next}`);
    }
    this.open = { frame, first: index + 1, leaves, outside: leaves.length };
  }

  /**
   * Reads the next entry, which was shown to stand there.
   * @throws FormatError `export.custody`: it is no entry that may stand there, or not signed by whom the key sets name
   */
  take(entry: Uint8Array, leaf: Hash): void {
    const index = this.next++;
    atEntry(index, () => {
      if (this.open) this.takeEvent(this.open, entry, leaf);
      else this.takeNote(entry, index, leaf);
    });
  }

  private takeEvent(open: OpenFrame, entry: Uint8Array, leaf: Hash): void {
    const { origin, accepted } = parseEventEntry(entry);
    if (origin !== this.place.origin || accepted !== open.frame.accepted)
      throw new FormatError('custody.event', 'its ledger or time is not that of its frame');
    open.leaves.push(leaf);
    if (open.leaves.length === open.frame.count) this.close(open, 0);
  }

  private takeNote(entry: Uint8Array, index: number, leaf: Hash): void {
    if (entry[0] === BRACE)
      throw new FormatError('custody.frame', 'it is an event, and no frame that is shown holds it');
    const kind = entryKind(entry);
    const { origin } = this.place;
    if (kind === 'keys') return this.place.keys.requireAt(index, leaf);
    const keys = this.place.keys.before(index);
    if (kind === 'frame') {
      const frame = openFrame(entry, keys.ingest, origin);
      this.open = { frame, first: index + 1, leaves: [], outside: 0 };
    } else if (kind === 'gap') {
      requireSame(openGap(entry, [keys.log]).origin, origin);
    } else if (kind === 'block') {
      const block = openBlock(entry, [keys.log]);
      requireSame(block.origin, origin);
      requireSame(block.first + block.entries, index);
    } else {
      requireSame(index, 1);
      openRestore(entry, keys, null);
    }
  }

  /**
   * Ends the range: of the last frame, the leaf hashes of the events that stand behind it complete the root.
   * @throws FormatError `export.custody`, `export.missing`, `export.tile`, `export.root`
   */
  async end(): Promise<void> {
    if (this.open === null) return;
    const { tree } = this.place;
    const behind = this.open.frame.count - this.open.leaves.length;
    if (this.next + behind > tree.size)
      throw new FormatError('export.custody', `the last frame has ${behind} events that the tree has no place for`);
    this.open.leaves.push(...(await tree.leaves(this.next, this.next + behind)));
    this.close(this.open, behind);
  }

  private close({ frame, first, leaves, outside }: OpenFrame, behind: number): void {
    if (leaves.length !== frame.count || !equalHash(treeRoot(leaves), frame.root)) {
      const events = `entries ${first} to ${first + frame.count - 1}`;
      throw new FormatError('export.custody', `${events} are not the events that ingest ${frame.ingester} signed`);
    }
    this.open = null;
    const [begin, end] = [first + outside, first + frame.count - behind];
    if (begin === end) return; // the note is the last entry of the range
    this.place.tally.add(frame, end - begin);
    this.place.onFrame?.({ frame, first: begin, last: end - 1 });
  }
}

function requireSame<T>(found: T, expected: T): void {
  if (found !== expected) throw new FormatError('custody.place', `it says ${found}, its place asks for ${expected}`);
}

/** Says which entry it was. */
function atEntry<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof FormatError) || cause.code === 'export.custody') throw cause;
    throw new FormatError('export.custody', `entry ${index}: ${cause.message} (${cause.code})`, { cause });
  }
}
