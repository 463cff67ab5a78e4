import { describe, expect, it } from '@jest/globals';
import { countedAddress, RateLimit } from './rate-limit.js';

describe('a rate limit', () => {
  it('lets a burst pass, and then as many as come back', () => {
    let now = 0;
    const limit = new RateLimit(2, 3, () => now);
    expect([1, 2, 3, 4].map(() => limit.take('a'))).toEqual([0, 0, 0, 1]);
    expect(limit.take('b')).toBe(0);
    now = 499;
    expect(limit.take('a')).toBe(1);
    now = 500;
    expect([limit.take('a'), limit.take('a')]).toEqual([0, 1]);
    now = 1_000_000;
    expect([1, 2, 3, 4].map(() => limit.take('a'))).toEqual([0, 0, 0, 1]);
  });

  it('says how long to wait', () => {
    const limit = new RateLimit(0.1, 1, () => 0);
    expect([limit.take('a'), limit.take('a')]).toEqual([0, 10]);
  });

  it('forgets who was not heard of for longest, not who asks all the time', () => {
    const limit = new RateLimit(0.001, 1, () => 0, 2);
    limit.take('busy');
    for (const other of ['x', 'y', 'z']) {
      limit.take(other);
      expect(limit.take('busy')).toBeGreaterThan(0);
    }
    expect(limit.take('x')).toBe(0);
  });

  it('counts a host by its IPv4 address, or by its network of 64 bits', () => {
    expect(countedAddress('::ffff:10.0.0.1')).toBe(countedAddress('10.0.0.1'));
    const [host, neighbour, stranger] = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:3::1'].map(
      countedAddress,
    );
    expect([host === neighbour, host === stranger]).toEqual([true, false]);
    expect(countedAddress('::1')).toBe('0:0:0:0');
    expect(countedAddress('fe80::1%eth0')).toBe('fe80:0:0:0');
  });
});
