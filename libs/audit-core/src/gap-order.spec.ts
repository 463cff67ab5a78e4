import { describe, expect, it } from '@jest/globals';
import { DOMAIN, KEYS, ORIGIN, testKey } from './log.fixture.js';
import { formatGapOrderText, openGapOrder, parseGapOrderText, signGapOrder, type GapOrder } from './gap-order.js';
import { operatorKeyName } from './names.js';
import { outcome } from '../vectors/vector-file.js';

const ORDER: GapOrder = { origin: ORIGIN, ingester: 'a', first: 4, last: 6, time: '2026-01-01T00:00:00.000Z' };
const OPERATORS = [KEYS.operator.verifier];

describe('gap order', () => {
  it('is opened with the key of an operator, and says what was signed', () => {
    expect(openGapOrder(signGapOrder(ORDER, KEYS.operator), OPERATORS, ORIGIN)).toEqual(ORDER);
    expect(formatGapOrderText(ORDER)).toBe(`everseal/gap-order/v1\n${ORIGIN}\na\n4\n6\n2026-01-01T00:00:00.000Z\n`);
  });

  it('is refused with any byte changed', () => {
    const note = Buffer.from(signGapOrder(ORDER, KEYS.operator));
    for (let at = 0; at < note.length; at++) {
      const bit = 1 << (at % 8);
      note[at]! ^= bit;
      expect(outcome(() => openGapOrder(note, OPERATORS, ORIGIN))).toHaveProperty('code');
      note[at]! ^= bit;
    }
  });

  it('is refused from anybody else, and for another ledger', () => {
    const other = testKey(operatorKeyName(DOMAIN, 'other'));
    const note = signGapOrder(ORDER, other);
    expect(outcome(() => openGapOrder(note, OPERATORS, ORIGIN))).toEqual({ code: 'note.line-key' });
    expect(outcome(() => openGapOrder(note, [], ORIGIN))).toEqual({ code: 'note.line-key' });
    const [good] = [signGapOrder(ORDER, KEYS.operator)];
    expect(outcome(() => openGapOrder(good, OPERATORS, `${DOMAIN}/other`))).toEqual({ code: 'gap-order.ledger' });
    expect(() => signGapOrder(ORDER, KEYS.log)).toThrow(RangeError);
  });

  it.each([
    ['kind', 'everseal/gap/v1\naudit.example.com/main\na\n4\n6\n2026-01-01T00:00:00.000Z\n'],
    ['first', formatGapOrderText({ ...ORDER, first: 0 })],
    ['last', formatGapOrderText({ ...ORDER, last: 3 })],
    ['last', formatGapOrderText({ ...ORDER, last: Number.MAX_SAFE_INTEGER })],
    ['time', formatGapOrderText({ ...ORDER, time: 'now' })],
    ['ingester', formatGapOrderText({ ...ORDER, ingester: 'A' })],
    ['first', formatGapOrderText(ORDER).replace('\n4\n', '\n04\n')],
  ])('is not read with a wrong %s', (field, text) => {
    expect(outcome(() => parseGapOrderText(text))).toEqual({ code: `gap-order.${field}` });
  });
});
