/**
 * Standard padded base64 (RFC 4648 section 4), canonical only: what comes in must be what encoding the result gives.
 * `Buffer.from(s, 'base64')` alone accepts URL-safe letters, white space, missing padding and stray bits in the last
 * character, so one value would have many spellings; re-encoding proves that there is just one.
 */
import { FormatError } from './format-error.js';
import { quote } from './quote.js';

/** Encodes with padding, without line breaks. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/**
 * Decodes canonical base64; `bytes` is the exact length of the result when the caller knows it, and then the text is
 * measured before it is decoded. Without it the caller bounds the text.
 *
 * Throws FormatError `base64.length` (not the expected number of bytes) or `base64.canonical`.
 */
export function decodeBase64(text: string, bytes?: number): Buffer {
  if (bytes !== undefined && text.length !== Math.ceil(bytes / 3) * 4) {
    throw new FormatError('base64.length', `base64 text ${quote(text)} does not hold exactly ${bytes} bytes`);
  }
  const decoded = Buffer.from(text, 'base64');
  if (decoded.toString('base64') !== text) {
    throw new FormatError('base64.canonical', `${quote(text)} is not canonical standard base64 with padding`);
  }
  if (bytes !== undefined && decoded.length !== bytes) {
    throw new FormatError('base64.length', `base64 text ${quote(text)} does not hold exactly ${bytes} bytes`);
  }
  return decoded;
}
