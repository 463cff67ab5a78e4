import { describe, expect, it } from '@jest/globals';
import { OwnScans } from './own-scans.js';

const HERE = '10.0.0.7';

describe('the account of own scans', () => {
  it('has one saying of a kind for each connection, and no more', () => {
    const scans = new OwnScans();
    for (let i = 0; i < 3; i++) scans.opened(HERE, 1_000);
    const refused = Array.from({ length: 5 }, () => scans.isOwn('refuse', HERE, 1_500));
    expect(refused).toEqual([true, true, true, false, false]);
    expect(scans.isOwn('disconnect', HERE, 1_500)).toBe(true);
  });

  it('has none for another address, before a scan, or long after it', () => {
    const scans = new OwnScans();
    expect(scans.isOwn('refuse', HERE, 0)).toBe(false);
    scans.opened(HERE, 1_000);
    expect(scans.isOwn('refuse', '10.0.0.8', 1_000)).toBe(false);
    expect(scans.isOwn('refuse', HERE, 61_001)).toBe(false);
  });

  it('is bounded', () => {
    const scans = new OwnScans();
    for (let i = 0; i < 2_000; i++) scans.opened(HERE, 0);
    const own = Array.from({ length: 2_000 }, () => scans.isOwn('refuse', HERE, 0));
    expect(own.filter(Boolean)).toHaveLength(1_024);
  });
});
