/**
 * The successor record: a closed ledger goes on under another origin (formats.md, "Successor"). Entry 1 of the
 * successor, after its key set.
 *
 *     everseal/restore/v1
 *     <origin>
 *     <closed origin>
 *     <size of its newest known checkpoint>
 *     <root of it>
 *     <size of what survives>
 *     <root of it>
 *     <reason: 1..200 bytes>
 *     <time>
 *
 * The successor of `main` is `main-r1`, of `main-r1` it is `main-r2`. Signed by the successor's log key, then by an
 * operator key of the closed origin's newest set which also stands in the successor's entry 0.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { FIRST_LINE } from './entry-kind.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, equalHash, HASH_BYTES, type Hash } from './hash.js';
import type { KeySet } from './key-set.js';
import type { SigningKey } from './key.js';
import { operatorKeyName, originOf, parseOrigin } from './names.js';
import { openEntryNote, signNote } from './note.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

/** A tree: how many entries, and the Merkle root over them. */
type TreeHead = { readonly size: number; readonly root: Hash };

export type Restore = {
  /** The successor. */
  readonly origin: string;
  readonly closed: string;
  /** The closed origin's newest known checkpoint. */
  readonly checkpoint: TreeHead;
  /** What survives of the closed origin; size 0 with the empty root when nothing does. */
  readonly surviving: TreeHead;
  /** For people; one line, 1 to 200 bytes of UTF-8. */
  readonly reason: string;
  readonly time: Timestamp;
};

const MOST_REASON_BYTES = 200;
// Entry 0 is a key set and entry 1 the first block note at the earliest: no checkpoint is smaller.
const LEAST_CHECKPOINT_SIZE = 2;

/** The origin that continues a closed one. Throws FormatError `name.*` or `decimal.range` when the name cannot grow. */
export function successorOf(origin: string): string {
  const { domain, ledger } = parseOrigin(origin);
  const generation = /^(.+)-r([1-9][0-9]*)$/.exec(ledger);
  if (generation === null) return originOf(domain, `${ledger}-r1`);
  const next = String(parseDecimal(String(generation[2])) + 1);
  parseDecimal(next);
  return originOf(domain, `${generation[1]}-r${next}`);
}

/** The signed text of a successor record. */
export function formatRestoreText(restore: Restore): string {
  return formatRecord(FIRST_LINE.restore, [
    restore.origin,
    restore.closed,
    formatDecimal(restore.checkpoint.size),
    encodeBase64(restore.checkpoint.root),
    formatDecimal(restore.surviving.size),
    encodeBase64(restore.surviving.root),
    restore.reason,
    restore.time,
  ]);
}

/**
 * @throws FormatError `restore.kind`, `restore.lines`, `restore.origin`, `restore.closed`, `restore.checkpoint-size`,
 * `restore.checkpoint-root`, `restore.surviving-size`, `restore.surviving-root`, `restore.reason`, `restore.time`: that
 * line is not what must stand there; `restore.origin` also when it is not the successor of the closed origin
 */
export function parseRestoreText(text: string): Restore {
  const lines = new RecordLines('restore', FIRST_LINE.restore, text);
  const restore: Restore = {
    origin: lines.nextText('origin', parseOrigin),
    closed: lines.nextText('closed', parseOrigin),
    checkpoint: readTreeHead(lines, 'checkpoint'),
    surviving: readTreeHead(lines, 'surviving'),
    reason: lines.nextText('reason', checkReason),
    time: lines.nextText('time', parseTimestamp),
  };
  lines.end();
  if (lines.refine('closed', restore.closed, successorOf) !== restore.origin) {
    throw new FormatError('restore.origin', `${restore.origin} is not the successor of ${restore.closed}`);
  }
  if (restore.checkpoint.size < LEAST_CHECKPOINT_SIZE) {
    throw new FormatError('restore.checkpoint-size', `no checkpoint is of size ${restore.checkpoint.size}`);
  }
  requireCanonical('restore', text, formatRestoreText(restore));
  return restore;
}

function readTreeHead(lines: RecordLines, which: string): TreeHead {
  const size = lines.next(`${which}-size`, parseDecimal);
  const root = lines.next(`${which}-root`, (line) => decodeBase64(line, HASH_BYTES));
  if (size === 0 && !equalHash(root, EMPTY_ROOT)) {
    throw new FormatError(`restore.${which}-root`, 'a tree of size 0 has the empty root, SHA-256 of nothing');
  }
  return { size, root };
}

function checkReason(text: string): void {
  const bytes = Buffer.from(text);
  if (bytes.length < 1 || bytes.length > MOST_REASON_BYTES) {
    throw new FormatError('reason.size', `a reason has 1 to ${MOST_REASON_BYTES} bytes, not ${bytes.length}`);
  }
  // A lone surrogate would be signed as U+FFFD. Line feeds and other control characters fall with the note.
  if (bytes.toString() !== text) throw new FormatError('reason.characters', 'a reason is Unicode text');
}

/**
 * The signed successor record.
 * @param log the successor's log key; `operator` an operator's, in the closed origin's newest set and in the successor's
 * @throws FormatError `restore.*` as `parseRestoreText` for values no reader would take; RangeError for other keys' names
 */
export function signRestore(restore: Restore, log: SigningKey, operator: SigningKey): string {
  const text = formatRestoreText(restore);
  parseRestoreText(text);
  requireSigner(log, restore.origin);
  const name = operator.name.slice(operator.name.lastIndexOf('/') + 1);
  requireSigner(operator, operatorKeyName(parseOrigin(restore.origin).domain, name));
  return signNote(text, [log, operator]);
}

/**
 * Opens the successor record that stands in entry 1.
 * @param genesis the successor's key set of entry 0
 * @param closed the closed origin's newest key set. Null when the closed log is not at hand: then this shows only that
 *   an operator of the successor signed, not that the closed log's operators did
 * @throws NoteError `note.*`; FormatError `restore.*` as `parseRestoreText`, `restore.ledger` (the record or `closed` is
 * of another origin)
 */
export function openRestore(entry: Uint8Array | string, genesis: KeySet, closed: KeySet | null): Restore {
  const closedKeys = closed && new Set(closed.operators.map((key) => key.vkey));
  const operators = genesis.operators.filter((key) => closedKeys === null || closedKeys.has(key.vkey));
  const restore = parseRestoreText(openEntryNote(entry, [[genesis.log], operators]));
  if (restore.origin !== genesis.origin || (closed !== null && restore.closed !== closed.origin)) {
    throw new FormatError('restore.ledger', `the record is of ${restore.origin} and closes ${restore.closed}`);
  }
  return restore;
}
