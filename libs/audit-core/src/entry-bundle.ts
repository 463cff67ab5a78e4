/**
 * Entry bundles (C2SP tlog-tiles): entries one after the other, each as a 16-bit big-endian length and its bytes, and
 * nothing else. An empty entry is 00 00. Block bodies and the part of a frame message after its note have this form.
 *
 * Reading copies nothing: the result is a table of offsets into the given bytes.
 */
import { FormatError } from './format-error.js';

/** The length prefix has 16 bits. */
const MOST_BYTES = 65_535;
const PREFIX_BYTES = 2;

/** Where the entries of a bundle are: entry i is bytes [start(i), end(i)) of the buffer that was split. */
export class EntryOffsets {
  readonly count: number;
  readonly #starts: Int32Array;

  /** `starts`: the start of every entry, and after the last what would be the start of one more. */
  constructor(starts: Int32Array) {
    this.count = starts.length - 1;
    this.#starts = starts;
  }

  /** First byte of entry i; its 16-bit length is in the two bytes before. Throws RangeError when there is none. */
  start(i: number): number {
    this.#check(i);
    return this.#starts[i] as number;
  }

  /** First byte after entry i. Throws RangeError when there is none. */
  end(i: number): number {
    this.#check(i);
    return (this.#starts[i + 1] as number) - PREFIX_BYTES;
  }

  #check(i: number): void {
    // Not the table's own bounds: it has one place more than there are entries.
    if (!(i >= 0 && i < this.count && Number.isInteger(i))) throw new RangeError(`no entry ${i} of ${this.count}`);
  }
}

/** What a caller expects of a bundle inside a larger message. */
export type BundleBounds = {
  /** First byte of the bundle, 0 when left out. */
  from?: number;
  /** First byte after it, the length of the buffer when left out. */
  to?: number;
  /** More entries than this are refused before any memory is taken for them. */
  maxEntries?: number;
};

const MOST_OFFSET = 2 ** 31 - 1 - PREFIX_BYTES;
// A block of 16,384 entries and the block entry itself (formats.md, "Limits").
const MOST_ENTRIES = 16_385;

/** Joins entries of at most 65,535 bytes each. Throws RangeError (a bug of the caller) for a longer one. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const entry of entries) {
    if (entry.length > MOST_BYTES) throw new RangeError(`an entry of ${entry.length} bytes does not fit a bundle`);
    length += PREFIX_BYTES + entry.length;
  }
  const bundle = Buffer.allocUnsafe(length);
  let at = 0;
  for (const entry of entries) {
    at = bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at);
    at += entry.length;
  }
  return bundle;
}

/**
 * Finds the entries of a bundle. Throws FormatError `bundle.truncated` (ends inside a length or an entry) or
 * `bundle.entries` (more than `maxEntries`, 16,385 when left out).
 */
export function splitBundle(bytes: Uint8Array, bounds: BundleBounds = {}): EntryOffsets {
  const { from = 0, to = bytes.length, maxEntries = MOST_ENTRIES } = bounds;
  if (!(from >= 0 && from <= to && to <= bytes.length)) throw new RangeError('the bounds are not inside the bytes');
  if (to > MOST_OFFSET) throw new RangeError('offsets of 32 bits do not reach the end of the bytes');
  const count = countEntries(bytes, from, to, maxEntries);
  const starts = new Int32Array(count + 1);
  let at = from;
  for (let i = 0; i < count; i += 1) {
    starts[i] = at + PREFIX_BYTES;
    at = entryEnd(bytes, at);
  }
  starts[count] = to + PREFIX_BYTES;
  return new EntryOffsets(starts);
}

function countEntries(bytes: Uint8Array, from: number, to: number, maxEntries: number): number {
  let count = 0;
  for (let at = from; at < to; count += 1) {
    if (count === maxEntries) throw new FormatError('bundle.entries', `the bundle has more than ${maxEntries} entries`);
    const next = to - at < PREFIX_BYTES ? Infinity : entryEnd(bytes, at);
    if (next > to) {
      throw new FormatError('bundle.truncated', `the bundle ends inside entry ${count}, which starts at byte ${at}`);
    }
    at = next;
  }
  return count;
}

/** First byte after the entry whose length prefix is at `at`. */
function entryEnd(bytes: Uint8Array, at: number): number {
  return at + PREFIX_BYTES + (bytes[at] as number) * 256 + (bytes[at + 1] as number);
}
