/**
 * One stored block against what this verifier remembers: every entry is hashed and compared with the leaf hash that was
 * remembered when it was first derived. One hash an entry, no signature twice. Where the two differ, the sequences are
 * aligned, and the alignment is the verdict.
 *
 * Which entries a body must hold is said by its own block note, as long as that is a remembered entry; only where it is
 * not, the row is asked, and no further than a block can reach from where this one is expected. So a spoiled row is told
 * from a spoiled body.
 */

import {
  align,
  entryKind,
  FormatError,
  HASH_BYTES,
  MAX_BLOCK_ENTRIES,
  openBlock,
  parseBlockText,
  parseNote,
  splitBundle,
  type Block,
  type Difference,
  type EntryOffsets,
  type Finding,
  type Hash,
  type VerifierKey,
  type VerdictCode,
} from '@everseal/audit-core';
import type { StoredBlock } from '@everseal/ledger-store';
import { rowMismatch } from './block-row.js';
import type { RememberedTree } from './remembered-tree.js';
import { hashLeaves, splitHashes } from './stored-leaves.js';

const VERDICT: Record<Difference, VerdictCode> = {
  altered: 'entry.altered',
  missing: 'entry.missing',
  inserted: 'entry.inserted',
  reordered: 'entry.reordered',
};

/** Places of a full block, its note included. */
const MOST_ENTRIES = MAX_BLOCK_ENTRIES + 1;

/** Where a block is expected: its height, and the index of its first entry. */
export interface Place {
  readonly height: number;
  readonly first: number;
}

/** What a look at one block gave: what is wrong, and where the block after it is expected. */
export interface BlockCheck {
  readonly findings: Finding[];
  readonly next: Place;
  /** Entries that were hashed. */
  readonly hashed: number;
}

/** A body taken apart. */
export interface OpenBody {
  readonly bytes: Buffer;
  readonly offsets: EntryOffsets;
  /** Leaf hash of every entry. */
  readonly leaves: Buffer;
  /** Its note, when that is the remembered entry at its place; null otherwise. */
  readonly block: Block | null;
}

/**
 * @param sealed the column that is not read with the body; undefined when the row is gone by now
 * @param logKeys every log key that the log went by
 */
export function checkStoredBlock(
  stored: StoredBlock,
  sealed: string | undefined,
  place: Place,
  tree: RememberedTree,
  logKeys: readonly VerifierKey[],
): BlockCheck {
  const gone = stored.height - place.height;
  const body = openBody(stored.body, tree);
  const block = body?.block ?? null;
  if (gone < 0) return twice(stored, place, body, tree, logKeys);
  const reach = Math.min(tree.size, place.first + gone * MOST_ENTRIES);
  const first = block?.first ?? within(stored.first, place.first, reach);
  const rowEnd = within(stored.next, first, first + MOST_ENTRIES);
  const end = block ? block.first + block.entries + 1 : rowEnd;
  // A block that stands in the place of an earlier one does not take the sweep with it to where it belongs.
  const misplaced = block !== null && block.height !== stored.height;
  const behind = misplaced ? Math.min(end, within(stored.next, place.first, place.first + MOST_ENTRIES)) : end;
  const next = { height: stored.height + 1, first: Math.max(place.first, behind) };

  const findings: Finding[] = [];
  if (gone > 0) {
    const detail = `${gone} blocks from height ${place.height} on are gone`;
    findings.push({ code: 'block.missing', index: place.first, height: place.height, detail });
  }
  const wrong = body
    ? (rowFinding(stored, sealed, body, misplaced ? place.first : first) ??
      compare(stored, body, first, end, tree, logKeys))
    : damaged(stored, first);
  if (wrong) findings.push(wrong);
  if (gone === 0 && !wrong && first > place.first) {
    // The block before ends where it should have begun: what is gone was that one's.
    const detail = `entries ${place.first} to ${first - 1} stand in no block`;
    findings.push({ code: 'block.missing', index: place.first, height: Math.max(place.height - 1, 0), detail });
  }
  return { findings, next, hashed: (body?.leaves.length ?? 0) / HASH_BYTES };
}

/**
 * Rows come by height: one that is no higher than the one before it is a second row of that height. It may be the one that
 * belongs there: then it is compared, and the sweep goes on behind it.
 */
