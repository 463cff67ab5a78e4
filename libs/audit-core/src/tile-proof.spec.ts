import { describe, expect, it } from '@jest/globals';
import { treeRoot } from './compact-range.js';
import { verifyConsistency } from './consistency.js';
import { FormatError } from './format-error.js';
import { EMPTY_ROOT, type Hash } from './hash.js';
import { verifyInclusion } from './inclusion.js';
import { mth, numberedLeaves, path, subproof } from './merkle-oracle.fixture.js';
import { TileBuilder } from './tile-builder.js';
import {
  frontierFromTiles,
  proveConsistencyFromTiles,
  proveInclusionFromTiles,
  rootFromTiles,
  type TileReader,
} from './tile-proof.js';
import { tilePath, type TileRef } from './tile.js';

const SIZE = 66_000; // three levels
const leaves = numberedLeaves(SIZE);
const small = 700;

/** All hashes of each level, as one buffer; a tile is a slice of it. */
const levels = levelsOf(leaves);

const roots = new Map<number, Hash>();

/** The root of the first leaves; each is made once, those of large trees by the faster way that is tested elsewhere. */
function rootOf(size: number): Hash {
  const root = roots.get(size) ?? (size > 1_000 ? treeRoot : mth)(leaves.slice(0, size));
  roots.set(size, root);
  return root;
}

function levelsOf(hashes: readonly Hash[]): Buffer[] {
  const rows: Hash[][] = [[...hashes]];
  const builder = TileBuilder.empty();
  for (const hash of hashes) {
    for (const { level, root } of builder.append(hash)) (rows[level + 1] ??= []).push(root);
  }
  return rows.map((row) => Buffer.concat(row));
}

function tile({ level, number, width }: TileRef): Buffer {
  const start = number * 8_192;
  return (levels[level] as Buffer).subarray(start, start + width * 32);
}

/** Reads tiles and keeps what was asked for. */
function recorder(): { read: TileReader; batches: TileRef[][] } {
  const batches: TileRef[][] = [];
  const read: TileReader = async (refs) => {
    batches.push([...refs]);
    return refs.map(tile);
  };
  return { read, batches };
}

describe('from tiles', () => {
  it('every inclusion proof is that of all leaves', async () => {
    for (const size of [1, 2, 3, 255, 256, 257, 511, 513, small]) {
      const tree = leaves.slice(0, size);
      const root = rootOf(size);
      for (let index = 0; index < size; index += size > 64 ? 13 : 1) {
        const { read } = recorder();
        const proof = await proveInclusionFromTiles(index, size, read);
        expect(verifyInclusion(index, size, leaves[index] as Hash, proof, root)).toBe(true);
      }
      expect(await proveInclusionFromTiles(size - 1, size, recorder().read)).toEqual(path(size - 1, tree));
    }
  });

  it('every consistency proof is that of all leaves', async () => {
    for (const [old, size] of [
      [1, 1],
      [1, 2],
      [3, 7],
      [255, 256],
      [256, 257],
      [256, 512],
      [257, 700],
      [511, 700],
    ]) {
      const tree = leaves.slice(0, size);
      const proof = await proveConsistencyFromTiles(old as number, size as number, recorder().read);
      expect(proof).toEqual(subproof(old as number, tree));
    }
  });

  it('roots and frontiers are those of all leaves', async () => {
    for (const size of [0, 1, 255, 256, 257, small, 65_535, 65_536, SIZE]) {
      const root = rootOf(size);
      expect(await rootFromTiles(size, recorder().read)).toEqual(root);
      const frontier = await frontierFromTiles(size, recorder().read);
      expect([frontier.size, frontier.root()]).toEqual([size, root]);
    }
    expect(await rootFromTiles(0, recorder().read)).toEqual(EMPTY_ROOT);
  });

  it('proofs hold over three levels', async () => {
    const root = rootOf(SIZE);
    for (const index of [0, 255, 256, 65_535, 65_536, 65_999]) {
      const proof = await proveInclusionFromTiles(index, SIZE, recorder().read);
      expect(verifyInclusion(index, SIZE, leaves[index] as Hash, proof, root)).toBe(true);
    }
    for (const old of [1, 256, 300, 65_535, 65_536]) {
      const proof = await proveConsistencyFromTiles(old, SIZE, recorder().read);
      expect(verifyConsistency(old, SIZE, proof, rootOf(old), root)).toBe(true);
    }
  });

  it('one read, every tile once, at the width it has in that tree', async () => {
    for (const index of [0, 300, 65_536, 65_999]) {
      const { read, batches } = recorder();
      await proveInclusionFromTiles(index, SIZE, read);
      expect(batches).toHaveLength(1);
      const paths = (batches[0] as TileRef[]).map(tilePath);
      expect(new Set(paths).size).toBe(paths.length);
      expect(paths.length).toBeLessThanOrEqual(5);
      const allowed = ['tile/0/257.p/208', 'tile/1/001.p/1', 'tile/2/000.p/1'];
      for (const each of paths) expect(!each.includes('.p/') || allowed.includes(each)).toBe(true);
    }
  });

  it('nothing is read when nothing is needed', async () => {
    const { read, batches } = recorder();
    expect(await proveInclusionFromTiles(0, 1, read)).toEqual([]);
    expect(await proveConsistencyFromTiles(700, 700, read)).toEqual([]);
    expect(await rootFromTiles(0, read)).toEqual(EMPTY_ROOT);
    expect(batches).toEqual([]);
  });

  it.each([
    ['too short', (tiles: Buffer[]) => tiles.map((bytes) => bytes.subarray(1))],
    ['too long', (tiles: Buffer[]) => tiles.map((bytes) => Buffer.concat([bytes, Buffer.alloc(32)]))],
    ['missing', () => []],
  ])('a tile %s is an error', async (_, spoil) => {
    const read: TileReader = async (refs) => spoil(refs.map(tile));
    const error: unknown = await rootFromTiles(small, read).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).code).toBe('tile.length');
  });

  it('a wrong tile gives a proof that does not hold', async () => {
    const read: TileReader = async (refs) =>
      refs.map((ref) => {
        const bytes = Buffer.from(tile(ref));
        bytes[40] = (bytes[40] as number) ^ 1;
        return bytes;
      });
    const proof = await proveInclusionFromTiles(300, small, read);
    expect(verifyInclusion(300, small, leaves[300] as Hash, proof, rootOf(small))).toBe(false);
  });

  it('a failed read comes through as it is', async () => {
    const failure = new Error('no connection');
    await expect(rootFromTiles(1, () => Promise.reject(failure))).rejects.toBe(failure);
  });
});
