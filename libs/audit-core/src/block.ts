/**
 * The block note: the last entry of a block, over the entries since the block before (formats.md, "Block").
 *
 *     everseal/block/v1
 *     <origin>
 *     <height: 0, 1, 2 …>
 *     <previous: leaf hash of the block entry at height−1; 32 zero bytes for 0, never otherwise>
 *     <first: index of the first entry it covers; 0 for height 0, never otherwise>
 *     <entries: how many it covers, itself not counted; 0 in a heartbeat block>
 *     <root: Merkle root of the tree of size first + entries>
 *     <sealed: time>
 *
 * One signature line, by the log key. It stands at index first + entries, and the next block's first is one more.
 * Checked here is what one note shows by itself; chain, root and clock are the log reader's (log-state.ts).
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { formatDecimal, isCount, parseDecimal } from './decimal.js';
import { FIRST_LINE } from './entry-kind.js';
import { FormatError } from './format-error.js';
import { equalHash, HASH_BYTES, ZERO_HASH, type Hash } from './hash.js';
import type { SigningKey, VerifierKey } from './key.js';
import { MAX_BLOCK_ENTRIES } from './limits.js';
import { logKeyName, parseOrigin } from './names.js';
import { MOST_ENTRY_BYTES, openEntryNote, parseNote, signNote } from './note.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

export type Block = {
  readonly origin: string;
  readonly height: number;
  /** Leaf hash of the block entry at height − 1; ZERO_HASH for block 0. */
  readonly previous: Hash;
  /** Index of the first entry it covers. */
  readonly first: number;
  /** How many entries it covers, 0 to 16,384; the block note is entry first + entries. */
  readonly entries: number;
  /** Root of the tree of size first + entries. */
  readonly root: Hash;
  readonly sealed: Timestamp;
};

/** The signed text of a block note. */
export function formatBlockText(block: Block): string {
  return formatRecord(FIRST_LINE.block, [
    block.origin,
    formatDecimal(block.height),
    encodeBase64(block.previous),
    formatDecimal(block.first),
    formatDecimal(block.entries),
    encodeBase64(block.root),
    block.sealed,
  ]);
}

/**
 * @throws FormatError `block.kind`, `block.lines`, `block.origin`, `block.height`, `block.previous`, `block.first`,
 * `block.entries`, `block.root`, `block.sealed`: that line is not what must stand there
 */
export function parseBlockText(text: string): Block {
  const lines = new RecordLines('block', FIRST_LINE.block, text);
  const block: Block = {
    origin: lines.nextText('origin', parseOrigin),
    height: lines.next('height', parseDecimal),
    previous: lines.next('previous', (line) => decodeBase64(line, HASH_BYTES)),
    first: lines.next('first', parseDecimal),
    entries: lines.next('entries', parseDecimal),
    root: lines.next('root', (line) => decodeBase64(line, HASH_BYTES)),
    sealed: lines.nextText('sealed', parseTimestamp),
  };
  lines.end();
  const isFirst = block.height === 0;
  if (isFirst !== equalHash(block.previous, ZERO_HASH)) {
    throw new FormatError('block.previous', `block ${block.height}: previous is 32 zero bytes in block 0 and no other`);
  }
  if (isFirst !== (block.first === 0)) {
    throw new FormatError('block.first', `block ${block.height}: entry 0 is the first of block 0 and of no other`);
  }
  if (block.entries > MAX_BLOCK_ENTRIES) {
    throw new FormatError('block.entries', `a block covers at most ${MAX_BLOCK_ENTRIES} entries, not ${block.entries}`);
  }
  if (!isCount(block.first + block.entries + 1)) {
    throw new FormatError('block.entries', `block ${block.height} ends beyond the largest index, 2^53 − 1`);
  }
  requireCanonical('block', text, formatBlockText(block));
  return block;
}

/**
 * The signed block note.
 * @throws FormatError `block.*` as `parseBlockText` for values no reader would take; RangeError for the key of another log
 */
export function signBlock(block: Block, log: SigningKey): string {
  const text = formatBlockText(block);
  parseBlockText(text);
  requireSigner(log, logKeyName(block.origin));
  return signNote(text, [log]);
}

/**
 * Opens a block note.
 * @param logKeys the log key in force (keys of other logs have other names and cannot sign it)
 * @throws NoteError `note.*`; FormatError `block.*` as `parseBlockText`
 */
export function openBlock(entry: Uint8Array | string, logKeys: readonly VerifierKey[]): Block {
  const block = parseBlockText(parseNote(entry, MOST_ENTRY_BYTES).text);
  openEntryNote(entry, [logKeys.filter((key) => key.name === logKeyName(block.origin))]);
  return block;
}
