import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeIndexRow, encodeIndexRow, MAX_INDEX_ROW_BYTES, type IndexRow } from './index-row.js';
import { CopyRowParser } from './row-parser.js';

const EMPTY: IndexRow = {
  position: 0,
  accepted: 0n,
  occurred: null,
  identity: null,
  duplicateOf: null,
  producer: 'billing',
  eventId: null,
  source: null,
  type: null,
  subject: null,
  actor: null,
  action: null,
  target: null,
  outcome: null,
};

function encode(row: IndexRow, room = MAX_INDEX_ROW_BYTES): Buffer {
  const buffer = Buffer.alloc(room);
  const end = encodeIndexRow(new DataView(buffer.buffer, buffer.byteOffset, room), 0, 1, row);
  return buffer.subarray(0, end);
}

function decode(bytes: Buffer): IndexRow {
  const parser = new CopyRowParser(1_000);
  const header = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
  const [row] = parser.push(Buffer.concat([header, bytes]));
  return decodeIndexRow(row!);
}

const fits = (text: string): boolean => !text.includes('\0') && Buffer.byteLength(text) <= 256;
const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 256 }).filter(fits));
const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
const position = fc.nat({ max: Number.MAX_SAFE_INTEGER });

const anyRow: fc.Arbitrary<IndexRow> = fc.record({
  position,
  accepted: micros,
  occurred: fc.option(micros),
  identity: fc.option(fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes))),
  duplicateOf: fc.option(position),
  producer: fc.string({ maxLength: 63 }).filter(fits),
  eventId: text,
  source: text,
  type: text,
  subject: text,
  actor: text,
  action: text,
  target: text,
  outcome: text,
});

describe('encodeIndexRow', () => {
  it('is undone by decodeIndexRow', () => {
    fc.assert(fc.property(anyRow, (row) => expect(decode(encode(row))).toEqual(row)));
  });

  it('fits the room it asks for, full texts included', () => {
    const full = 'é'.repeat(128);
    const fullRow = { ...EMPTY, producer: full, eventId: full, source: full, type: full, subject: full };
    const row: IndexRow = {
      ...fullRow,
      occurred: 1n,
      identity: Buffer.alloc(16, 7),
      duplicateOf: 1,
      actor: full,
      action: full,
      target: full,
      outcome: full,
    };
    expect(encode(row).length).toBeLessThanOrEqual(MAX_INDEX_ROW_BYTES);
    expect(decode(encode(row))).toEqual({ ...row, identity: Buffer.alloc(8, 7) });
  });

  it('refuses a text that is too long, also in the last column and at the end of the buffer', () => {
    for (const long of ['a'.repeat(257), 'é'.repeat(129), '\u{1F512}'.repeat(65), `${'a'.repeat(255)}é`]) {
      expect(() => encode({ ...EMPTY, outcome: long })).toThrow(RangeError);
      expect(() => encode({ ...EMPTY, producer: long })).toThrow(RangeError);
    }
  });

  it('refuses U+0000, which Postgres would refuse in the middle of a batch', () => {
    for (const subject of ['\0', 'a\0', 'é\0']) expect(() => encode({ ...EMPTY, subject })).toThrow(RangeError);
  });

  it('refuses positions and identities that are none', () => {
    for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(() => encode({ ...EMPTY, position: wrong })).toThrow(RangeError);
      expect(() => encode({ ...EMPTY, duplicateOf: wrong })).toThrow(RangeError);
    }
    expect(() => encode({ ...EMPTY, identity: Buffer.alloc(7) })).toThrow(RangeError);
  });
});
