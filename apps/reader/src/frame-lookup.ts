/**
 * Which entries of a block are events, and the frame note before each: place decides, not the bytes. The counts are read from
 * the notes' lines alone, once a block; a note is parsed as such when its frame is asked for.
 */
import { FIRST_LINE, isCount, MAX_FRAME_EVENTS } from '@everseal/audit-core';
import { damaged, type OpenBlock } from './log-source.js';

export interface FoundFrame {
  /** The signed note. */
  readonly note: Buffer;
  /** Index of the note in the log; its events follow. */
  readonly position: number;
  /** How many they are. */
  readonly count: number;
}

const HEAD = Buffer.from(`${FIRST_LINE.frame}\n`);
/** Lines before that of the count. */
const LINES_BEFORE_COUNT = 5;
const LINE_FEED = 0x0a;

const known = new WeakMap<OpenBlock, readonly FoundFrame[]>();

/** The frame whose event stands there; null for an entry that is no event. @throws Problem log.damaged */
export function frameOf(block: OpenBlock, position: number): FoundFrame | null {
  let frames = known.get(block);
  if (frames === undefined) known.set(block, (frames = framesIn(block)));
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((frames[middle] as FoundFrame).position < position) low = middle + 1;
    else high = middle;
  }
  const frame = frames[low - 1];
  return frame !== undefined && position <= frame.position + frame.count ? frame : null;
}

function framesIn({ body, offsets, first, height }: OpenBlock): FoundFrame[] {
  const frames: FoundFrame[] = [];
  for (let i = 0; i < offsets.count; i++) {
    const note = body.subarray(offsets.start(i), offsets.end(i));
    if (!note.subarray(0, HEAD.length).equals(HEAD)) continue;
    const count = countOf(note);
    if (!isCount(count) || count < 1 || count > MAX_FRAME_EVENTS) damaged(`a frame of block ${height}`);
    frames.push({ note, position: first + i, count });
    i += count;
  }
  return frames;
}

function countOf(note: Buffer): number {
  let at = 0;
  for (let line = 0; line < LINES_BEFORE_COUNT; line++) at = note.indexOf(LINE_FEED, at) + 1;
  return Number(note.toString('latin1', at, note.indexOf(LINE_FEED, at)));
}
