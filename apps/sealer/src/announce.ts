/**
 * The announcement over one checkpoint: the newest key set and every ingester's newest sealed frame, each with its
 * inclusion proof, so that an ingester can release its spool on proof and not on anybody's word.
 */

import { formatAnnouncement, proveInclusionFromTiles } from '@everseal/audit-core';
import type { Sealed } from './seal-ledger.js';

/** @param checkpoint the signed note with its cosignatures, over exactly `sealed` */
export async function buildAnnouncement(sealed: Sealed, checkpoint: string): Promise<Buffer> {
  const prove = (index: number): ReturnType<typeof proveInclusionFromTiles> =>
    proveInclusionFromTiles(index, sealed.size, sealed.tiles.read);
  const heads = [];
  for (const [ingester, { number, position }] of sealed.heads) {
    heads.push({ ingester, number, index: position, proof: await prove(position), debts: [] });
  }
  const keys = { note: sealed.keysNote, index: sealed.keysIndex, proof: await prove(sealed.keysIndex) };
  return formatAnnouncement({ checkpoint, keys, heads });
}
