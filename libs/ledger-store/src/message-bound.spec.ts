import { describe, expect, it } from '@jest/globals';
import { MessageBound } from './message-bound.js';

/** A message with so many bytes behind its length. */
function message(bytes: number): Buffer {
  const made = Buffer.alloc(5 + bytes, 0xff);
  made.write('D');
  made.writeUInt32BE(4 + bytes, 1);
  return made;
}

const pass = (chunks: Buffer[], most: number): void => {
  const bound = new MessageBound(most);
  for (const chunk of chunks) bound.pass(chunk);
};
const inPieces = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));

describe('the bound of messages', () => {
  const stream = Buffer.concat([message(0), message(7), message(20), message(1), message(21)]);

  it.each([1, 2, 3, 5, 7, 64])('holds for each message, in chunks of %d bytes', (size) => {
    expect(() => pass(inPieces(stream, size), 25)).not.toThrow(); // control
    expect(() => pass(inPieces(stream, size), 24)).toThrow(
      expect.objectContaining({ code: 'store.unexpected-value', message: expect.stringContaining('25 bytes') }),
    );
  });

  it('is seen at the header, before the message has come', () => {
    expect(() => pass([message(1_000).subarray(0, 5)], 1_000)).toThrow();
    expect(() => pass([message(1_000).subarray(0, 4)], 1_000)).not.toThrow();
  });

  it('refuses a length that holds not even itself', () => {
    expect(() => pass([Buffer.from('5400000003', 'hex')], 100)).toThrow();
  });
});
