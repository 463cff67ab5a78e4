/**
 * What makes two events the same for duplicate detection: producer, `source` and `id` (formats.md, "Event index",
 * duplicate_of), as 16 bytes:
 *
 *     the first 16 bytes of SHA-256(u32 length || producer || u32 length || source || u32 length || id)
 *
 * Lengths are big-endian byte counts, which keep ("a", "bc") apart from ("ab", "c"). Texts are UTF-8, uncut; a lone
 * surrogate, which has no UTF-8 form, counts as the three bytes it would have, so that different texts stay different.
 * 16 bytes are beyond accidental collision; who decides on a duplicate compares the events' bytes as well.
 */
import { hash } from 'node:crypto';
import { writeCodePoint } from './utf8-sequence.js';

/** Bytes of an identity. */
export const IDENTITY_BYTES = 16;

const SURROGATE = /[\ud800-\udfff]/;

// Work space of one call; it grows to the largest texts so far.
let scratch = Buffer.alloc(1024);

export function eventIdentity(producer: string, source: string, id: string): Buffer {
  // A UTF-16 unit takes at most 3 bytes.
  const room = 12 + 3 * (producer.length + source.length + id.length);
  if (scratch.length < room) scratch = Buffer.alloc(2 * room);
  const end = append(id, append(source, append(producer, 0)));
  // As a string of one character a byte first: the cheap way through the one-shot hash, as in hash.ts.
  return Buffer.from(hash('sha256', scratch.subarray(0, end), 'binary').slice(0, IDENTITY_BYTES), 'latin1');
}

function append(text: string, at: number): number {
  const start = at + 4;
  const end = SURROGATE.test(text) ? appendExactly(text, start) : start + scratch.write(text, start, 'utf8');
  scratch.writeUInt32BE(end - start, at);
  return end;
}

function appendExactly(text: string, at: number): number {
  let end = at;
  for (const character of text) end = writeCodePoint(scratch, end, character.codePointAt(0)!);
  return end;
}
