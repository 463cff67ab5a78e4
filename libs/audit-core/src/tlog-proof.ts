/**
 * Proof files (C2SP tlog-proof, `.tlog-proof`): anyone who holds an entry and the keys can check offline that the
 * entry is in the log.
 *
 *   c2sp.org/tlog-proof@v1
 *   extra <base64>            optional, at least one byte; not authenticated, never a reason to trust
 *   index <decimal>
 *   <base64 hash>             inclusion proof, leaf side first, 0 to 63 lines
 *   <empty line>
 *   <checkpoint>              the note as it is, cosignatures included
 *
 * One byte form: every line ends in a newline and nothing else, base64 is canonical, numbers have no leading zero.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { openCheckpoint, type OpenedCheckpoint } from './checkpoint.js';
import { cosignaturesOf, type Cosignature } from './cosignature.js';
import { formatDecimal, isCount, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import type { VerifierKey } from './key.js';
import { parseNote } from './note.js';
import { quote } from './quote.js';
import { decodeUtf8 } from './utf8.js';

export type TlogProof = {
  extra?: Buffer;
  index: number;
  proof: Hash[];
  /** The signed note. */
  checkpoint: string;
};

/** Whom a check trusts, and how many of the verifiers must have cosigned. */
export type ProofPolicy = {
  origin: string;
  logKeys: readonly VerifierKey[];
  verifiers: readonly VerifierKey[];
  /** With more than there are verifiers, nothing is ever accepted. */
  quorum: number;
};

const MOST_BYTES = 1_048_576;
const MOST_HASHES = 63;
const HEADER = 'c2sp.org/tlog-proof@v1';
const EXTRA = 'extra ';
const INDEX = 'index ';

export function formatTlogProof({ extra, index, proof, checkpoint }: TlogProof): string {
  if (proof.length > MOST_HASHES) throw new RangeError('an inclusion proof has at most 63 hashes');
  if (extra?.length === 0) throw new RangeError('extra data is left out or has at least one byte');
  const extraLine = extra === undefined ? [] : [`${EXTRA}${encodeBase64(extra)}`];
  const lines = [HEADER, ...extraLine, `${INDEX}${formatDecimal(index)}`, ...proof.map(encodeBase64), '', checkpoint];
  return lines.join('\n');
}

/**
 * Takes a proof file apart. Throws FormatError `tlog-proof.size` (above 1 MiB), `tlog-proof.utf8`,
 * `tlog-proof.syntax` (no empty line), `tlog-proof.header`, `tlog-proof.extra`, `tlog-proof.index`, `tlog-proof.hash`,
 * or `note.*` for a checkpoint that is not a note.
 */
export function parseTlogProof(file: Uint8Array): TlogProof {
  if (file.length > MOST_BYTES)
    throw new FormatError('tlog-proof.size', `the proof is longer than ${MOST_BYTES} bytes`);
  const text = decodeUtf8(file);
  if (text === undefined) throw new FormatError('tlog-proof.utf8', 'the proof is not valid UTF-8');
  const split = text.indexOf('\n\n');
  if (split < 0) throw new FormatError('tlog-proof.syntax', 'no empty line separates proof and checkpoint');
  const checkpoint = text.slice(split + 2);
  parseNote(checkpoint);

  const [header, ...lines] = text.slice(0, split).split('\n');
  if (header !== HEADER) throw new FormatError('tlog-proof.header', `a proof starts with the line ${HEADER}`);
  const extra = lines[0]?.startsWith(EXTRA) ? parseExtra(lines.shift() as string) : undefined;
  const index = parseIndex(lines.shift() ?? '');
  if (lines.length > MOST_HASHES) {
    throw new FormatError('tlog-proof.hash', `the proof has ${lines.length} hashes, more than ${MOST_HASHES}`);
  }
  return { ...(extra && { extra }), index, proof: lines.map(parseHashLine), checkpoint };
}

/**
 * Checks that the entry with this leaf hash is in the log: origin, a signature of the log, a cosignature of `quorum`
 * verifiers, inclusion. The leaf hash comes from the entry in hand, never from the file.
 *
 * Throws what `openCheckpoint` and `cosignaturesOf` throw, FormatError `tlog-proof.quorum` or `tlog-proof.inclusion`.
 */
export function verifyTlogProof(
  { index, proof, checkpoint }: TlogProof,
  leaf: Hash,
  policy: ProofPolicy,
): { checkpoint: OpenedCheckpoint; cosignatures: Cosignature[] } {
  if (!isCount(policy.quorum)) throw new RangeError(`${policy.quorum} is no number of verifiers`);
  const opened = openCheckpoint(checkpoint, policy.logKeys, policy.origin);
  const cosignatures = cosignaturesOf(opened, policy.verifiers);
  if (cosignatures.length < policy.quorum) {
    throw new FormatError(
      'tlog-proof.quorum',
      `${cosignatures.length} known verifiers cosigned the checkpoint, ${policy.quorum} are needed`,
    );
  }
  if (!verifyInclusion(index, opened.size, leaf, proof, opened.root)) {
    throw new FormatError(
      'tlog-proof.inclusion',
      `the proof does not show this entry at index ${index} of the tree of size ${opened.size}`,
    );
  }
  return { checkpoint: opened, cosignatures };
}

function parseExtra(line: string): Buffer {
  try {
    const extra = decodeBase64(line.slice(EXTRA.length));
    if (extra.length > 0) return extra;
  } catch (cause) {
    throw new FormatError('tlog-proof.extra', 'the extra line is not canonical base64', { cause });
  }
  throw new FormatError('tlog-proof.extra', 'the extra line is empty; it is left out then');
}

function parseIndex(line: string): number {
  if (!line.startsWith(INDEX)) throw new FormatError('tlog-proof.index', `${quote(line)} is not "index" and a number`);
  try {
    return parseDecimal(line.slice(INDEX.length));
  } catch (cause) {
    throw new FormatError('tlog-proof.index', `${quote(line)} is not "index" and a number`, { cause });
  }
}

function parseHashLine(line: string): Hash {
  try {
    return decodeBase64(line, HASH_BYTES);
  } catch (cause) {
    throw new FormatError('tlog-proof.hash', `${quote(line)} in the inclusion proof is not a hash`, { cause });
  }
}
