/**
 * The request and answers of C2SP tlog-witness `add-checkpoint`, by which a log asks for a cosignature.
 *
 *   request   "old " <size, decimal> "\n"     the size of the checkpoint that the witness cosigned last, 0 for none
 *             base64 hash "\n"                0 to 63 lines: consistency proof from there, empty from 0
 *             "\n"
 *             the checkpoint, a note as it is
 *   200       signature lines, each with its newline
 *   409       the size of the witness's latest checkpoint, decimal, "\n": ask again with a proof from there
 *
 * A request stays below 64 KiB (a checkpoint with a handful of cosignatures needs 1 KiB). An answer of 409 without a
 * size is not a request to try again: some witnesses say so that they hold another root of the same size.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, type Hash } from './hash.js';
import { quote } from './quote.js';
import { decodeUtf8 } from './utf8.js';

export type AddCheckpoint = {
  old: number;
  proof: Hash[];
  /** The signed note; its form is not yet checked (`openCheckpoint` does). */
  checkpoint: string;
};

const MOST_REQUEST_BYTES = 65_536;
const MOST_PROOF_HASHES = 63;
const MOST_SIZE_BYTES = 17; // 2^53 has 16 digits
const OLD = 'old ';

/** Throws RangeError for more than 63 hashes, which no tree needs. */
export function formatAddCheckpoint({ old, proof, checkpoint }: AddCheckpoint): string {
  if (proof.length > MOST_PROOF_HASHES) throw new RangeError('a consistency proof has at most 63 hashes');
  return [`${OLD}${formatDecimal(old)}`, ...proof.map(encodeBase64), '', checkpoint].join('\n');
}

/**
 * Takes a request apart. Throws FormatError `witness.size` (above 64 KiB), `witness.utf8`, `witness.syntax` (no empty
 * line, or nothing after it), `witness.old`, `witness.proof`; to all of them the answer is 400.
 */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpoint {
  if (body.length > MOST_REQUEST_BYTES) {
    throw new FormatError(
      'witness.size',
      `the request has ${body.length} bytes, at most ${MOST_REQUEST_BYTES} are read`,
    );
  }
  const text = decodeUtf8(body);
  if (text === undefined) throw new FormatError('witness.utf8', 'the request is not valid UTF-8');
  const split = text.indexOf('\n\n');
  const checkpoint = text.slice(split + 2);
  if (split < 0 || checkpoint === '') {
    throw new FormatError('witness.syntax', 'the request is not: old size, proof lines, empty line, checkpoint');
  }
  const [first = '', ...hashes] = text.slice(0, split).split('\n');
  if (hashes.length > MOST_PROOF_HASHES) {
    throw new FormatError('witness.proof', `the proof has ${hashes.length} hashes, more than ${MOST_PROOF_HASHES}`);
  }
  return { old: parseOld(first), proof: hashes.map(parseProofHash), checkpoint };
}

/** The body of a 409 answer, with content type `text/x.tlog.size`. */
export function formatWitnessSize(size: number): string {
  return `${formatDecimal(size)}\n`;
}

/** Reads the body of a 409 answer. Throws FormatError `witness.size-answer`, for the empty body too. */
export function parseWitnessSize(body: Uint8Array): number {
  const text = body.length <= MOST_SIZE_BYTES ? decodeUtf8(body) : undefined;
  try {
    if (text?.endsWith('\n')) return parseDecimal(text.slice(0, -1));
  } catch (cause) {
    throw new FormatError('witness.size-answer', `the answer ${quote(text ?? '')} is not a tree size`, { cause });
  }
  throw new FormatError('witness.size-answer', 'the answer is not a tree size and a newline');
}

function parseOld(line: string): number {
  if (!line.startsWith(OLD)) throw new FormatError('witness.old', `${quote(line)} is not "old" and a tree size`);
  try {
    return parseDecimal(line.slice(OLD.length));
  } catch (cause) {
    throw new FormatError('witness.old', `${quote(line)} is not "old" and a tree size`, { cause });
  }
}

function parseProofHash(line: string): Hash {
  try {
    return decodeBase64(line, HASH_BYTES);
  } catch (cause) {
    throw new FormatError('witness.proof', `${quote(line)} in the consistency proof is not a hash`, { cause });
  }
}
