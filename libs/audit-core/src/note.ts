/**
 * Signed notes (C2SP signed-note; the format of Go's sumdb/note): signed text with one signature line a signer.
 *
 *   TEXT "\n" SIGLINE+        TEXT ends in "\n" and may hold blank lines: the last blank line separates
 *   SIGLINE = "— " NAME " " base64(4-byte key ID || signature) "\n"      the dash is U+2014
 *
 * UTF-8, no control character but the newline, so CR is malformed. The signature covers TEXT with its last newline and
 * nothing else: signature lines can be added and taken away without a key.
 *
 * Two rules of reading, never to be mixed up:
 * - `openNote`, C2SP's, for checkpoints: lines of unknown keys are skipped, a line of a known key must verify.
 * - `openEntryNote`, for notes that are entries of a log (formats.md, "The log"): exactly the expected lines in their
 *   order. Here a skipped line would let anyone change the leaf hash of an entry.
 *
 * Every accepted note is in its one byte form: the text is taken as it is, base64 is canonical, the rest is fixed.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { FormatError } from './format-error.js';
import { isKeyName, NOTE_KEY, type SigningKey, type VerifierKey } from './key.js';
import { quote } from './quote.js';
import { decodeUtf8, encodeUtf8 } from './utf8.js';

/** One code a check. `note.signature` and `note.unverified` are about trust, all others about form. */
export type NoteErrorCode =
  | 'note.size'
  | 'note.utf8'
  | 'note.control'
  | 'note.separator'
  | 'note.end'
  | 'note.lines'
  | 'note.line-syntax'
  | 'note.line-name'
  | 'note.line-payload'
  | 'note.line-count'
  | 'note.line-key'
  | 'note.key-ambiguous'
  | 'note.signature'
  | 'note.unverified';

export class NoteError extends FormatError {
  constructor(
    override readonly code: NoteErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.name = 'NoteError';
  }
}

export type SignatureLine = {
  name: string;
  /** 4 bytes */
  keyId: Buffer;
  /** What follows the key ID: 64 bytes for type 0x01, 72 for type 0x04, other lengths for types we do not know. */
  signature: Buffer;
  /** The line as it stands, without its newline. */
  line: string;
};

export type Note = {
  /** With its final newline, as signed. */
  text: string;
  /** The same in bytes. */
  textBytes: Buffer;
  /** In the order of the note; keys may repeat. */
  signatures: SignatureLine[];
};

/** A note that is an entry of a log is at most this long: the length prefix of an entry has 16 bits. */
export const MOST_ENTRY_BYTES = 65_535;
const MOST_NOTE_BYTES = 1_048_576;
/** Signature lines of a note: as Go; C2SP asks for at least 16. */
export const MOST_NOTE_LINES = 100;
const LEAST_PAYLOAD_BYTES = 5; // the key ID and one byte
const KEY_ID_BYTES = 4;
const DASH = '\u2014 ';

/**
 * Takes a note apart without verifying anything. `maxBytes` bounds the work before it starts.
 * Throws NoteError for anything malformed, one bad line included.
 */
export function parseNote(note: Uint8Array | string, maxBytes = MOST_NOTE_BYTES): Note {
  const { bytes, text } = checkedText(note, maxBytes);
  if (bytes.at(-1) !== 0x0a) throw new NoteError('note.end', 'the note does not end in a newline');
  const split = text.lastIndexOf('\n\n');
  if (split < 0) throw new NoteError('note.separator', 'no empty line separates text and signatures of the note');
  const signatures = parseSignatureLines(text.slice(split + 2));
  const signed = text.slice(0, split + 1);
  return { text: signed, textBytes: bytes.subarray(0, Buffer.byteLength(signed)), signatures };
}

/**
 * The lines of a note after the blank line, or the whole answer of a witness: at least one, each with its newline.
 * Throws NoteError `note.end`, `note.lines` or `note.line-*`.
 */
export function parseSignatureLines(text: string): SignatureLine[] {
  if (text === '') throw new NoteError('note.lines', 'there is no signature line');
  if (!text.endsWith('\n')) throw new NoteError('note.end', 'the signature lines do not end in a newline');
  const lines = text.slice(0, -1).split('\n', MOST_NOTE_LINES + 1);
  if (lines.length > MOST_NOTE_LINES) throw new NoteError('note.lines', `more than ${MOST_NOTE_LINES} signature lines`);
  return lines.map(parseSignatureLine);
}

/** Puts text and signature lines (without newlines) together. The text ends in a newline. */
export function formatNote(text: string, lines: readonly string[]): string {
  if (!text.endsWith('\n')) throw new RangeError('the text of a note ends in a newline');
  if (lines.length === 0 || lines.length > MOST_NOTE_LINES)
    throw new RangeError(`a note has 1 to ${MOST_NOTE_LINES} lines`);
  return `${text}\n${lines.join('\n')}\n`;
}

/** The line of a key; `payload` is what follows the key ID: a signature, or time and signature of a cosignature. */
export function signatureLine(key: VerifierKey, payload: Uint8Array): string {
  return `${DASH}${key.name} ${encodeBase64(Buffer.concat([key.id, payload]))}`;
}

/** Signs text with keys of type 0x01, one line a key, in the given order. */
export function signNote(text: string, keys: readonly SigningKey[]): string {
  const { bytes } = checkedText(text, MOST_NOTE_BYTES);
  return formatNote(
    text,
    keys.map((key) => {
      if (key.verifier.type !== NOTE_KEY) throw new RangeError(`${key.name} is not a key that signs note text`);
      return signatureLine(key.verifier, key.sign(bytes));
    }),
  );
}

