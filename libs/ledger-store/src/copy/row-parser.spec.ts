import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CopyRowParser, readInt8, type CopyRow } from './row-parser.js';

/** What the server sends for these rows. */
function copyBytes(rows: CopyRow[], extension = Buffer.alloc(0)): Buffer {
  const parts = [Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(4), int32(extension.length), extension];
  for (const row of rows) {
    parts.push(int16(row.length));
    for (const field of row) parts.push(int32(field?.length ?? -1), field ?? Buffer.alloc(0));
  }
  return Buffer.concat([...parts, int16(-1)]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function parse(chunks: Buffer[], most = 1_000): CopyRow[] {
  const parser = new CopyRowParser(most);
  // Fields are views of chunks, valid until the next one: copy, as callers do.
  const rows = chunks.flatMap((chunk) =>
    parser.push(chunk).map((row) => row.map((field) => field && Buffer.from(field))),
  );
  parser.end();
  return rows;
}

const fieldBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const anyRows = fc.array(fc.array(fc.option(fieldBytes), { maxLength: 5 }), { maxLength: 8 });

describe('CopyRowParser', () => {
  it('gives the same rows however the bytes are cut', () => {
    fc.assert(
      fc.property(anyRows, fc.array(fc.nat({ max: 400 }), { maxLength: 20 }), (rows, cuts) => {
        const bytes = copyBytes(rows);
        const ends = [...new Set([...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b);
        expect(parse(ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)))).toEqual(rows);
      }),
    );
  });

  it('reads one byte at a time', () => {
    const rows = [[Buffer.from('ab'), null, Buffer.alloc(0)], [Buffer.from('c')]];
    const bytes = copyBytes(rows, Buffer.from('extension'));
    expect(parse(Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(rows);
  });

  it('takes no memory for a field that is too long', () => {
    const parser = new CopyRowParser(100);
    const bytes = copyBytes([[Buffer.alloc(101)]]);
    expect(() => parser.push(bytes.subarray(0, 25))).toThrow(
      expect.objectContaining({ code: 'store.unexpected-value' }),
    );
  });

  it('refuses what is not binary COPY, and a COPY that ends early', () => {
    const bytes = copyBytes([[Buffer.from('a')]]);
    const text = Buffer.from('1\tthis is text COPY\n');
    const oids = Buffer.from(bytes);
    oids[12] = 1;
    for (const wrong of [text, oids]) {
      expect(() => parse([wrong])).toThrow(expect.objectContaining({ code: 'store.unexpected-value' }));
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parse([bytes.subarray(0, length)])).toThrow(
        expect.objectContaining({ code: 'store.unexpected-value' }),
      );
    }
  });
});

describe('readInt8', () => {
  it('reads integers up to 2^53 − 1 and refuses the rest', () => {
    const field = Buffer.alloc(8);
    for (const value of [0n, 1n, -1n, 2n ** 32n, 2n ** 53n - 1n, 1n - 2n ** 53n]) {
      field.writeBigInt64BE(value);
      expect(readInt8(field)).toBe(Number(value));
    }
    for (const value of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      field.writeBigInt64BE(value);
      expect(() => readInt8(field)).toThrow(expect.objectContaining({ code: 'store.unsafe-integer' }));
    }
  });
});
