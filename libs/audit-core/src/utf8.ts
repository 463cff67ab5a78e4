/**
 * Strict UTF-8. Decoding replaces what is not valid (overlong forms, surrogates, cut sequences), and encoding replaces
 * lone surrogates of a string, so the way there and back shows both. A byte order mark is a character like any other.
 */

/** The text of the bytes, or undefined when they are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = view.toString('utf8');
  return Buffer.compare(Buffer.from(text, 'utf8'), view) === 0 ? text : undefined;
}

/** The bytes of the text, or undefined when it holds a lone surrogate, which has no bytes. */
export function encodeUtf8(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.toString('utf8') === text ? bytes : undefined;
}
