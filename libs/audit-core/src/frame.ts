/**
 * The frame: what one ingester writes durably in one step, up to 512 events, and a link of that ingester's chain
 * (formats.md, "Frame"). A log entry, followed by its events.
 *
 *     everseal/frame/v1
 *     <origin>
 *     <ingester>
 *     <number: 1, 2, 3 … dense per (origin, ingester)>
 *     <previous: leaf hash of this ingester's frame number−1; 32 zero bytes for 1, never otherwise>
 *     <count: 1..512>
 *     <root: RFC 6962 root over the frame's event entries in order>
 *     <accepted: time>
 *
 * One signature line, by an ingest key of that ingester. Checked here is what one frame shows by itself. Whether the
 * number, `previous` and `accepted` continue the ingester's chain is for the one who knows its head (log-state.ts), and
 * whether the events are those of `root` for `checkFrameEntries` (frame-message.ts).
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { FIRST_LINE } from './entry-kind.js';
import { FormatError } from './format-error.js';
import { equalHash, HASH_BYTES, ZERO_HASH, type Hash } from './hash.js';
import type { KeySet } from './key-set.js';
import type { SigningKey, VerifierKey } from './key.js';
import { MAX_FRAME_EVENTS } from './limits.js';
import { ingestKeyName, parseName, parseOrigin } from './names.js';
import { MOST_ENTRY_BYTES, openEntryNote, parseNote, signNote } from './note.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

export type Frame = {
  readonly origin: string;
  readonly ingester: string;
  /** From 1, dense per origin and ingester. */
  readonly number: number;
  /** Leaf hash of frame number − 1 of this ingester; ZERO_HASH for frame 1. */
  readonly previous: Hash;
  /** How many events follow, 1 to 512. */
  readonly count: number;
  /** Merkle root over the frame's event entries. */
  readonly root: Hash;
  readonly accepted: Timestamp;
};

/** The signed text of a frame. Throws RangeError for numbers that are none; other values are checked by the parser. */
export function formatFrameText(frame: Frame): string {
  return formatRecord(FIRST_LINE.frame, [
    frame.origin,
    frame.ingester,
    formatDecimal(frame.number),
    encodeBase64(frame.previous),
    formatDecimal(frame.count),
    encodeBase64(frame.root),
    frame.accepted,
  ]);
}

/**
 * @throws FormatError `frame.kind`, `frame.lines`, `frame.origin`, `frame.ingester`, `frame.number`, `frame.previous`,
 * `frame.count`, `frame.root`, `frame.accepted`: that line is not what must stand there
 */
export function parseFrameText(text: string): Frame {
  const lines = new RecordLines('frame', FIRST_LINE.frame, text);
  const frame: Frame = {
    origin: lines.nextText('origin', parseOrigin),
    ingester: lines.nextText('ingester', parseName),
    number: lines.next('number', parseDecimal),
    previous: lines.next('previous', (line) => decodeBase64(line, HASH_BYTES)),
    count: lines.next('count', parseDecimal),
    root: lines.next('root', (line) => decodeBase64(line, HASH_BYTES)),
    accepted: lines.nextText('accepted', parseTimestamp),
  };
  lines.end();
  if (frame.number < 1) throw new FormatError('frame.number', 'frames are numbered from 1');
  if ((frame.number === 1) !== equalHash(frame.previous, ZERO_HASH)) {
    throw new FormatError(
      'frame.previous',
      `frame ${frame.number}: previous is 32 zero bytes in frame 1 and in no other frame`,
    );
  }
  if (frame.count < 1 || frame.count > MAX_FRAME_EVENTS) {
    throw new FormatError('frame.count', `a frame holds 1 to ${MAX_FRAME_EVENTS} events, not ${frame.count}`);
  }
  requireCanonical('frame', text, formatFrameText(frame));
  return frame;
}

/**
 * The signed frame note.
 * @throws FormatError `frame.*` as `parseFrameText` for values no reader would take; RangeError for the key of another
 */
export function signFrame(frame: Frame, key: SigningKey): string {
  const text = formatFrameText(frame);
  parseFrameText(text);
  requireSigner(key, ingestKeyName(parseOrigin(frame.origin).domain, frame.ingester));
  return signNote(text, [key]);
}

/**
 * Opens a frame note of one ledger.
 * @param keys ingest keys in force, of any ingesters: only those of the one that the frame names can sign it
 * @param origin the ledger. An ingester signs the frames of all its ledgers with one key, so the key alone does not
 *   show which ledger a frame belongs to
 * @throws NoteError `note.*`; FormatError `frame.*` as `parseFrameText`, and `frame.ledger` for a frame of another ledger
 */
export function openFrame(note: Uint8Array | string, keys: readonly VerifierKey[], origin: string): Frame {
  const frame = parseFrameText(parseNote(note, MOST_ENTRY_BYTES).text);
  if (frame.origin !== origin) {
    throw new FormatError('frame.ledger', `the frame belongs to ${frame.origin}, wanted is one of ${origin}`);
  }
  const signer = ingestKeyName(parseOrigin(origin).domain, frame.ingester);
  openEntryNote(note, [keys.filter((key) => key.name === signer)]);
  return frame;
}

/** Opens a frame note with the keys of a key set in force. Throws as `openFrame`. */
export function openFrameAny(note: Uint8Array | string, set: KeySet): Frame {
  return openFrame(note, set.ingest, set.origin);
}
