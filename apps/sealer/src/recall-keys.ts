/**
 * The key set in force, out of the stored log. Only the set at entry 0 is known for sure, by the file that the sealer was
 * configured with; each later one names the hash of the set before it and is signed by two of that set's keys. So the
 * chain is followed back from the newest set to entry 0 by those hashes, and its signatures are checked forward again:
 * nothing in between is believed because the database says so.
 *
 * That the head row names the *newest* set cannot be seen here; the verifier, which reads every entry, finds what was
 * sealed under an older one.
 */

import {
  equalHash,
  HASH_BYTES,
  leafHash,
  openGenesis,
  openKeySet,
  parseKeySetText,
  parseNote,
  type Hash,
  type KeySet,
  type SealedKeySet,
  type TileBuilder,
  type VerifierKey,
} from '@everseal/audit-core';
import { findLeaf, readEntry, type LedgerHead } from '@everseal/ledger-store';
import { StopProcess } from '@everseal/process';
import type { Pool } from 'pg';

/** More than a century of monthly rotations; a row that leads further back was tampered with. */
const MOST_KEY_SETS = 2_000;

export interface RecalledFrom {
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  /** The key-set note that is entry 0. */
  readonly genesis: Buffer;
}

export interface RecalledKeys {
  readonly keys: KeySet;
  readonly keysNote: string;
  /** Index of its entry; −1 before block 0. */
  readonly keysIndex: number;
  /** Ingest keys of earlier sets that this one does not name any more. */
  readonly formerIngest: readonly VerifierKey[];
  /** Every log key, that of this set first. */
  readonly logKeys: readonly VerifierKey[];
  /** The sets before this one, the log's first included, oldest first. */
  readonly keySets: readonly SealedKeySet[];
}

/**
 * @param tree the tree of the stored log
 * @throws StopProcess head.genesis, head.keys; FormatError for what is no key set, or not signed by the one before it
 */
export async function recallKeys(from: RecalledFrom, head: LedgerHead, tree: TileBuilder): Promise<RecalledKeys> {
  const { pool, ledgerId, origin, genesis } = from;
  let keys = openGenesis(genesis, origin);
  if (head.size === 0) {
    return {
      keys,
      keysNote: genesis.toString(),
      keysIndex: -1,
      formerIngest: [],
      logKeys: [keys.log],
      keySets: [],
    };
  }
  let hash = leafHash(genesis);
  if (!equalHash(leafHash(await readEntry(pool, ledgerId, 0)), hash)) {
    throw new StopProcess(
      'head.genesis',
      `entry 0 of ${origin} is not the key set that this sealer was configured with`,
    );
  }
  const ingest = new Map<string, VerifierKey>(keys.ingest.map((key) => [key.vkey, key]));
  const logs = new Map<string, VerifierKey>([[keys.log.vkey, keys.log]]);
  const keySets: SealedKeySet[] = [{ index: 0, note: genesis.toString() }];
  for (const { note, index } of await notesAfter(from, hash, head.keysIndex, tree)) {
    keys = openKeySet(note, keys, hash);
    hash = leafHash(note);
    for (const key of keys.ingest) ingest.set(key.vkey, key);
    logs.set(keys.log.vkey, keys.log);
    keySets.push({ index, note: note.toString() });
  }
  for (const key of keys.ingest) ingest.delete(key.vkey);
  logs.delete(keys.log.vkey);
  const { note: keysNote } = keySets.pop()!;
  const former = { formerIngest: [...ingest.values()], logKeys: [keys.log, ...logs.values()], keySets };
  return { keys, keysNote, keysIndex: head.keysIndex, ...former };
}

/** The notes of all key sets after entry 0, oldest first, by the hashes that they name; no signature is checked. */
async function notesAfter(
  from: RecalledFrom,
  genesis: Hash,
  newest: number,
  tree: TileBuilder,
): Promise<{ note: Buffer; index: number }[]> {
  const { pool, ledgerId, origin } = from;
  const notes: { note: Buffer; index: number }[] = [];
  for (let index = newest; index > 0;) {
    const note = await readEntry(pool, ledgerId, index);
    const { previous } = parseKeySetText(parseNote(note).text);
    notes.unshift({ note, index });
    const before = equalHash(previous, genesis) ? 0 : await positionOf(from, previous, index, tree);
    if (before === null || notes.length === MOST_KEY_SETS) {
      throw new StopProcess('head.keys', `the key set at entry ${index} of ${origin} does not lead back to entry 0`);
    }
    index = before;
  }
  return notes;
}

/** Where an entry of this hash stands below `before`: behind the last full tile, or in the tiles. */
async function positionOf(from: RecalledFrom, hash: Hash, before: number, tree: TileBuilder): Promise<number | null> {
  const edge = tree.partial(0);
  const first = tree.size - edge.length / HASH_BYTES;
  for (let index = Math.min(before, tree.size) - 1; index >= first; index--) {
    const at = (index - first) * HASH_BYTES;
    if (equalHash(edge.subarray(at, at + HASH_BYTES), hash)) return index;
  }
  return findLeaf(from.pool, from.ledgerId, hash, before);
}
