/**
 * Checkpoints (C2SP tlog-checkpoint): a log's signed statement of its size and root, a note of three lines.
 *
 *   <origin> "\n" <size, decimal> "\n" <base64 of the 32-byte root> "\n"
 *
 * The specification allows extension lines after these; they are discouraged there, some witnesses refuse them, and
 * here they are refused. A tree of size 0 has the root SHA-256("") and no other.
 *
 * Read by the C2SP rule: lines of unknown keys (witnesses) are skipped, so checkpoints grow cosignatures on their way.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, equalHash, HASH_BYTES, type Hash } from './hash.js';
import type { SigningKey, VerifierKey } from './key.js';
import { formatNote, openNote, parseNote, signNote, type Note, type SignatureLine } from './note.js';
import { quote } from './quote.js';

export type Checkpoint = {
  origin: string;
  size: number;
  root: Hash;
};

const MOST_ORIGIN_BYTES = 255;

/** The signed text, its final newline included. Throws RangeError for a checkpoint that cannot be. */
export function formatCheckpointText({ origin, size, root }: Checkpoint): string {
  if (!isOrigin(origin)) throw new RangeError(`${quote(origin)} cannot be the origin of a checkpoint`);
  if (root.length !== HASH_BYTES) throw new RangeError('a root has 32 bytes');
  if (size === 0 && !equalHash(root, EMPTY_ROOT)) throw new RangeError('the root of size 0 is that of the empty tree');
  return `${origin}\n${formatDecimal(size)}\n${encodeBase64(root)}\n`;
}

/**
 * Reads the text of a checkpoint. Throws FormatError `checkpoint.lines` (not exactly three), `checkpoint.origin`,
 * `checkpoint.size`, `checkpoint.root`, `checkpoint.empty-root` (size 0 with another root; a witness answers 422).
 */
export function parseCheckpointText(text: string): Checkpoint {
  const [origin, size, root, end, ...more] = text.split('\n', 5);
  if (origin === undefined || size === undefined || root === undefined || end !== '' || more.length > 0) {
    throw new FormatError('checkpoint.lines', 'a checkpoint has the three lines origin, size and root, and no others');
  }
  if (!isOrigin(origin)) throw new FormatError('checkpoint.origin', `${quote(origin)} is not an origin`);
  const checkpoint = { origin, size: parseSize(size), root: parseRoot(root) };
  if (checkpoint.size === 0 && !equalHash(checkpoint.root, EMPTY_ROOT)) {
    throw new FormatError('checkpoint.empty-root', 'the checkpoint has size 0, but not the root of the empty tree');
  }
  return checkpoint;
}

/** Signs a checkpoint with the log key, or during a rotation with more than one, in the given order. */
export function signCheckpoint(checkpoint: Checkpoint, ...keys: [SigningKey, ...SigningKey[]]): string {
  return signNote(formatCheckpointText(checkpoint), keys);
}

/** A checkpoint that a log key signed, with all lines of its note and those lines that verified. */
export type OpenedCheckpoint = Checkpoint & Note & { verified: SignatureLine[] };

/**
 * Opens a checkpoint of the log with this origin. Form and origin are checked before signatures, so that an unknown
 * log (`checkpoint.origin`) is told from a missing signature (`note.unverified`) and a false one (`note.signature`).
 */
export function openCheckpoint(
  note: Uint8Array | string,
  logKeys: readonly VerifierKey[],
  origin: string,
): OpenedCheckpoint {
  const parsed = parseNote(note);
  const checkpoint = parseCheckpointText(parsed.text);
  if (checkpoint.origin !== origin) {
    throw new FormatError(
      'checkpoint.origin',
      `the checkpoint is one of ${quote(checkpoint.origin)}, expected is ${quote(origin)}`,
    );
  }
  return { ...openNote(parsed, logKeys), ...checkpoint };
}

/**
 * A checkpoint as its log signed it: the text and the log key's line, whatever cosignatures came with it. This is what is anchored.
 * @param opened as `openCheckpoint` gave it
 */
export function signedByLog({ text, verified }: OpenedCheckpoint): Buffer {
  return Buffer.from(formatNote(text, [verified[0]!.line]));
}

function isOrigin(origin: string): boolean {
  return origin !== '' && !origin.includes('\n') && Buffer.byteLength(origin) <= MOST_ORIGIN_BYTES;
}

function parseSize(size: string): number {
  try {
    return parseDecimal(size);
  } catch (cause) {
    throw new FormatError('checkpoint.size', `the size of the checkpoint, ${quote(size)}, is not one`, { cause });
  }
}

function parseRoot(root: string): Hash {
  try {
    return decodeBase64(root, HASH_BYTES);
  } catch (cause) {
    throw new FormatError('checkpoint.root', `the root of the checkpoint, ${quote(root)}, is not a hash`, { cause });
  }
}
