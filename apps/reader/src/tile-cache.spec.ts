import { describe, expect, it } from '@jest/globals';
import { TileCache } from './tile-cache.js';

const TILE = 8_192;
const tile = (fill: number): Buffer => Buffer.alloc(TILE, fill);

describe('a cache of full tiles', () => {
  it('keeps as many as fit, and takes the place of one that nobody asked for', () => {
    const cache = new TileCache(3 * TILE + 100);
    for (const n of [0, 1, 2]) cache.put(`t${n}`, tile(n));
    expect([cache.get('t0'), cache.get('t2')]).toEqual([tile(0), tile(2)]);
    cache.put('t3', tile(3));
    expect(['t0', 't1', 't2', 't3'].map((key) => cache.get(key)?.[0])).toEqual([0, undefined, 2, 3]);
    // All were asked for: the hand goes round once, and the first place after the last one is taken.
    cache.put('t4', tile(4));
    expect(['t0', 't2', 't3', 't4'].map((key) => cache.get(key)?.[0])).toEqual([0, undefined, 3, 4]);
  });

  it('gives copies: a tile that was given out stays as it was when its place is taken', () => {
    const cache = new TileCache(TILE);
    const put = tile(1);
    cache.put('t1', put);
    put.fill(9);
    const given = cache.get('t1')!;
    cache.put('t2', tile(2));
    expect([given, cache.get('t1'), cache.get('t2')]).toEqual([tile(1), undefined, tile(2)]);
    given.fill(9);
    cache.get('t2')!.fill(9);
    expect(cache.get('t2')).toEqual(tile(2));
  });

  it('takes the newer bytes of a tile that it has, in the same place', () => {
    const cache = new TileCache(2 * TILE);
    cache.put('t0', tile(0));
    cache.put('t1', tile(1));
    cache.put('t0', tile(7));
    expect([cache.get('t0'), cache.get('t1')]).toEqual([tile(7), tile(1)]);
  });

  it('has a place for one tile at least, and none for what is no full tile', () => {
    const cache = new TileCache(1);
    cache.put('t0', tile(0));
    cache.put('short', tile(1).subarray(1));
    cache.put('long', Buffer.concat([tile(1), tile(1)]));
    expect(['t0', 'short', 'long'].map((key) => cache.get(key)?.length)).toEqual([TILE, undefined, undefined]);
  });
});
