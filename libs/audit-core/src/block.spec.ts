import { describe, expect, it } from '@jest/globals';
import { assert, integer, property, record, uint8Array } from 'fast-check';
import { CAST, ORIGIN } from '../vectors/cast.js';
import { BLOCK, readBlock } from '../vectors/make/block.js';
import type { LogRecordInput } from '../vectors/make/gap.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { formatBlockText, openBlock, parseBlockText, signBlock, type Block } from './block.js';
import { formatTimestamp } from './timestamp.js';

const file = readVectors<LogRecordInput>('block');

describe('block', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readBlock(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('comes back as it was written', () => {
    const hash = uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
    const blocks = record({
      height: integer({ min: 1, max: 2 ** 31 - 1 }),
      previous: hash,
      first: integer({ min: 2, max: 2 ** 31 - 1 }).map((n) => n * 2 ** 20),
      entries: integer({ min: 0, max: 16_384 }),
      root: hash,
      sealed: integer({ min: 0, max: 2 ** 40 }).map(formatTimestamp),
    });
    assert(
      property(blocks, (values) => {
        const block: Block = { origin: ORIGIN, ...values };
        expect(parseBlockText(formatBlockText(block))).toEqual(block);
      }),
    );
  });

  it('is refused with any byte changed', () => {
    const note = Buffer.from(signBlock(BLOCK, CAST.log));
    for (let at = 0; at < note.length; at++) {
      const bit = 1 << (at % 8);
      note[at]! ^= bit;
      expect(outcome(() => openBlock(note, [CAST.log.verifier]))).toHaveProperty('code');
      note[at]! ^= bit;
    }
    expect(openBlock(note, [CAST.log.verifier])).toEqual(BLOCK);
  });

  it('is not signed or opened with the key of another log', () => {
    expect(() => signBlock(BLOCK, CAST['test-log'])).toThrow(RangeError);
    const note = signBlock(BLOCK, CAST.log);
    expect(outcome(() => openBlock(note, [CAST['test-log'].verifier]))).toEqual({ code: 'note.line-key' });
    expect(outcome(() => openBlock(note, []))).toEqual({ code: 'note.line-key' });
  });

  it('is not signed with values that no reader would take', () => {
    expect(outcome(() => signBlock({ ...BLOCK, entries: 16_385 }, CAST.log))).toEqual({ code: 'block.entries' });
    expect(outcome(() => signBlock({ ...BLOCK, root: Buffer.alloc(31) }, CAST.log))).toEqual({ code: 'block.root' });
    expect(() => signBlock({ ...BLOCK, height: -1 }, CAST.log)).toThrow(RangeError);
  });
});
