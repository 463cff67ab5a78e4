/**
 * The frame message: a frame note with its events as one message on the stream, in the spool and in answers to resend
 * (formats.md, "Frame").
 *
 *     u32 big-endian length of the note || note || for each event: u16 big-endian length || entry
 *
 * At most 786,432 bytes, 1 to 512 events, nothing after them. The part after the note is an entry bundle (C2SP
 * tlog-tiles), the form in which the events go on into the stored body of a block. Reading copies nothing: note and
 * entries are places in the message, and leaves are hashed where they lie.
 */
import { treeRoot } from './compact-range.js';
import { splitBundle, type EntryOffsets } from './entry-bundle.js';
import { eventEntryTest, parseEventEntry } from './event-entry.js';
import { FormatError } from './format-error.js';
import type { Frame } from './frame.js';
import { equalHash, leafHashInPlace, type Hash } from './hash.js';
import { MAX_FRAME_EVENTS, MAX_FRAME_MESSAGE_BYTES } from './limits.js';
import { MOST_ENTRY_BYTES } from './note.js';

const NOTE_LENGTH_BYTES = 4;
const ENTRY_LENGTH_BYTES = 2;

export type FrameMessage = {
  /** The whole message. `note`, `bundle` and `entries` are places in it. */
  readonly bytes: Buffer;
  readonly note: Buffer;
  /** The events in entry-bundle form. */
  readonly bundle: Buffer;
  /** Where the events are in `bytes`. */
  readonly entries: EntryOffsets;
};

/**
 * @param note the signed frame note
 * @param entries its event entries in order, 1 to 512
 * @throws RangeError (a bug of the caller) when no reader would take the message
 */
export function encodeFrameMessage(note: Uint8Array, entries: readonly Uint8Array[]): Buffer {
  let size = NOTE_LENGTH_BYTES + note.length;
  for (const entry of entries) {
    if (entry.length > MOST_ENTRY_BYTES) throw new RangeError(`an entry of ${entry.length} bytes does not go in a log`);
    size += ENTRY_LENGTH_BYTES + entry.length;
  }
  if (note.length < 1 || note.length > MOST_ENTRY_BYTES || size > MAX_FRAME_MESSAGE_BYTES) {
    throw new RangeError(`a note of ${note.length} bytes in a message of ${size} bytes is no frame message`);
  }
  if (entries.length < 1 || entries.length > MAX_FRAME_EVENTS) {
    throw new RangeError(`a frame message holds 1 to ${MAX_FRAME_EVENTS} events, not ${entries.length}`);
  }
  const message = Buffer.allocUnsafe(size);
  let at = message.writeUInt32BE(note.length, 0);
  message.set(note, at);
  at += note.length;
  for (const entry of entries) {
    at = message.writeUInt16BE(entry.length, at);
    message.set(entry, at);
    at += entry.length;
  }
  return message;
}

/**
 * Takes a frame message apart; the note is not opened and the entries are not looked into.
 * @throws FormatError
 * - `frame-message.size`       longer than 786,432 bytes
 * - `frame-message.note-size`  a note of no byte or more than 65,535
 * - `frame-message.truncated`  ends inside a length, the note or an entry (or something is left over after the last)
 * - `frame-message.count`      no event, or more than 512
 */
export function parseFrameMessage(message: Uint8Array): FrameMessage {
  if (message.length > MAX_FRAME_MESSAGE_BYTES) {
    throw new FormatError('frame-message.size', `${message.length} bytes, at most ${MAX_FRAME_MESSAGE_BYTES} are read`);
  }
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  if (bytes.length < NOTE_LENGTH_BYTES) {
    throw new FormatError('frame-message.truncated', `the message ends inside the length of its note`);
  }
  const noteLength = bytes.readUInt32BE(0);
  if (noteLength < 1 || noteLength > MOST_ENTRY_BYTES) {
    throw new FormatError('frame-message.note-size', `a note has 1 to ${MOST_ENTRY_BYTES} bytes, not ${noteLength}`);
  }
  const from = NOTE_LENGTH_BYTES + noteLength;
  if (from > bytes.length) {
    throw new FormatError('frame-message.truncated', `the message ends inside its note of ${noteLength} bytes`);
  }
  const entries = splitEntries(bytes, from);
  return { bytes, note: bytes.subarray(NOTE_LENGTH_BYTES, from), bundle: bytes.subarray(from), entries };
}

