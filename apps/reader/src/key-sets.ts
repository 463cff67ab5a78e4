/**
 * The key sets of a ledger, found from the newest backwards: each names the hash of the one before it. What was found is
 * kept, and one search serves all who wait for it, so that only a new set costs a look through the tiles. Nothing is
 * verified: readers of the sets do that, from a first one that they have from elsewhere.
 */
import {
  equalHash,
  FormatError,
  leafHash,
  parseKeySetText,
  parseNote,
  TILE_WIDTH,
  type Hash,
} from '@everseal/audit-core';
import { findLeaf, readHead } from '@everseal/ledger-store';
import { damaged } from './log-source.js';
import type { ServedLedger } from './served-ledger.js';

export interface SealedKeySet {
  readonly index: number;
  readonly note: string;
}

/** More than a century of monthly rotations. */
const MOST_KEY_SETS = 2_000;

const found = new WeakMap<ServedLedger, Map<number, Buffer>>();

const searching = new WeakMap<ServedLedger, Promise<SealedKeySet[]>>();

/** The key sets that the newest checkpoint covers, by index. @throws Problem log.empty, log.damaged; StoreError */
export function keySetsOf(ledger: ServedLedger): Promise<SealedKeySet[]> {
  const running = searching.get(ledger);
  if (running !== undefined) return running;
  const started = search(ledger).finally(() => searching.delete(ledger));
  searching.set(ledger, started);
  return started;
}

async function search(ledger: ServedLedger): Promise<SealedKeySet[]> {
  const { size } = ledger.published;
  const { keysIndex } = await readHead(ledger.pool, ledger.ledgerId);
  const sets: SealedKeySet[] = [];
  for (let index: number | null = keysIndex; index !== null;) {
    if (sets.length === MOST_KEY_SETS) damaged('the chain of key sets');
    const note = await noteAt(ledger, index);
    if (index < size) sets.unshift({ index, note: note.toString('utf8') });
    index = index === 0 ? null : await indexBefore(ledger, note, index);
  }
  return sets;
}

async function noteAt(ledger: ServedLedger, index: number): Promise<Buffer> {
  const kept = found.get(ledger) ?? new Map<number, Buffer>();
  found.set(ledger, kept);
  const known = kept.get(index);
  if (known !== undefined) return known;
  const [entry] = await ledger.source.entries(index, index + 1);
  // A copy: a view would keep its whole block in memory.
  const note = Buffer.from(entry as Buffer);
  kept.set(index, note);
  return note;
}

async function indexBefore(ledger: ServedLedger, note: Buffer, index: number): Promise<number> {
  const previous = previousOf(note, index);
  for (const [known, entry] of found.get(ledger) ?? []) if (equalHash(leafHash(entry), previous)) return known;
  if (equalHash(leafHash(await noteAt(ledger, 0)), previous)) return 0;
  return (
    (await inEdge(ledger, previous, index)) ??
    (await findLeaf(ledger.pool, ledger.ledgerId, previous, index)) ??
    damaged(`the key set before entry ${index}`)
  );
}

/** The newest entries are in no full tile yet. */
async function inEdge(ledger: ServedLedger, hash: Hash, before: number): Promise<number | null> {
  const from = Math.floor(before / TILE_WIDTH) * TILE_WIDTH;
  const entries = await ledger.source.entries(from, before);
  const at = entries.findLastIndex((entry) => equalHash(leafHash(entry), hash));
  return at < 0 ? null : from + at;
}

function previousOf(note: Buffer, index: number): Hash {
  try {
    return parseKeySetText(parseNote(note).text).previous;
  } catch (error) {
    if (error instanceof FormatError) damaged(`the key set at entry ${index}`, error);
    throw error;
  }
}
