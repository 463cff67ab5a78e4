/** The bytes that mean something in JSON (RFC 8259 section 2), and the classes a scanner tells them apart by. */

export const QUOTE = 0x22;
export const PLUS = 0x2b;
export const COMMA = 0x2c;
export const MINUS = 0x2d;
export const POINT = 0x2e;
export const ZERO = 0x30;
export const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_ARRAY = 0x5d;
export const LOWER_E = 0x65;
export const LOWER_U = 0x75;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const DELETE = 0x7f;

/** String bytes that need no second look: printable ASCII but `"` and `\`. */
export const PLAIN = table((byte) => byte >= 0x20 && byte < DELETE && byte !== QUOTE && byte !== BACKSLASH);
export const DIGIT = table((byte) => byte >= ZERO && byte <= 0x39);
const SPACE = table((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);

/** The position of the first byte in [at, end) that is no JSON white space, or end. */
export function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && SPACE[bytes[i]!] === 1) i++;
  return i;
}

/** The position after the last byte in [start, at) that is no JSON white space, or start. */
export function skipSpaceBack(bytes: Uint8Array, start: number, at: number): number {
  let i = at;
  while (i > start && SPACE[bytes[i - 1]!] === 1) i--;
  return i;
}

function table(holds: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => Number(holds(byte)));
}