function twice(
  stored: StoredBlock,
  place: Place,
  body: OpenBody | null,
  tree: RememberedTree,
  logKeys: readonly VerifierKey[],
): BlockCheck {
  const { height } = stored;
  const detail = `more than one row stands for block ${height}`;
  const findings: Finding[] = [{ code: 'block.chain', index: null, height, detail }];
  const hashed = (body?.leaves.length ?? 0) / HASH_BYTES;
  const block = body?.block ?? null;
  if (!body || block?.height !== height || block.first !== place.first) return { findings, next: place, hashed };
  const end = block.first + block.entries + 1;
  const wrong = compare(stored, body, block.first, end, tree, logKeys);
  if (wrong) findings.push(wrong);
  return { findings, next: { height: place.height, first: end }, hashed };
}

/** A number that only a row says. */
function within(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

/** Null when it is no entry bundle. */
export function openBody(bytes: Buffer | null, tree: RememberedTree): OpenBody | null {
  if (!bytes) return null;
  try {
    const offsets = splitBundle(bytes);
    const leaves = hashLeaves(bytes, offsets);
    return { bytes, offsets, leaves, block: provenBlock(noteOf(bytes, offsets), leaves.subarray(-HASH_BYTES), tree) };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function noteOf(body: Buffer, offsets: EntryOffsets): Buffer {
  const last = offsets.count - 1;
  return last < 0 ? Buffer.alloc(0) : body.subarray(offsets.start(last), offsets.end(last));
}

function provenBlock(note: Buffer, hash: Hash, tree: RememberedTree): Block | null {
  try {
    if (entryKind(note) !== 'block') return null;
    const block = parseBlockText(parseNote(note).text);
    const index = block.first + block.entries;
    return index < tree.size && tree.leafHash(index).equals(hash) ? block : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function damaged({ height, body }: StoredBlock, index: number): Finding {
  return body
    ? { code: 'entry.altered', index, height, detail: `the body of block ${height} is no entry bundle` }
    : { code: 'block.missing', index, height, detail: `block ${height} stands without its body` };
}

/** A row that does not say what the note of its own body says. */
function rowFinding(
  stored: StoredBlock,
  sealed: string | undefined,
  { block, leaves }: OpenBody,
  index: number,
): Finding | null {
  const detail = block && rowMismatch(stored, sealed, block, leaves.subarray(-HASH_BYTES));
  return detail ? { code: 'block.chain', index, height: stored.height, detail } : null;
}

function compare(
  { height }: StoredBlock,
  body: OpenBody,
  first: number,
  end: number,
  tree: RememberedTree,
  logKeys: readonly VerifierKey[],
): Finding | null {
  const last = Math.min(end, tree.size);
  const expected = last > first ? tree.leafHashes(first, last) : Buffer.alloc(0);
  if (body.leaves.equals(expected)) return null;
  const [remembered, found] = [splitHashes(expected), splitHashes(body.leaves)];
  const { difference, position, count } = align(remembered, found)!;
  const index = first + position;
  const hashes = {
    expected: remembered[position]?.toString('base64') ?? 'nothing',
    found: found[position]?.toString('base64') ?? 'nothing',
  };
  const rewritten = body.block ? null : judgeNote(noteOf(body.bytes, body.offsets), logKeys);
  if (rewritten) {
    return { ...rewritten, index, height, detail: `block ${height} was rewritten: ${rewritten.detail}`, ...hashes };
  }
  const detail = `block ${height}: ${count} of ${remembered.length} entries ${difference}, entry ${index} is the first`;
  return { code: VERDICT[difference], index, height, detail, ...hashes };
}

/** A block note that is not the remembered one: without the log key it is a forgery, with it another history. */
function judgeNote(note: Buffer, logKeys: readonly VerifierKey[]): { code: VerdictCode; detail: string } | null {
  try {
    if (entryKind(note) !== 'block') return null;
    openBlock(note, logKeys);
    return { code: 'checkpoint.mismatch', detail: 'its note is signed by the log key, but it is not the sealed one' };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.code === 'entry.kind' ? null : { code: 'block.signature', detail: error.message };
  }
}
