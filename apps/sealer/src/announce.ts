/**
 * The announcement over one checkpoint: the newest key set and every ingester's newest sealed frame, each with its
 * inclusion proof, so that an ingester can release its spool on proof and not on anybody's word. Every proof is verified
 * before it is sent: it is made of tiles that somebody may have altered.
 */

import {
  formatAnnouncement,
  leafHash,
  MOST_SETS_BEFORE,
  proveConsistencyFromTiles,
  proveInclusionFromTiles,
  rootFromTiles,
  verifyConsistency,
  verifyInclusion,
  type Hash,
} from '@everseal/audit-core';
import { RetryLater } from '@everseal/process';
import { announcedDebts } from './announced-debts.js';
import type { Sealed } from './sealing.js';

/** Of key sets before the newest, in an announcement. */
const MOST_BYTES_BEFORE = 128 * 1024;
/** Of open debts in an announcement, over all ingesters; at most 36 bytes each. */
const MOST_RANGES = 8_192;

/** @param checkpoint the signed note with its cosignatures, over exactly `sealed` */
export async function buildAnnouncement(sealed: Sealed, checkpoint: string): Promise<Buffer> {
  const heads = [];
  const mostRanges = Math.max(1, Math.floor(MOST_RANGES / sealed.heads.size));
  for (const [ingester, { number, position, hash, note }] of sealed.heads) {
    const proof = await proveEntry(sealed, position, hash);
    const debts = announcedDebts(sealed.debts.ranges(ingester), mostRanges);
    heads.push({ ingester, number, index: position, proof, note, debts });
  }
  const { keysNote: note, keysIndex: index } = sealed;
  const before = newestOf(sealed.keysBefore);
  const keys = { note, index, proof: await proveEntry(sealed, index, leafHash(Buffer.from(note))), before };
  return formatAnnouncement({ checkpoint, keys, heads });
}

/** The newest key sets that find room, oldest first: whoever knows none of them is given one by hand. */
function newestOf(notes: readonly string[]): string[] {
  const newest: string[] = [];
  let bytes = 0;
  for (const note of notes.slice(-MOST_SETS_BEFORE).toReversed()) {
    bytes += Buffer.byteLength(note);
    if (bytes > MOST_BYTES_BEFORE) break;
    newest.unshift(note);
  }
  return newest;
}

/** The proof that the entry is in the log. @throws RetryLater proof.broken */
async function proveEntry({ tiles, size, root }: Sealed, index: number, leaf: Hash): Promise<Hash[]> {
  const proof = await tiles.proven(
    (read) => proveInclusionFromTiles(index, size, read),
    (made) => verifyInclusion(index, size, leaf, made, root),
  );
  return proof ?? broken(`no proof can be made that entry ${index} is in the log of size ${size}`);
}

/** The proof that the log of size `old` (1 or more) is the beginning of this one. @throws RetryLater proof.broken */
export async function proveGrowth({ tiles, size, root }: Sealed, old: number): Promise<Hash[]> {
  const made = await tiles.proven(
    async (read) => ({
      before: await rootFromTiles(old, read),
      proof: await proveConsistencyFromTiles(old, size, read),
    }),
    ({ before, proof }) => verifyConsistency(old, size, proof, before, root),
  );
  return made?.proof ?? broken(`no proof can be made that the log of size ${old} became the one of size ${size}`);
}

function broken(what: string): never {
  throw new RetryLater('proof.broken', `${what}: stored tiles and bodies do not give its tree; restore the bodies`);
}
