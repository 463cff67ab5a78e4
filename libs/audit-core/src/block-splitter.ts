/**
 * Finds the blocks in a flat list of entries. Archives that know nothing of blocks (C2SP tlog-tiles: mirrors, exports) hold
 * entry after entry; the body of a block is its entries and its note in the same encoding, so it comes back byte for byte.
 *
 * Place decides the kind of an entry (formats.md, "The log"): the `count` entries after a frame note are events whatever
 * they begin with, and a block ends with the next block note. Nothing is verified here but the form that is needed to find
 * that end; LogState reads the body.
 */
import { entryKind } from './entry-kind.js';
import { encodeBundle } from './entry-bundle.js';
import { FormatError } from './format-error.js';
import { parseFrameText } from './frame.js';
import { MAX_BLOCK_BYTES, MAX_BLOCK_ENTRIES } from './limits.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';

const LENGTH_BYTES = 2;

export class BlockSplitter {
  private entries: Uint8Array[] = [];
  private bytes = 0;
  /** How many of the next entries are events of the newest frame. */
  private events = 0;

  /** @param index of the entry that is pushed next; it begins a block */
  constructor(private index: number) {}

  /** Index of the next entry. */
  get next(): number {
    return this.index;
  }

  /** Whether entries were pushed that no block note has followed yet. */
  get isInside(): boolean {
    return this.entries.length > 0;
  }

  /**
   * Takes the next entry. It is kept as it is, not copied.
   *
   * @returns the body of the block that it ends, or null
   * @throws FormatError `entry.kind` and `frame.*`, `note.*`: a note must stand there, and this is none; `block.size`: no
   * block note comes within the bounds of a block
   */
  push(entry: Uint8Array): Buffer | null {
    this.bytes += LENGTH_BYTES + entry.length;
    if (this.bytes > MAX_BLOCK_BYTES || this.entries.length > MAX_BLOCK_ENTRIES) {
      throw new FormatError('block.size', 'no block note comes within the bounds of a block');
    }
    const ends = this.place(entry);
    this.entries.push(entry);
    this.index += 1;
    if (!ends) return null;
    const body = encodeBundle(this.entries);
    this.entries = [];
    this.bytes = 0;
    return body;
  }

  /** Whether it is a block note. */
  private place(entry: Uint8Array): boolean {
    if (this.events > 0) {
      this.events -= 1;
      return false;
    }
    const kind = entryKind(entry);
    if (kind === 'frame') this.events = parseFrameText(parseNote(entry, MOST_ENTRY_BYTES).text).count;
    return kind === 'block';
  }
}
