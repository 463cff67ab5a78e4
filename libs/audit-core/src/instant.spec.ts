import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseInstant } from './instant.js';

describe('parseInstant', () => {
  it.each<[string, bigint]>([
    ['1970-01-01T00:00:00Z', 0n],
    ['2000-01-01T00:00:00Z', 946_684_800_000_000n],
    ['2026-11-23T10:15:30.123456Z', 1_795_428_930_123_456n],
    ['2026-11-23t10:15:30.123456z', 1_795_428_930_123_456n],
    ['2026-11-23T11:15:30.123456+01:00', 1_795_428_930_123_456n],
    ['2026-11-22T10:16:30.123456-23:59', 1_795_428_930_123_456n],
    ['2026-11-23T10:15:30-00:00', 1_795_428_930_000_000n],
    ['2026-11-23T10:15:30.1Z', 1_795_428_930_100_000n],
    // Cut, not rounded.
    ['2026-11-23T10:15:30.9999999999Z', 1_795_428_930_999_999n],
    ['1969-12-31T23:59:59.999999Z', -1n],
    ['1969-12-31T23:59:59.9999999Z', -1n],
    ['2024-02-29T00:00:00Z', 1_709_164_800_000_000n],
    ['2000-02-29T00:00:00Z', 951_782_400_000_000n],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000_000n],
    ['0000-12-31T23:30:00-01:00', -62_135_595_000_000_000n],
    ['9999-12-31T23:59:59.999999Z', 253_402_300_799_999_999n],
    ['0099-03-01T00:00:00Z', -59_037_897_600_000_000n],
  ])('reads %s', (text, micros) => {
    expect(parseInstant(text)).toBe(micros);
  });

  it.each([
    ['', 'empty'],
    ['2026-11-23', 'a date alone'],
    ['2026-11-23T10:15:30', 'no offset'],
    ['2026-11-23 10:15:30Z', 'a space for the T'],
    ['2026-11-23T10:15Z', 'no seconds'],
    ['2026-11-23T10:15:30.Z', 'a point without decimals'],
    ['2026-11-23T10:15:30,5Z', 'a comma'],
    ['2026-11-23T10:15:30+0100', 'an offset without colon'],
    ['2026-11-23T10:15:30+24:00', 'an offset of a day'],
    ['2026-11-23T10:15:30+01:60', 'an offset of 60 minutes'],
    ['2026-11-23T10:15:30Z ', 'a space behind'],
    ['2026-11-23T10:15:30Z\n', 'a line feed behind'],
    [' 2026-11-23T10:15:30Z', 'a space before'],
    ['2026-11-23T10:15:30\u2212'.concat('01:00'), 'a minus sign that is none of ASCII'],
    ['\uff12026-11-23T10:15:30Z', 'a fullwidth digit'],
    ['2026-00-10T00:00:00Z', 'month 0'],
    ['2026-13-01T00:00:00Z', 'month 13'],
    ['2026-01-00T00:00:00Z', 'day 0'],
    ['2026-04-31T00:00:00Z', 'a 31st that is none'],
    ['2026-02-29T00:00:00Z', 'no leap year'],
    ['1900-02-29T00:00:00Z', 'a century'],
    ['2026-11-23T24:00:00Z', 'hour 24'],
    ['2026-11-23T10:60:00Z', 'minute 60'],
    ['2016-12-31T23:59:60Z', 'a leap second'],
    ['0000-12-31T23:59:59Z', 'year 0'],
    ['0001-01-01T00:00:00+00:01', 'before year 1 in UTC'],
    ['9999-12-31T23:59:59-00:01', 'after year 9999 in UTC'],
    ['10000-01-01T00:00:00Z', 'five digits'],
    ['+275760-09-13T00:00:00Z', 'the last day of JavaScript'],
    ['9999999', 'a number'],
  ])('does not read %j: %s', (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  it('agrees with Date on every time that both write, at any offset', () => {
    const ms = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
    fc.assert(
      fc.property(ms, fc.integer({ min: -1439, max: 1439 }), (at, offset) => {
        const local = at + offset * 60_000;
        fc.pre(local >= -62_135_596_800_000 && local <= 253_402_300_799_999);
        const zone = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60].map((n) => String(n).padStart(2, '0'));
        const text = new Date(local).toISOString().replace('Z', `${offset < 0 ? '-' : '+'}${zone.join(':')}`);
        expect(parseInstant(text)).toBe(BigInt(at) * 1000n);
      }),
    );
  });
});
