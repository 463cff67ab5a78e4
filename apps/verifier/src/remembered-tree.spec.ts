import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CompactRange,
  EMPTY_ROOT,
  fullTiles,
  leafHash,
  TileBuilder,
  TreeGrowth,
  treeRoot,
  type FullTile,
  type Hash,
} from '@everseal/audit-core';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { LeafFile } from './leaf-file.js';
import { RememberedTree } from './remembered-tree.js';

const MOST = 600;
/** Enough for tiles of level 1: 256 full tiles of level 0 and a few entries. */
const MANY = 256 * 256 + 300;
const leaves = Array.from({ length: MANY }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));

let folder: TemporaryFolder;
beforeAll(() => {
  folder = temporaryFolder('tree');
});
afterAll(() => folder.remove());

/** The tree of leaves [0, from), grown by those up to `to`. */
function growth(from: number, to: number): TreeGrowth {
  const before = CompactRange.empty();
  for (const leaf of leaves.slice(0, from)) before.append(leaf);
  const grown = new TreeGrowth(before);
  for (const leaf of leaves.slice(from, to)) grown.append(leaf);
  return grown;
}

let files = 0;
function leafFile(size = 0): LeafFile {
  const file = LeafFile.open(path.join(folder.path, `leaves${files++}`));
  file.append(leaves.slice(0, size));
  return file;
}

describe('the remembered tree', () => {
  it('knows the root of every size up to its own, however it grew', async () => {
    const tree = await RememberedTree.load(leafFile(), 0);
    const roots: Hash[] = [EMPTY_ROOT];
    for (let size = 1; size <= MOST; size++) {
      tree.append([leaves[size - 1]!], growth(size - 1, size));
      roots.push(treeRoot(leaves.slice(0, size)));
      expect(tree.root().equals(roots[size]!)).toBe(true);
    }
    const loaded = await RememberedTree.load(leafFile(MOST), MOST);
    for (let size = 0; size <= MOST; size++) {
      expect([size, (await tree.rootAt(size)).equals(roots[size]!)]).toEqual([size, true]);
      expect([size, (await loaded.rootAt(size)).equals(roots[size]!)]).toEqual([size, true]);
    }
    tree.close();
    loaded.close();
  });

  it('gives every full tile and its root as the sealer stores them', async () => {
    const builder = TileBuilder.empty();
    const stored: FullTile[] = leaves.flatMap((leaf) => [...builder.append(leaf)]);
    const tree = await RememberedTree.load(leafFile(MANY), MANY);
    expect(stored.length).toBe(fullTiles(MANY, 0) + fullTiles(MANY, 1));
    for (const { level, number, data, root } of stored) {
      expect([level, number, tree.tile(level, number).equals(data)]).toEqual([level, number, true]);
      expect([level, number, tree.tileRoot(level, number).equals(root)]).toEqual([level, number, true]);
    }
    const [partial] = await tree.readTiles([{ level: 0, number: 257, width: 44 }]);
    expect(Buffer.concat(leaves.slice(257 * 256, MANY)).equals(partial!)).toBe(true);
    expect((await tree.rootAt(MANY - 1)).equals(treeRoot(leaves.slice(0, MANY - 1)))).toBe(true);
    tree.close();
  });

  it('cuts what is beyond the size that it is loaded at, and refuses a file that ends before it', async () => {
    const file = leafFile(500);
    const tree = await RememberedTree.load(file, 300);
    expect([tree.size, file.size]).toEqual([300, 300]);
    tree.append(leaves.slice(300, 310), growth(300, 310));
    expect(() => tree.append(leaves.slice(310, 312), growth(310, 311))).toThrow(RangeError);
    expect(tree.root().equals(treeRoot(leaves.slice(0, 310)))).toBe(true);
    expect(tree.leafHash(305)).toEqual(leaves[305]);
    expect(tree.leafHashes(0, 310).equals(Buffer.concat(leaves.slice(0, 310)))).toBe(true);
    tree.close();
    const short = leafFile(9);
    await expect(RememberedTree.load(short, 10)).rejects.toThrow(RangeError);
    short.close();
  });

  it('gives another root for any changed byte of the file', async () => {
    const size = 300;
    const honest = await RememberedTree.load(leafFile(size), size);
    for (const at of [0, 255, 256, size - 1]) {
      const file = leafFile(size);
      const other = Buffer.from(leaves[at]!);
      other[31]! ^= 1;
      const rest = leaves.slice(at + 1, size);
      file.cut(at);
      file.append([other, ...rest]);
      const tree = await RememberedTree.load(file, size);
      expect([at, tree.root().equals(honest.root())]).toEqual([at, false]);
      tree.close();
    }
    honest.close();
  });
});
