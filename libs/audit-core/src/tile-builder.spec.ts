import { describe, expect, it } from '@jest/globals';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { CompactRange } from './compact-range.js';
import { leafHash, sha256, type Hash } from './hash.js';
import { mth, numberedLeaves } from './merkle-oracle.fixture.js';
import { TileBuilder, type FullTile } from './tile-builder.js';
import { partialWidth, tilePath } from './tile.js';

const { tree } = readVectorFile<{
  tree: { size: number; roots: Record<string, string>; sha256: Record<string, string>; bytes: Record<string, string> };
}>('tile');
const { tessera } = readVectorFile<{ tessera: { entries: string[]; tileSha256: string } }>('merkle');
const leaves = numberedLeaves(1_000);

function partialsOf(builder: TileBuilder): Buffer[] {
  return Array.from({ length: builder.levels }, (_, level) => builder.partial(level));
}

/** All tiles of a tree, as files. */
function filesOf(full: readonly FullTile[], builder: TileBuilder): Map<string, Buffer> {
  const files = new Map(full.map(({ level, number, data }) => [tilePath({ level, number, width: 256 }), data]));
  for (const [level, data] of partialsOf(builder).entries()) {
    const width = partialWidth(builder.size, level);
    const number = Math.floor(builder.size / 256 ** (level + 1));
    if (width > 0) files.set(tilePath({ level, number, width }), data);
  }
  return files;
}

/** What was handed out: path, digest of the tile, root. */
function pathsOf(full: readonly FullTile[] = []): string[][] {
  return full.map(({ level, number, data, root }) => {
    return [tilePath({ level, number, width: 256 }), sha256(data).toString('hex'), root.toString('hex')];
  });
}

