/**
 * Backslash escapes of JSON strings (RFC 8259 section 7) in raw bytes: `\" \\ \/ \b \f \n \r \t` and `\uXXXX`, a UTF-16
 * unit. Two escaped units that make a surrogate pair are one escape here; a surrogate unit without its partner is
 * grammatical but no character (RFC 8259 section 8.2), which `isLoneSurrogate` tells. Raw bytes never add to a pair: a
 * surrogate has no UTF-8 form.
 */
import { BACKSLASH, LOWER_U } from './json-bytes.js';
import { CUT_SHORT, ILL_FORMED } from './lexeme.js';
import { writeCodePoint } from './utf8-sequence.js';

/** What a letter other than u stands for; 0 where it makes no escape. */
const SHORT = new Uint8Array(256);
for (const [i, letter] of Buffer.from('"\\/bfnrt').entries()) SHORT[letter] = Buffer.from('"\\/\b\f\n\r\t')[i]!;
const HEX = new Int8Array(256).fill(-1);
for (const [i, digit] of Buffer.from('0123456789abcdef').entries()) HEX[digit] = i;
for (const [i, digit] of Buffer.from('ABCDEF').entries()) HEX[digit] = 10 + i;

/** The end of the escape whose backslash is at `at`, or ILL_FORMED, or CUT_SHORT. */
export function escapeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return CUT_SHORT;
  const letter = bytes[at + 1]!;
  if (letter !== LOWER_U) return SHORT[letter] === 0 ? ILL_FORMED : at + 2;
  for (let i = at + 2; i < at + 6; i++) {
    if (i >= end) return CUT_SHORT;
    if (HEX[bytes[i]!]! < 0) return ILL_FORMED;
  }
  return isPair(bytes, at, end) ? at + 12 : at + 6;
}

/** Whether the escape [at, end) that `escapeEnd` found is a surrogate without its partner. */
export function isLoneSurrogate(bytes: Uint8Array, at: number, end: number): boolean {
  return end === at + 6 && isSurrogate(unit(bytes, at));
}

/** Decodes the checked string bytes [from, to) to (generalised) UTF-8 at `out`; returns the position after them. */
export function unescapeTo(target: Uint8Array, out: number, bytes: Uint8Array, from: number, to: number): number {
  let written = out;
  for (let i = from; i < to;) {
    if (bytes[i] !== BACKSLASH) {
      target[written++] = bytes[i++]!;
    } else if (bytes[i + 1] !== LOWER_U) {
      target[written++] = SHORT[bytes[i + 1]!]!;
      i += 2;
    } else {
      const paired = isPair(bytes, i, to);
      const high = unit(bytes, i);
      const point = paired ? 0x10000 + ((high - 0xd800) << 10) + (unit(bytes, i + 6) - 0xdc00) : high;
      written = writeCodePoint(target, written, point);
      i += paired ? 12 : 6;
    }
  }
  return written;
}

/** Whether the checked `\uXXXX` at `at` is a high surrogate and a whole escaped low surrogate follows it. */
function isPair(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 12 > end || bytes[at + 6] !== BACKSLASH || bytes[at + 7] !== LOWER_U) return false;
  for (let i = at + 8; i < at + 12; i++) if (HEX[bytes[i]!]! < 0) return false;
  return unit(bytes, at) >> 10 === 0xd800 >> 10 && unit(bytes, at + 6) >> 10 === 0xdc00 >> 10;
}

function isSurrogate(value: number): boolean {
  return value >> 11 === 0xd800 >> 11;
}

/** The UTF-16 unit of the checked `\uXXXX` at `at`. */
function unit(bytes: Uint8Array, at: number): number {
  const high = (HEX[bytes[at + 2]!]! << 12) | (HEX[bytes[at + 3]!]! << 8);
  return high | (HEX[bytes[at + 4]!]! << 4) | HEX[bytes[at + 5]!]!;
}
