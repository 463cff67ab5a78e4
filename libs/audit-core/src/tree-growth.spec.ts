import { describe, expect, it } from '@jest/globals';
import { CompactRange } from './compact-range.js';
import { leafHash } from './hash.js';
import { TileBuilder } from './tile-builder.js';
import { TreeGrowth, type TileRoot } from './tree-growth.js';

const leaves = Array.from({ length: 66_000 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));

describe('a growing tree', () => {
  it('names the root of every tile that fills, of every level, however it is cut into steps', () => {
    for (const step of [1, 255, 256, 257, 8_193]) {
      const builder = TileBuilder.empty();
      let range = CompactRange.empty();
      for (let from = 0; from < leaves.length; from += step) {
        const growth = new TreeGrowth(range);
        const filled: TileRoot[] = [];
        for (const leaf of leaves.slice(from, from + step)) {
          growth.append(leaf);
          for (const { level, number, root } of builder.append(leaf)) filled.push({ level, number, root });
        }
        expect(growth.tileRoots).toEqual(filled);
        range = growth.range;
      }
      expect(range.root()).toEqual(builder.root());
    }
  });

  it('leaves the tree that it started from as it is', () => {
    const before = CompactRange.empty();
    before.append(leaves[0]!);
    const root = before.root();
    new TreeGrowth(before).append(leaves[1]!);
    expect([before.size, before.root()]).toEqual([1, root]);
  });
});