describe('TileBuilder', () => {
  it('makes the tiles of a tree of 70,000', () => {
    const builder = TileBuilder.empty();
    const full: FullTile[] = [];
    const roots: Record<string, string> = {};
    for (let i = 0; i < tree.size; i += 1) {
      full.push(...builder.append(leafHash(Buffer.from(String(i)))));
      if (String(i + 1) in tree.roots) roots[i + 1] = builder.root().toString('base64');
    }
    expect(roots).toEqual(tree.roots);
    const files = filesOf(full, builder);
    expect(files.size).toBe(273 + 1 + 1 + 1 + 1);
    for (const [path, digest] of Object.entries(tree.sha256)) {
      expect([path, sha256(files.get(path) as Buffer).toString('hex')]).toEqual([path, digest]);
    }
    for (const [path, bytes] of Object.entries(tree.bytes)) expect(files.get(path)?.toString('hex')).toBe(bytes);
  });

  it('makes the tile of the Tessera test log', () => {
    const builder = TileBuilder.empty();
    for (const entry of tessera.entries) builder.append(leafHash(Buffer.from(entry)));
    expect(builder.partial(0)).toHaveLength(480);
    expect(sha256(builder.partial(0)).toString('hex')).toBe(tessera.tileSha256);
  });

  it('hands a tile out when it is full, with its root', () => {
    const builder = TileBuilder.empty();
    for (const [i, leaf] of leaves.entries()) {
      const full = builder.append(leaf);
      if ((i + 1) % 256 !== 0) {
        expect(full).toHaveLength(0);
        continue;
      }
      const tile = leaves.slice(i - 255, i + 1);
      expect(full).toEqual([{ level: 0, number: (i + 1) / 256 - 1, data: Buffer.concat(tile), root: mth(tile) }]);
      expect(builder.partial(0)).toHaveLength(0);
    }
    expect([builder.size, builder.levels]).toEqual([1_000, 2]);
    expect(builder.frontier().hashes()).toEqual(CompactRange.of(1_000, builder.frontier().hashes()).hashes());
    expect(builder.root()).toEqual(mth(leaves));
  });

  it('gives a full tile away: later appends do not change it', () => {
    const builder = TileBuilder.empty();
    const [tile] = leaves.slice(0, 256).flatMap((leaf) => [...builder.append(leaf)]);
    const before = Buffer.from((tile as FullTile).data);
    for (const leaf of leaves.slice(256, 600)) builder.append(leaf);
    expect((tile as FullTile).data).toEqual(before);
  });

  it('goes on from any size by its partial tiles, and by a clone', () => {
    const whole = TileBuilder.empty();
    const ahead = TileBuilder.empty();
    for (const leaf of leaves.slice(0, 300)) ahead.append(leaf);
    for (let size = 0; size < 600; size += 1) {
      if (size % 97 === 0 || [255, 256, 257, 512].includes(size)) {
        const revived = TileBuilder.of(size, partialsOf(whole));
        const clone = whole.clone();
        expect(revived.root()).toEqual(whole.root());
        const more = leaves.slice(size, size + 300);
        const [byRevived, byClone] = [revived, clone].map((b) => more.flatMap((leaf) => [...b.append(leaf)]));
        expect(pathsOf(byRevived)).toEqual(pathsOf(byClone));
        expect([revived.root(), clone.root()]).toEqual([ahead.root(), ahead.root()]);
        expect(sha256(Buffer.concat(partialsOf(revived)))).toEqual(sha256(Buffer.concat(partialsOf(ahead))));
        expect(sha256(Buffer.concat(partialsOf(clone)))).toEqual(sha256(Buffer.concat(partialsOf(ahead))));
        expect(whole.size).toBe(size);
      }
      whole.append(leaves[size] as Hash);
      ahead.append(leaves[size + 300] as Hash);
    }
    expect(whole.root()).toEqual(mth(leaves.slice(0, 600)));
  });

  it('has nothing in common with its clone', () => {
    const builder = TileBuilder.empty();
    for (const leaf of leaves.slice(0, 300)) builder.append(leaf);
    const before = [builder.root(), ...partialsOf(builder)];
    const clone = builder.clone();
    const [given] = leaves.slice(500, 900).flatMap((leaf) => [...clone.append(leaf)]);
    expect([builder.root(), ...partialsOf(builder)]).toEqual(before);
    for (const leaf of leaves.slice(300, 700)) builder.append(leaf);
    expect(clone.root()).toEqual(mth([...leaves.slice(0, 300), ...leaves.slice(500, 900)]));
    const tile = [...leaves.slice(256, 300), ...leaves.slice(500, 712)];
    expect(sha256((given as FullTile).data)).toEqual(sha256(Buffer.concat(tile)));
  });

  it('goes on beyond 2^32', () => {
    const size = 256 ** 5 + 255;
    const partials = [Buffer.concat(leaves.slice(0, 255)), ...Array.from({ length: 4 }, () => Buffer.alloc(0))];
    const builder = TileBuilder.of(size, [...partials, leaves[0] as Hash]);
    const full = builder.append(leaves[1] as Hash);
    expect(full.map(({ level, number }) => [level, number])).toEqual([[0, 256 ** 4]]);
    expect(builder.partial(1)).toHaveLength(32);
  });

  it('refuses partial tiles that are not those of the size', () => {
    const hash = leaves[0] as Hash;
    expect(codeOf(() => TileBuilder.of(1, []))).toBe('tile.partial');
    expect(codeOf(() => TileBuilder.of(0, [hash]))).toBe('tile.partial');
    expect(codeOf(() => TileBuilder.of(256, [Buffer.alloc(8_192)]))).toBe('tile.partial');
    expect(codeOf(() => TileBuilder.of(256, [Buffer.alloc(8_192), hash]))).toBe('tile.partial');
    expect(codeOf(() => TileBuilder.of(2, [hash]))).toBe('tile.partial');
    expect(codeOf(() => TileBuilder.of(1, [hash.subarray(1)]))).toBe('tile.partial');
    expect(codeOf(() => TileBuilder.of(256, [Buffer.alloc(0), hash]))).toBe('accepted');
    for (const size of [-1, 0.5, 2 ** 53]) expect(codeOf(() => TileBuilder.of(size, []))).toBe('frontier.size');
  });

  it('takes hashes of 32 bytes only, and stays what it was', () => {
    const builder = TileBuilder.empty();
    builder.append(leaves[0] as Hash);
    expect(() => builder.append(Buffer.alloc(31))).toThrow(RangeError);
    builder.append(leaves[1] as Hash);
    expect(builder.partial(0)).toEqual(Buffer.concat(leaves.slice(0, 2)));
    expect(builder.root()).toEqual(mth(leaves.slice(0, 2)));
  });
});
