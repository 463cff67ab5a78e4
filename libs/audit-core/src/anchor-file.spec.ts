import { describe, expect, it } from '@jest/globals';
import { readAnchorLine, type AnchorFileInput } from '../vectors/make/anchor-file.js';
import { expected, outcome, readVectors } from '../vectors/vector-file.js';
import { anchorDue, isAnchorOverdue } from './anchor-schedule.js';

describe('a line of an anchor file', () => {
  it.each(readVectors<AnchorFileInput>('anchor-file').cases.map((vector) => [vector.name, vector] as const))(
    'is as the vectors say: %s',
    (_name, vector) => {
      expect(outcome(() => readAnchorLine(vector))).toEqual(expected(vector));
    },
  );
});

describe('when anchors are due', () => {
  it('is the end of the period in which the checkpoint was sealed, which belongs to the next', () => {
    expect([0, 1, 999, 1_000, 1_001, 1_999].map((sealed) => anchorDue(sealed, 1_000))).toEqual([
      1_000, 1_000, 1_000, 2_000, 2_000, 2_000,
    ]);
  });

  it('is overdue two periods later', () => {
    expect([0, 1_999, 2_000, 9_000].map((late) => isAnchorOverdue(5_000, 1_000, 5_000 + late))).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });
});