/**
 * Opens a note by the C2SP rule with known keys of type 0x01. A line of an unknown key is skipped; a line of a known
 * key that does not verify spoils the note (`note.signature`); with no verified line at all it is `note.unverified`.
 * Of several lines of one key only the first counts.
 */
export function openNote(
  note: Uint8Array | string | Note,
  known: readonly VerifierKey[],
): Note & { verified: SignatureLine[] } {
  const parsed = isParsed(note) ? note : parseNote(note);
  const verified: SignatureLine[] = [];
  const seen = new Set<VerifierKey>();
  for (const line of parsed.signatures) {
    const key = knownKey(known, line);
    if (key === undefined || seen.has(key)) continue;
    seen.add(key);
    if (key.type !== NOTE_KEY) throw new RangeError(`${key.name} is not a key that signs note text`);
    if (!key.verify(parsed.textBytes, line.signature)) {
      throw new NoteError('note.signature', `the signature by ${quote(key.name)} (${key.idHex}) does not verify`);
    }
    verified.push(line);
  }
  if (verified.length === 0) {
    throw new NoteError('note.unverified', 'no signature line of the note is by a known key; give the log its key');
  }
  return { ...parsed, verified };
}

/**
 * Opens a note that is an entry of a log: at most 65,535 bytes and exactly `expected.length` lines, line i by one of
 * the keys `expected[i]` (name and ID) and verifying. Returns the text.
 *
 * Throws NoteError `note.line-count`, `note.line-key`, `note.signature`, or what `parseNote` throws.
 */
export function openEntryNote(note: Uint8Array | string, expected: readonly (readonly VerifierKey[])[]): string {
  const parsed = parseNote(note, MOST_ENTRY_BYTES);
  if (parsed.signatures.length !== expected.length) {
    throw new NoteError(
      'note.line-count',
      `the entry has ${parsed.signatures.length} signature lines instead of ${expected.length}`,
    );
  }
  for (const [i, keys] of expected.entries()) {
    const line = parsed.signatures[i] as SignatureLine;
    const key = knownKey(keys, line);
    if (key === undefined || key.type !== NOTE_KEY) {
      throw new NoteError(
        'note.line-key',
        `signature line ${i + 1} is by ${quote(line.name)} (${line.keyId.toString('hex')}), not by a key for its place`,
      );
    }
    if (!key.verify(parsed.textBytes, line.signature)) {
      throw new NoteError('note.signature', `the signature by ${quote(key.name)} (${key.idHex}) does not verify`);
    }
  }
  return parsed.text;
}

/** The key that a line claims to be by. Two different keys with one name and ID cannot be told apart: refused. */
export function knownKey(keys: readonly VerifierKey[], line: SignatureLine): VerifierKey | undefined {
  const [key, ...others] = keys.filter((candidate) => candidate.matches(line.name, line.keyId));
  if (others.some((other) => other.vkey !== key?.vkey)) {
    throw new NoteError('note.key-ambiguous', `two known keys have the name ${quote(line.name)} and one ID`);
  }
  return key;
}

function isParsed(note: Uint8Array | string | Note): note is Note {
  return typeof note === 'object' && 'signatures' in note;
}

/** Both forms of a note's characters: bounded, valid UTF-8, no control character but the newline. */
function checkedText(note: Uint8Array | string, maxBytes: number): { bytes: Buffer; text: string } {
  // A string has at least as many bytes as units, so this bounds the work on a string too.
  if (note.length > maxBytes) throw new NoteError('note.size', `the note is longer than ${maxBytes} bytes`);
  const isString = typeof note === 'string';
  const bytes = isString ? encodeUtf8(note) : Buffer.from(note.buffer, note.byteOffset, note.byteLength);
  const text = isString ? note : decodeUtf8(note);
  if (bytes === undefined || text === undefined) throw new NoteError('note.utf8', 'the note is not valid UTF-8');
  if (bytes.length > maxBytes) throw new NoteError('note.size', `the note is longer than ${maxBytes} bytes`);
  for (const byte of bytes) {
    if (byte < 0x20 && byte !== 0x0a) {
      throw new NoteError('note.control', `the note holds the control character 0x${byte.toString(16)}`);
    }
  }
  return { bytes, text };
}

function parseSignatureLine(line: string): SignatureLine {
  const space = line.indexOf(' ', DASH.length);
  if (!line.startsWith(DASH) || space < 0) {
    throw new NoteError('note.line-syntax', `${quote(line)} is not a signature line: dash, name, base64`);
  }
  const name = line.slice(DASH.length, space);
  if (!isKeyName(name)) throw new NoteError('note.line-name', `${quote(name)} is not the name of a key`);
  let payload: Buffer;
  try {
    payload = decodeBase64(line.slice(space + 1));
  } catch (cause) {
    throw new NoteError('note.line-payload', `the signature by ${quote(name)} is not canonical base64`, { cause });
  }
  if (payload.length < LEAST_PAYLOAD_BYTES) {
    throw new NoteError('note.line-payload', `the signature by ${quote(name)} is too short`);
  }
  return { name, keyId: payload.subarray(0, KEY_ID_BYTES), signature: payload.subarray(KEY_ID_BYTES), line };
}
