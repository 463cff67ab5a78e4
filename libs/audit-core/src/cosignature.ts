/**
 * Timestamped cosignatures (C2SP tlog-cosignature, Ed25519, key type 0x04): a witness states that, of all checkpoints
 * it saw for the origin by that time, this is the largest, and all were consistent.
 *
 *   signed    "cosignature/v1\n" "time " <decimal seconds> "\n" TEXT       TEXT: the checkpoint's, final newline included
 *   line      "— " NAME " " base64(4-byte key ID || u64 big-endian seconds || 64-byte signature)
 *
 * The signed bytes do not name the witness, so one key is one witness. The type is part of the key ID: a line of the
 * same bytes under type 0x01 belongs to another key and is skipped.
 */
import { formatDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import { COSIGNATURE_KEY, SIGNATURE_BYTES, type SigningKey, type VerifierKey } from './key.js';
import {
  formatNote,
  knownKey,
  MOST_NOTE_LINES,
  NoteError,
  parseNote,
  parseSignatureLines,
  signatureLine,
} from './note.js';
import type { Note, SignatureLine } from './note.js';
import { quote } from './quote.js';

const TIME_BYTES = 8;

/** Cosigns the text of a checkpoint at a time in whole seconds since 1970; returns the line without its newline. */
export function cosign(checkpointText: string, key: SigningKey, seconds: number): string {
  if (key.verifier.type !== COSIGNATURE_KEY) throw new RangeError(`${key.name} is not a key that cosigns`);
  const signature = key.sign(cosignedMessage(checkpointText, seconds));
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(seconds));
  return signatureLine(key.verifier, Buffer.concat([time, signature]));
}

/**
 * The time of a cosignature, in seconds, after it verified. Throws FormatError `cosignature.key` (the line is not by
 * this key), `cosignature.length`, `cosignature.time` (2^53 or more) or `cosignature.signature`.
 */
export function verifyCosignature(checkpointText: string, line: SignatureLine, key: VerifierKey): number {
  if (key.type !== COSIGNATURE_KEY) throw new RangeError(`${key.name} is not a key that cosigns`);
  if (!key.matches(line.name, line.keyId)) {
    throw new FormatError(
      'cosignature.key',
      `the line is by ${quote(line.name)} (${line.keyId.toString('hex')}), not by ${quote(key.name)} (${key.idHex})`,
    );
  }
  const seconds = cosignatureTime(line);
  if (!key.verify(cosignedMessage(checkpointText, seconds), line.signature.subarray(TIME_BYTES))) {
    throw new FormatError('cosignature.signature', `the cosignature by ${quote(key.name)} does not verify`);
  }
  return seconds;
}

/** A cosignature that verified. */
export type Cosignature = { key: VerifierKey; seconds: number };

/**
 * The cosignatures of these verifiers on a checkpoint, in the order of the note. By the C2SP rule: lines of other keys
 * are skipped, a line of one of these that does not verify spoils the note, of several by one key the first counts.
 */
export function cosignaturesOf(
  note: Pick<Note, 'text' | 'signatures'>,
  verifiers: readonly VerifierKey[],
): Cosignature[] {
  const found: Cosignature[] = [];
  for (const line of note.signatures) {
    const key = knownKey(verifiers, line);
    if (key === undefined || found.some((cosignature) => cosignature.key.vkey === key.vkey)) continue;
    found.push({ key, seconds: verifyCosignature(note.text, line, key) });
  }
  return found;
}

/**
 * Adds signature lines (without newlines) to a note. A line takes the place of an older one of the same name and ID
 * and moves to the end, so no such pair ever stands twice. Verify a line before it is added.
 * Throws NoteError as parseNote does, `note.lines` also when they are more than a note has.
 */
export function appendSignatures(note: string, lines: readonly string[]): string {
  const { text, signatures } = parseNote(note);
  const added = lines.length === 0 ? [] : parseSignatureLines(`${lines.join('\n')}\n`);
  const byKey = new Map<string, string>();
  for (const { name, keyId, line } of [...signatures, ...added]) {
    const identity = `${name}+${keyId.toString('hex')}`;
    byKey.delete(identity);
    byKey.set(identity, line);
  }
  if (byKey.size > MOST_NOTE_LINES) throw new NoteError('note.lines', `more than ${MOST_NOTE_LINES} signature lines`);
  return formatNote(text, [...byKey.values()]);
}

/** The time that a line claims, not verified. Throws FormatError `cosignature.length` or `cosignature.time`. */
export function cosignatureTime(line: SignatureLine): number {
  if (line.signature.length !== TIME_BYTES + SIGNATURE_BYTES) {
    throw new FormatError('cosignature.length', `the line by ${quote(line.name)} does not hold a time and a signature`);
  }
  const seconds = line.signature.readBigUInt64BE();
  if (seconds > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatError('cosignature.time', `the time of the cosignature by ${quote(line.name)} is above 2^53`);
  }
  return Number(seconds);
}

function cosignedMessage(checkpointText: string, seconds: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${formatDecimal(seconds)}\n${checkpointText}`);
}
