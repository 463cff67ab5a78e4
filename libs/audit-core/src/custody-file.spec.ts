import { describe, expect, it } from '@jest/globals';
import { custodyOf, readCustodyFile, type CustodyInput } from '../vectors/make/custody-file.js';
import { expected, outcome, readVectors } from '../vectors/vector-file.js';
import { formatCustodyFile, parseCustodyFile } from './custody-file.js';

const file = readVectors<CustodyInput>('custody-file');

describe('custody files', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readCustodyFile(vector))).toEqual(expected(vector));
  });

  it('have one spelling', () => {
    const text = formatCustodyFile(custodyOf(2));
    expect(formatCustodyFile(parseCustodyFile(Buffer.from(text)))).toBe(text);
  });
});
