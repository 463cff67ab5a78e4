/**
 * Numbers of JSON (RFC 8259 section 6) in raw bytes: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
 *
 * A number beyond the doubles is grammatical, but readers disagree about it: infinity, an error, or a decimal of any
 * size. Loss of precision (2^53 + 1, 1e-400) is no such case: every reader gets a finite number near it, and what is
 * sealed is the producer's digits.
 */
import { DIGIT, LOWER_E, MINUS, PLUS, POINT, ZERO } from './json-bytes.js';
import { CUT_SHORT, ILL_FORMED } from './lexeme.js';

/** The end of the number that starts at `at` (a minus or a digit), or ILL_FORMED, or CUT_SHORT. */
export function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  const whole = bytes[at] === MINUS ? at + 1 : at;
  let i = digitsEnd(bytes, whole, end);
  if (i > whole + 1 && bytes[whole] === ZERO) return ILL_FORMED;
  if (i >= 0 && i < end && bytes[i] === POINT) i = digitsEnd(bytes, i + 1, end);
  if (i >= 0 && i < end && isE(bytes[i]!)) {
    const signed = i + 1 < end && (bytes[i + 1] === PLUS || bytes[i + 1] === MINUS);
    i = digitsEnd(bytes, signed ? i + 2 : i + 1, end);
  }
  return i;
}

/** True when the checked number [start, end) rounds to an infinite double. */
export function overflowsDouble(bytes: Buffer, start: number, end: number): boolean {
  // Ordinary numbers are settled without making a string: 200 digits and a two-digit exponent stay below 1e300.
  let exponent = start;
  while (exponent < end && !isE(bytes[exponent]!)) exponent++;
  if (exponent - start <= 200 && end - exponent <= 3) return false;
  return !Number.isFinite(Number(bytes.toString('latin1', start, end)));
}

/** The end of one or more digits. */
function digitsEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && DIGIT[bytes[i]!] === 1) i++;
  if (i > at) return i;
  return i >= end ? CUT_SHORT : ILL_FORMED;
}

function isE(byte: number): boolean {
  return (byte | 0x20) === LOWER_E;
}
