/**
 * A hash tile made anew from the entries, for when a stored one does not prove what it should.
 *
 * Tiles of level 0 and 1 (up to 65,536 entries) are made from block bodies alone. Above that a tile is made of the tiles
 * below it, and of those only the ones are made anew whose root is not the hash that the spoiled tile has for them: a
 * tile of level 2 stands for 16 million entries. Nothing here is trusted: whoever asked verifies the proof again.
 */

import { equalHash, leafHashInPlace, splitBundle, TileBuilder, type TileRef } from '@everseal/audit-core';
import { bodyOf, readBodies } from '@everseal/ledger-store';
import type { Pool } from 'pg';

const TILE_WIDTH = 256;
const HASH_BYTES = 32;
const BLOCKS_A_READ = 8;

/** Something that should be stored is not, or is not what it should be. */
export class UnusableStore extends Error {}

/** The bytes of a full tile that is stored or in memory; null when there is none. */
export type FindTile = (level: number, number: number) => Promise<Uint8Array | null>;

/**
 * @param find where tiles below level 2 or higher are looked up
 * @returns `width` · 32 bytes
 * @throws UnusableStore when the bodies are not there, FormatError when they are not bundles
 */
export async function rebuildTile(pool: Pool, ledgerId: number, ref: TileRef, find: FindTile): Promise<Buffer> {
  const { level, number, width } = ref;
  if (level < 2) return fromBodies(pool, ledgerId, ref);
  const spoiled = await find(level, number);
  const hashes: Buffer[] = [];
  for (let i = 0; i < width; i++) {
    const child = { level: level - 1, number: number * TILE_WIDTH + i, width: TILE_WIDTH };
    const stored = await find(child.level, child.number);
    const said = spoiled?.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
    const root = stored && rootOf(stored);
    if (root && said?.length === HASH_BYTES && equalHash(root, Buffer.from(said))) hashes.push(root);
    else hashes.push(rootOf(await rebuildTile(pool, ledgerId, child, find)));
  }
  return Buffer.concat(hashes);
}

/** Root over a full tile. */
function rootOf(tile: Uint8Array): Buffer {
  const tree = TileBuilder.empty();
  for (let at = 0; at < tile.length; at += HASH_BYTES) tree.append(Buffer.from(tile.subarray(at, at + HASH_BYTES)));
  return tree.root();
}

/** The entries under one tile are a tree of their own, which has the same tiles, numbered from 0. */
async function fromBodies(pool: Pool, ledgerId: number, { level, number, width }: TileRef): Promise<Buffer> {
  const tree = TileBuilder.empty();
  let filled: Buffer | null = null;
  const unit = TILE_WIDTH ** level;
  const from = number * TILE_WIDTH * unit;
  const to = from + width * unit;
  for (let index = from; index < to;) {
    const start = await bodyOf(pool, ledgerId, index);
    if (!start) throw new UnusableStore(`no block holds entry ${index}`);
    for await (const { first, next, body } of readBodies(pool, ledgerId, start.height, BLOCKS_A_READ)) {
      if (index >= to) continue; // to the end: leaving the read early costs the connection
      if (!body || first > index) throw new UnusableStore(`the body with entry ${index} is not in the database`);
      const offsets = splitBundle(body);
      if (offsets.count !== next - first) throw new UnusableStore(`the body of entries ${first} to ${next} has others`);
      for (let i = index - first; i < offsets.count && index < to; i++, index++) {
        const full = tree.append(leafHashInPlace(body, offsets.start(i), offsets.end(i)));
        filled = full.find((tile) => tile.level === level)?.data ?? filled;
      }
    }
  }
  return filled ?? tree.partial(level);
}
