/** The elements of a certificate in DER (X.690), written from their contents, and read one at a time. */
import { DER_TAG, writeDer } from '@everseal/audit-core';

export const sequence = (...contents: Uint8Array[]): Buffer => writeDer(DER_TAG.sequence, ...contents);
export const set = (...contents: Uint8Array[]): Buffer => writeDer(DER_TAG.set, ...contents);
export const octetString = (bytes: Uint8Array): Buffer => writeDer(DER_TAG.octetString, bytes);
export const utf8String = (text: string): Buffer => writeDer(DER_TAG.utf8String, Buffer.from(text, 'utf8'));
export const TRUE = writeDer(DER_TAG.boolean, Buffer.from([0xff]));

/** A context-specific element: `[number]`; primitive for a string or an address, constructed for what has elements inside. */
export function tagged(number: number, contents: Uint8Array, kind: 'primitive' | 'constructed'): Buffer {
  return writeDer((kind === 'constructed' ? 0xa0 : 0x80) | number, contents);
}

/** A positive integer from its big-endian bytes; the first one below 0x80 and not 0, or a single byte. */
export function integer(bytes: Uint8Array): Buffer {
  const [first = 0x80] = bytes;
  if (first >= 0x80 || (first === 0 && bytes.length > 1))
    throw new RangeError('not a positive integer in its one form');
  return writeDer(DER_TAG.integer, bytes);
}

/** @param unusedBits bits at the end that do not count, 0 to 7 */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return writeDer(DER_TAG.bitString, Buffer.from([unusedBits]), bytes);
}

/** A time in whole seconds, as RFC 5280 §4.1.2.5 wants it: two digits of the year until 2049, four from then on. */
export function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const isLate = Number(digits.slice(0, 4)) >= 2050;
  return writeDer(
    isLate ? DER_TAG.generalizedTime : DER_TAG.utcTime,
    Buffer.from(isLate ? digits : digits.slice(2), 'latin1'),
  );
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
