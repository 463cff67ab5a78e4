import { describe, expect, it } from '@jest/globals';
import { assert, constantFrom, nat, option, property, string } from 'fast-check';
import type { AnswerInput } from '../vectors/make/refusal.js';
import { bytesOf, expected, outcome, readVectors } from '../vectors/vector-file.js';
import { formatRefusal, httpStatusOf, isRetryable, parseAnswer, REFUSALS, type RefusalCode } from './refusal.js';

const { cases } = readVectors<AnswerInput>('refusal');
const BODY = Buffer.from('[]');
const CODES = Object.keys(REFUSALS) as RefusalCode[];

describe('answer to a submit request', () => {
  it.each(cases)('vector: $name', (vector) => {
    expect(outcome(() => parseAnswer(bytesOf(vector.answer), bytesOf(vector.request)))).toEqual(expected(vector));
  });

  it('comes back as it was written, whatever the message says', () => {
    const positions = option(nat(511));
    assert(
      property(
        constantFrom(...CODES),
        string({ unit: 'grapheme' }),
        positions,
        nat(),
        (code, message, position, ms) => {
          const refusal = { code, message, position, retryAfterMs: isRetryable(code) ? ms : null };
          expect(parseAnswer(formatRefusal(refusal, BODY), BODY)).toEqual({ refusal });
        },
      ),
    );
  });

  it('has one HTTP status a code, and one code that can be retried', () => {
    expect(CODES.map((code) => [code, httpStatusOf(code), isRetryable(code)])).toEqual([
      ['request.too-large', 413, false],
      ['request.malformed', 400, false],
      ['event.invalid', 422, false],
      ['event.forbidden', 403, false],
      ['event.conflict', 409, false],
      ['unavailable', 503, true],
    ]);
  });
});
