import { describe, expect, it } from '@jest/globals';
import { ByteCache } from './byte-cache.js';

const cacheOf = (most: number): ByteCache<string> => new ByteCache<string>(most, ({ length }) => length);

describe('a cache of bytes', () => {
  it('stays below its bound, and drops what was used longest ago', () => {
    const cache = cacheOf(80);
    for (let i = 0; i < 8; i++) cache.put(`k${i}`, `value-${i}xx`);
    cache.peek('k0');
    cache.put('k8', 'value-8xx');
    expect([cache.bytes <= 80, cache.peek('k0'), cache.peek('k1')]).toEqual([true, 'value-0xx', undefined]);
    cache.put('k0', 'x');
    expect(cache.bytes).toBe(7 * 9 + 1);
  });

  it('does not keep what would push out all else', () => {
    const cache = cacheOf(80);
    cache.put('small', 'x');
    cache.put('large', 'x'.repeat(11));
    expect([cache.peek('small'), cache.peek('large')]).toEqual(['x', undefined]);
  });

  it('reads once for all who wait, and again after a failure', async () => {
    const cache = cacheOf(80);
    let reads = 0;
    const load = async (): Promise<string> => {
      reads++;
      await Promise.resolve();
      if (reads === 1) throw new Error('not now');
      return 'read';
    };
    const first = await Promise.allSettled([cache.get('k', load), cache.get('k', load)]);
    expect([first.map(({ status }) => status), reads]).toEqual([['rejected', 'rejected'], 1]);
    expect([
      await Promise.all([cache.get('k', load), cache.get('k', load)]),
      await cache.get('k', load),
      reads,
    ]).toEqual([['read', 'read'], 'read', 2]);
  });
});
