/**
 * One multi-byte UTF-8 sequence in raw bytes, as strict as RFC 3629 section 4 and Unicode's table 3-7: no overlong form,
 * no surrogate code point, nothing above U+10FFFF. A lenient decoder turns such bytes into U+FFFD, so that two different
 * byte strings become one text; here they are refused before anything is decoded.
 */

import { CUT_SHORT, ILL_FORMED } from './lexeme.js';

const LEAD_MARKS = [0, 0xc0, 0xe0, 0xf0] as const;

/** The end of the multi-byte sequence that starts at `at` (a byte ≥ 0x80), or ILL_FORMED, or CUT_SHORT. */
export function multibyteEnd(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0xc2 || lead > 0xf4) return ILL_FORMED;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + 1 >= end) return CUT_SHORT;
  // The second byte alone decides overlongs (E0, F0), surrogates (ED) and the upper bound (F4).
  const second = bytes[at + 1]!;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return ILL_FORMED;
  for (let i = at + 2; i < at + length; i++) {
    if (i >= end) return CUT_SHORT;
    if ((bytes[i]! & 0xc0) !== 0x80) return ILL_FORMED;
  }
  return at + length;
}

/**
 * Writes one code point as UTF-8 and returns the position after it. A lone surrogate is written as the three bytes it
 * would have (generalised UTF-8), so that different UTF-16 strings never become the same bytes.
 */
export function writeCodePoint(target: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    target[at] = point;
    return at + 1;
  }
  const trailing = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  target[at] = LEAD_MARKS[trailing] | (point >> (6 * trailing));
  for (let i = 1; i <= trailing; i++) target[at + i] = 0x80 | ((point >> (6 * (trailing - i))) & 0x3f);
  return at + trailing + 1;
}
