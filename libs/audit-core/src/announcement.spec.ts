import { describe, expect, it } from '@jest/globals';
import { assert, integer, property } from 'fast-check';
import { CAST, ORIGIN } from '../vectors/cast.js';
import { readAnnouncement, type AnnouncementInput } from '../vectors/make/announcement.js';
import { GENESIS, NEXT } from '../vectors/make/key-set.js';
import { expected, outcome, readVectors, type Case } from '../vectors/vector-file.js';
import {
  announcementTrust,
  formatAnnouncement,
  isSealed,
  parseAnnouncement,
  verifyAnnouncement,
  type Announcement,
  type VerifiedAnnouncement,
} from './announcement.js';

const file = readVectors<AnnouncementInput>('announcement');
const given = file.given as Record<string, string>;

function validCase(name: string): Buffer {
  const found = file.cases.find((vector) => vector.name === name) as Case<AnnouncementInput>;
  return Buffer.from(found.announcement as string);
}

describe('announcement', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readAnnouncement(vector, given))).toEqual(expected(vector));
  });

  it('comes back as it was written', () => {
    const bytes = validCase('for an ingester that has its frame');
    expect(formatAnnouncement(parseAnnouncement(bytes)).equals(bytes)).toBe(true);
  });

  it('is not written in a form that no reader takes', () => {
    const read = parseAnnouncement(validCase('for an ingester that has its frame'));
    const [head] = read.heads as [Announcement['heads'][number]];
    const write = (changed: Partial<Announcement>) => outcome(() => formatAnnouncement({ ...read, ...changed }));
    expect(write({ heads: [head, head] })).toEqual({ code: 'announcement.heads' });
    expect(write({ heads: [{ ...head, debts: [[1, 1]] }] })).toEqual({ code: 'announcement.heads-debts' });
    expect(write({ heads: [{ ...head, index: NaN }] })).toEqual({ code: 'announcement.json' });
  });

  it('never yields another checkpoint, key set or proven frame with any byte changed', () => {
    const vector = file.cases.find(
      ({ name }) => name === 'for an ingester that has its frame',
    ) as Case<AnnouncementInput>;
    const bytes = validCase(vector.name);
    const trusted = (value: unknown): unknown => {
      const { checkpoint, keysHash, keysIndex, heads } = value as VerifiedAnnouncement;
      return {
        checkpoint,
        keysHash,
        keysIndex,
        proven: heads.filter(({ proven }) => proven).map(({ index }) => index),
      };
    };
    const good = trusted((vector as { value?: unknown }).value) as { proven: number[] };
    assert(
      property(integer({ min: 0, max: bytes.length - 1 }), integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= mask;
        const read = outcome(() =>
          readAnnouncement({ ...vector, announcement: [{ hex: changed.toString('hex') }] }, given),
        );
        if ('code' in read) return;
        // What is not signed can change: another head's number, debts, an ingester's name. Then nothing is proven by it.
        const now = trusted(read.value) as { proven: number[] };
        expect({ ...now, proven: [] }).toEqual({ ...good, proven: [] });
        expect(good.proven).toEqual(expect.arrayContaining(now.proven));
      }),
      { numRuns: 300 },
    );
  });

  it('trusts the keys of the set it is given, for that ledger', () => {
    expect(announcementTrust(GENESIS)).toEqual({
      origin: ORIGIN,
      logKeys: [CAST.log.verifier],
      verifiers: [CAST.v1.verifier],
    });
  });

  it('leads a reader from one key set to the next', () => {
    const bytes = validCase('after the log key changed');
    const read = verifyAnnouncement(bytes, announcementTrust(GENESIS), () => null);
    expect(read.keys.log.vkey).toBe(NEXT.log.vkey);
    const again = verifyAnnouncement(bytes, announcementTrust(read.keys), () => null);
    expect(again.cosignatures).toHaveLength(2);
  });
});

describe('isSealed', () => {
  const head = { ingester: 'a', number: 9, index: 5, proof: [], debts: [[2, 4], [6, 6]] as const }; // prettier-ignore

  it('is true for frames up to a proven head and outside its debts', () => {
    const sealed = Array.from({ length: 11 }, (_, i) => i).filter((number) =>
      isSealed({ ...head, proven: true }, number),
    );
    expect(sealed).toEqual([0, 1, 5, 7, 8, 9]);
  });

  it('is never true for a head that is not proven', () => {
    expect(isSealed({ ...head, proven: false }, 1)).toBe(false);
  });
});
