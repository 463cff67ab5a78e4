/** Whole lines of a file that may grow, from an offset on, in bounded memory: a line that is too long is passed over, and said. */
import { readSync } from 'node:fs';

export interface FileLine {
  /** Where it begins. */
  readonly at: number;
  /** Where the next one begins. */
  readonly end: number;
  /** Without its line feed; null for a line that is longer than the bound. */
  readonly bytes: Buffer | null;
}

const CHUNK_BYTES = 65_536;
const LINE_FEED = 0x0a;

/**
 * Ends where the file ends now. What stands behind its last line feed is not a line yet.
 * @param from where a line begins
 * @throws system errors
 */
export function* linesOf(fd: number, from: number, mostBytes: number): Generator<FileLine> {
  let [at, held, isTooLong]: [number, Buffer, boolean] = [from, Buffer.alloc(0), false];
  for (let read = from; ;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(fd, chunk, 0, CHUNK_BYTES, read);
    if (length === 0) return;
    for (let start = 0; start < length;) {
      const feed = chunk.subarray(0, length).indexOf(LINE_FEED, start);
      const piece = chunk.subarray(start, feed === -1 ? length : feed);
      isTooLong ||= held.length + piece.length > mostBytes;
      held = isTooLong ? Buffer.alloc(0) : Buffer.concat([held, piece]);
      start = feed === -1 ? length : feed + 1;
      if (feed === -1) continue;
      const end = read + start;
      yield { at, end, bytes: isTooLong ? null : held };
      [at, held, isTooLong] = [end, Buffer.alloc(0), false];
    }
    read += length;
  }
}