function splitEntries(bytes: Buffer, from: number): EntryOffsets {
  let entries: EntryOffsets;
  try {
    entries = splitBundle(bytes, { from, maxEntries: MAX_FRAME_EVENTS });
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const code = cause.code === 'bundle.entries' ? 'frame-message.count' : 'frame-message.truncated';
    throw new FormatError(code, `the events of the message: ${cause.message}`, { cause });
  }
  if (entries.count === 0) throw new FormatError('frame-message.count', 'the message holds no event');
  return entries;
}

/**
 * Checks the events of a frame message against its frame, and hashes them in place (the message is written to during
 * the call and is afterwards as it was).
 * @param frame from `openFrame` over the same message's note
 * @returns the leaf hashes of the events, in order
 * @throws FormatError `frame.entry-count`, and as `checkFrameEntries`
 */
export function checkFrameMessage(frame: Frame, message: FrameMessage): Hash[] {
  const { bytes, entries } = message;
  if (entries.count !== frame.count) {
    throw new FormatError('frame.entry-count', `the frame names ${frame.count} events, ${entries.count} are there`);
  }
  const leaves: Hash[] = [];
  for (let i = 0; i < entries.count; i++) leaves.push(leafHashInPlace(bytes, entries.start(i), entries.end(i)));
  checkFrameEntries(frame, bytes, entries, 0, leaves);
  return leaves;
}

/**
 * Checks that the entries `first` to `first + frame.count − 1` of a bundle are the events of a frame: every envelope as
 * formats.md has it, with the frame's origin and time, and the Merkle root over them the frame's. One bad event makes
 * the frame invalid as a whole.
 * @param leaves the leaf hashes of the bundle's entries, in the bundle's order
 * @throws FormatError
 * - `frame.entry-count`     the bundle ends before the frame's last event
 * - `event-entry.*`         an entry is not an event (this is how a note in an event's place is refused)
 * - `frame.entry-origin`, `frame.entry-accepted`  an event of another ledger or time
 * - `frame.entry-root`      the events are not those that were signed
 */
export function checkFrameEntries(
  frame: Frame,
  bytes: Buffer,
  entries: EntryOffsets,
  first: number,
  leaves: readonly Hash[],
): void {
  const end = first + frame.count;
  if (end > entries.count || end > leaves.length) {
    throw new FormatError('frame.entry-count', `the frame names ${frame.count} events, not all of them are there`);
  }
  const isEvent = eventEntryTest(frame.origin, frame.accepted);
  for (let i = first; i < end; i++) {
    const from = entries.start(i);
    const to = entries.end(i);
    if (!isEvent(bytes, from, to)) checkEnvelope(frame, bytes.subarray(from, to), i - first);
  }
  if (!equalHash(treeRoot(leaves.slice(first, end)), frame.root)) {
    throw new FormatError('frame.entry-root', `the events of frame ${frame.number} are not the ones its root names`);
  }
}

/** The slow way, for entries that are not events with bytes of this frame: says why, or takes the digest form. */
function checkEnvelope(frame: Frame, entry: Buffer, position: number): void {
  const { origin, accepted } = parseAt(entry, position);
  if (origin !== frame.origin) {
    throw new FormatError('frame.entry-origin', `event ${position} of the frame belongs to ${origin}`);
  }
  if (accepted !== frame.accepted) {
    throw new FormatError('frame.entry-accepted', `event ${position} was accepted at ${accepted}, not as its frame`);
  }
}

function parseAt(entry: Buffer, position: number): { origin: string; accepted: string } {
  try {
    return parseEventEntry(entry);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(cause.code, `event ${position} of the frame: ${cause.message}`, { cause });
  }
}
