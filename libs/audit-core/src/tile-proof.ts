/**
 * Roots, frontiers and proofs out of tiles. Each function plans which perfect subtrees it needs, asks for their tiles
 * in one batched read, and folds what comes back. Only tiles of the given size are asked for, at the widths they have
 * in it, so a reader never needs a partial tile that no checkpoint implies.
 *
 * The tiles are not trusted here: a wrong tile gives a wrong root or proof, which the check against a checkpoint finds.
 */
import { CompactRange } from './compact-range.js';
import { consistencyPlan } from './consistency.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, nodeHash, type Hash } from './hash.js';
import { inclusionPlan } from './inclusion.js';
import { perfectSubtrees, type NodeRef, type Segment } from './segment.js';
import { TILE_ROWS, TILE_WIDTH, tileAt, tilePath, type TileRef } from './tile.js';

/** Reads tiles: for every reference, in the order given, width · 32 bytes. Called once, never with the same tile twice. */
export type TileReader = (refs: readonly TileRef[]) => Promise<readonly Uint8Array[]>;

/** The inclusion proof of entry `index` in the tree of `size`, leaf side first. */
export async function proveInclusionFromTiles(index: number, size: number, read: TileReader): Promise<Hash[]> {
  return segmentRoots(inclusionPlan(index, size), size, read);
}

/** The consistency proof from `oldSize` (1 or more) to `size`. */
export async function proveConsistencyFromTiles(oldSize: number, size: number, read: TileReader): Promise<Hash[]> {
  return segmentRoots(consistencyPlan(oldSize, size), size, read);
}

/** The root of the tree of `size`. */
export async function rootFromTiles(size: number, read: TileReader): Promise<Hash> {
  return (await frontierFromTiles(size, read)).root();
}

/** The frontier of the tree of `size`, to go on appending. */
export async function frontierFromTiles(size: number, read: TileReader): Promise<CompactRange> {
  const nodes = perfectSubtrees({ lo: 0, hi: size });
  return CompactRange.of(size, await nodeHashes(nodes, size, read));
}

async function segmentRoots(segments: readonly Segment[], size: number, read: TileReader): Promise<Hash[]> {
  const parts = segments.map(perfectSubtrees);
  const hashes = await nodeHashes(parts.flat(), size, read);
  let used = 0;
  return segments.map(({ lo, hi }, i) => {
    const from = used;
    used += (parts[i] as NodeRef[]).length;
    return CompactRange.of(hi - lo, hashes.slice(from, used)).root();
  });
}

/** Where a subtree's hashes stand: `count` hashes from `offset` in a tile of the tree. */
type Place = { ref: TileRef; path: string; offset: number; count: number };

function placeOf({ level, index }: NodeRef, size: number): Place {
  const count = 2 ** (level % TILE_ROWS);
  const position = index * count;
  const ref = tileAt(Math.floor(level / TILE_ROWS), Math.floor(position / TILE_WIDTH), size);
  return { ref, path: tilePath(ref), offset: position % TILE_WIDTH, count };
}

async function nodeHashes(nodes: readonly NodeRef[], size: number, read: TileReader): Promise<Hash[]> {
  const places = nodes.map((node) => placeOf(node, size));
  const wanted = new Map(places.map(({ path, ref }) => [path, ref]));
  if (wanted.size === 0) return [];
  const refs = [...wanted.values()];
  const bodies = await read(refs);
  const tiles = new Map<string, Uint8Array>();
  for (const [i, path] of [...wanted.keys()].entries())
    tiles.set(path, checkedTile(path, refs[i] as TileRef, bodies[i]));
  return places.map(({ path, offset, count }) => foldTile(tiles.get(path) as Uint8Array, offset, count));
}

/** Throws FormatError `tile.length`. */
function checkedTile(path: string, ref: TileRef, body: Uint8Array | undefined): Uint8Array {
  if (body?.length !== ref.width * HASH_BYTES) {
    throw new FormatError('tile.length', `${path} has ${body?.length ?? 'no'} bytes, not ${ref.width * HASH_BYTES}`);
  }
  return body;
}

/** The root over `count` (a power of two) hashes of a tile. */
function foldTile(tile: Uint8Array, offset: number, count: number): Hash {
  const hashes: Hash[] = [];
  for (let i = offset; i < offset + count; i += 1) {
    hashes.push(Buffer.from(tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)));
  }
  for (let width = count; width > 1; width /= 2) {
    for (let i = 0; i < width; i += 2) hashes[i / 2] = nodeHash(hashes[i] as Hash, hashes[i + 1] as Hash);
  }
  return hashes[0] as Hash;
}
