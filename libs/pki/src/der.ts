/**
 * As much of DER (X.690) as a certificate needs: elements are written from their contents, and read one at a time.
 * Lengths up to 64 KiB; a certificate has one or two.
 */

/** Tags, as the first byte of an element. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: tag, length, contents. */
export function element(tag: number, ...contents: Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  if (length > 0xffff) throw new RangeError(`an element of ${length} bytes`);
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...header]), body]);
}

export const sequence = (...contents: Uint8Array[]): Buffer => element(TAG.sequence, ...contents);
export const set = (...contents: Uint8Array[]): Buffer => element(TAG.set, ...contents);
export const octetString = (bytes: Uint8Array): Buffer => element(TAG.octetString, bytes);
export const utf8String = (text: string): Buffer => element(TAG.utf8String, Buffer.from(text, 'utf8'));
export const TRUE = element(TAG.boolean, Buffer.from([0xff]));

/** A context-specific element: `[number]`; primitive for a string or an address, constructed for what has elements inside. */
export function tagged(number: number, contents: Uint8Array, kind: 'primitive' | 'constructed'): Buffer {
  return element((kind === 'constructed' ? 0xa0 : 0x80) | number, contents);
}

/** A positive integer from its big-endian bytes; the first one below 0x80 and not 0, or a single byte. */
export function integer(bytes: Uint8Array): Buffer {
  const [first = 0x80] = bytes;
  if (first >= 0x80 || (first === 0 && bytes.length > 1))
    throw new RangeError('not a positive integer in its one form');
  return element(TAG.integer, bytes);
}

/** @param unusedBits bits at the end that do not count, 0 to 7 */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return element(TAG.bitString, Buffer.from([unusedBits]), bytes);
}

/** From the dotted form, e.g. `2.5.29.17`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const numbers = [first * 40 + second, ...rest];
  return element(TAG.objectIdentifier, Buffer.from(numbers.flatMap(base128)));
}

/** Seven bits a byte, the most significant first; all but the last have the top bit set. */
function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

/** A time in whole seconds, as RFC 5280 §4.1.2.5 wants it: two digits of the year until 2049, four from then on. */
export function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const isLate = Number(digits.slice(0, 4)) >= 2050;
  return element(isLate ? TAG.generalizedTime : TAG.utcTime, Buffer.from(isLate ? digits : digits.slice(2), 'latin1'));
}

/** Where one element stands in `bytes`: its contents, and the whole of it. */
export interface Place {
  contents: Buffer;
  whole: Buffer;
}

/** The elements that follow one another in `bytes`. @throws RangeError where a length leads outside */
export function elements(bytes: Buffer): Place[] {
  const found: Place[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at;
    const first = bytes.readUInt8(at + 1);
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    at += 2 + lengthBytes + length;
    if (at > bytes.length) throw new RangeError('an element ends outside');
    found.push({ contents: bytes.subarray(at - length, at), whole: bytes.subarray(start, at) });
  }
  return found;
}
