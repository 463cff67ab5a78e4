import { describe, expect, it } from '@jest/globals';
import { DER_TAG, writeDer } from '@everseal/audit-core';
import { Malformed } from './byte-reader.js';
import { expiryStage } from './expiry.js';
import { listUpdatesIn } from './revocation-list.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const END = Date.UTC(2030, 0, 1);

/** @param days of the whole life */
const stage = (days: number, left: number, isAuthority = false): string | null =>
  expiryStage({ notBefore: END - days * DAY, notAfter: END, isAuthority }, END - left);

describe('how near the end is', () => {
  it.each<[string, number, number, boolean, string | null]>([
    ['seven days, a third left', 7, (7 * DAY) / 3 - 1, false, null],
    ['seven days, just a quarter left', 7, (7 * DAY) / 4, false, null],
    ['seven days, less than a quarter', 7, (7 * DAY) / 4 - 1, false, 'less than a quarter of its lifetime is left'],
    ['seven days, less than a sixth', 7, (7 * DAY) / 6 - 1, false, 'less than a sixth of its lifetime is left'],
    ['one day', 1, 5 * HOUR, false, 'less than a quarter of its lifetime is left'],
    ['a year, 30 days left', 365, 30 * DAY, false, null],
    ['a year, less than 30', 365, 30 * DAY - 1, false, 'less than 30 days are left'],
    ['a year, less than 14', 365, 14 * DAY - 1, false, 'less than 14 days are left'],
    ['a year, less than 7', 365, 7 * DAY - 1, false, 'less than 7 days are left'],
    ['a year, less than one', 365, DAY - 1, false, 'less than a day is left'],
    ['a root of ten years, 180 days left', 3_650, 180 * DAY, true, null],
    ['a root of ten years, less', 3_650, 180 * DAY - 1, true, 'less than 180 days are left'],
    ['a root of ten years, less than 30', 3_650, 30 * DAY - 1, true, 'less than 30 days are left'],
    ['an intermediate of a year', 365, 40 * DAY, true, 'less than a sixth of its lifetime is left'],
    ['nothing left', 7, 0, false, 'lapsed'],
    ['long over', 7, -DAY, true, 'lapsed'],
  ])('%s', (_, days, left, isAuthority, said) => {
    expect(stage(days, left, isAuthority)).toBe(said);
  });
});

describe('a revocation list', () => {
  const list = (...times: Buffer[]): Buffer => {
    const empty = writeDer(DER_TAG.sequence);
    return writeDer(
      DER_TAG.sequence,
      writeDer(DER_TAG.sequence, writeDer(DER_TAG.integer, Buffer.from([1])), empty, empty, ...times),
    );
  };
  const time = (text: string): Buffer => writeDer(DER_TAG.utcTime, Buffer.from(text));

  const pem = (der: Buffer): string => `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`;
  const week = list(time('261129000000Z'), time('261206000000Z'));
  const forEver = list(time('261130000000Z'));

  it('says when it was made and when there will be a newer one, each of a file', () => {
    const ofWeek = { thisUpdate: Date.UTC(2026, 10, 29), nextUpdate: Date.UTC(2026, 11, 6) };
    const ofNoEnd = { thisUpdate: Date.UTC(2026, 10, 30), nextUpdate: null };
    expect(listUpdatesIn(week)).toEqual([ofWeek]);
    expect(listUpdatesIn(forEver)).toEqual([ofNoEnd]);
    expect(listUpdatesIn(Buffer.from(`the root's\n${pem(week)}an intermediate's\n${pem(forEver)}`))).toEqual([
      ofWeek,
      ofNoEnd,
    ]);
  });

  it('that is none is refused', () => {
    const half = Buffer.from(pem(week) + pem(list()));
    for (const bytes of [Buffer.from('hello'), Buffer.alloc(0), list(), writeDer(DER_TAG.sequence), half]) {
      expect(() => listUpdatesIn(bytes)).toThrow(Malformed);
    }
  });
});
