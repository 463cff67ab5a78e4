/** The leaf hashes of a stored body as it stands, to be compared with the remembered ones. */

import { HASH_BYTES, leafHashInPlace, type EntryOffsets, type Hash } from '@everseal/audit-core';

/** One hash an entry, in order, 32 bytes each. */
export function hashLeaves(body: Buffer, offsets: EntryOffsets): Buffer {
  const hashes = Buffer.allocUnsafe(offsets.count * HASH_BYTES);
  for (let i = 0; i < offsets.count; i++) {
    hashes.set(leafHashInPlace(body, offsets.start(i), offsets.end(i)), i * HASH_BYTES);
  }
  return hashes;
}

export function splitHashes(hashes: Buffer): Hash[] {
  const list: Hash[] = [];
  for (let at = 0; at < hashes.length; at += HASH_BYTES) list.push(hashes.subarray(at, at + HASH_BYTES));
  return list;
}
