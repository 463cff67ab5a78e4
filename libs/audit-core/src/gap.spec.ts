import { describe, expect, it } from '@jest/globals';
import { assert, constantFrom, integer, property, record } from 'fast-check';
import { CAST } from '../vectors/cast.js';
import { GAP, readGap, type LogRecordInput } from '../vectors/make/gap.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { formatGapText, GAP_CAUSES, openGap, parseGapText, signGap, type Gap } from './gap.js';
import { formatTimestamp } from './timestamp.js';

const file = readVectors<LogRecordInput>('gap');

describe('gap', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readGap(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('comes back as it was written', () => {
    const gaps = record({
      first: integer({ min: 1, max: 2 ** 31 - 1 }),
      more: integer({ min: 0, max: 2 ** 31 - 1 }),
      cause: constantFrom(...GAP_CAUSES),
      time: integer({ min: 0, max: 2 ** 40 }).map(formatTimestamp),
    });
    assert(
      property(gaps, ({ first, more, cause, time }) => {
        const gap: Gap = { ...GAP, first, last: first + more, cause, time };
        expect(parseGapText(formatGapText(gap))).toEqual(gap);
      }),
    );
  });

  it('is refused with any byte changed', () => {
    const note = Buffer.from(signGap(GAP, CAST.log));
    for (let at = 0; at < note.length; at++) {
      const bit = 1 << (at % 8);
      note[at]! ^= bit;
      expect(outcome(() => openGap(note, [CAST.log.verifier]))).toHaveProperty('code');
      note[at]! ^= bit;
    }
    expect(openGap(note, [CAST.log.verifier])).toEqual(GAP);
  });

  it('is not signed or opened with the key of another log', () => {
    expect(() => signGap(GAP, CAST['test-log'])).toThrow(RangeError);
    const note = signGap(GAP, CAST.log);
    expect(outcome(() => openGap(note, [CAST['test-log'].verifier]))).toEqual({ code: 'note.line-key' });
    expect(outcome(() => openGap(note, []))).toEqual({ code: 'note.line-key' });
  });

  it('is not signed with values that no reader would take', () => {
    expect(outcome(() => signGap({ ...GAP, last: 3 }, CAST.log))).toEqual({ code: 'gap.last' });
    expect(outcome(() => signGap({ ...GAP, time: 'now' }, CAST.log))).toEqual({ code: 'gap.time' });
  });
});
