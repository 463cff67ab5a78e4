/**
 * Numbers in signed text: ASCII decimal, no sign, no leading zero (`0` itself is fine), below 2^53 so that a JavaScript
 * number holds every one of them exactly (formats.md, "Names, numbers, times").
 */
import { FormatError } from './format-error.js';
import { quote } from './quote.js';

const DIGITS = /^(?:0|[1-9][0-9]*)$/;

/** True for a number that the formats can carry: an integer, 0 ≤ n < 2^53. */
export function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

/** Throws RangeError (a bug of the caller, not a bad input) unless 0 ≤ n < 2^53 and n is an integer. */
export function formatDecimal(n: number): string {
  if (!isCount(n)) throw new RangeError(`${n} is not an integer of 0 to 2^53 - 1`);
  return String(n);
}

/** Throws FormatError `decimal.syntax` or `decimal.range`. */
export function parseDecimal(text: string): number {
  if (!DIGITS.test(text)) {
    throw new FormatError('decimal.syntax', `${quote(text)} is not a decimal number without sign and leading zeros`);
  }
  const n = Number(text);
  if (!isCount(n)) {
    throw new FormatError('decimal.range', `${quote(text)} is not below 2^53`);
  }
  return n;
}
