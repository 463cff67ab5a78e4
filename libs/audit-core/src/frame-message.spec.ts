import { describe, expect, it } from '@jest/globals';
import { array, assert, integer, property, uint8Array } from 'fast-check';
import { at, CAST, ORIGIN } from '../vectors/cast.js';
import { ENTRIES, FRAME, FRAME_NOTE } from '../vectors/make/frame.js';
import { readMessage, type FrameMessageInput } from '../vectors/make/frame-message.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { treeRoot } from './compact-range.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { checkFrameEntries, checkFrameMessage, encodeFrameMessage, parseFrameMessage } from './frame-message.js';
import { openFrame, signFrame } from './frame.js';
import { leafHash } from './hash.js';

const file = readVectors<FrameMessageInput>('frame-message');
const NOTE = Buffer.from(FRAME_NOTE);
const MESSAGE = encodeFrameMessage(NOTE, ENTRIES);

function read(bytes: Buffer): unknown {
  const message = parseFrameMessage(bytes);
  return checkFrameMessage(openFrame(message.note, [CAST.a.verifier], ORIGIN), message);
}

describe('frame message', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readMessage(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('gives back any events, with their leaves, and copies nothing', () => {
    const prefix = eventPrefix(ORIGIN, 'orders', at(1));
    assert(
      property(array(uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 20 }), (events) => {
        const entries = events.map((event) => encodeEventEntry(prefix, event));
        const leaves = entries.map((entry) => leafHash(entry));
        const frame = { ...FRAME, count: entries.length, root: treeRoot(leaves) };
        const bytes = encodeFrameMessage(Buffer.from(signFrame(frame, CAST.a)), entries);
        const before = Buffer.from(bytes);
        const message = parseFrameMessage(bytes);
        expect(checkFrameMessage(frame, message)).toEqual(leaves);
        expect(bytes.equals(before)).toBe(true);
        expect(message.note.buffer).toBe(bytes.buffer);
        expect(message.bundle.equals(encodeBundle(entries))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('is refused with any byte changed', () => {
    const bytes = Buffer.from(MESSAGE);
    for (let place = 0; place < bytes.length; place++) {
      const bit = 1 << (place % 8);
      bytes[place]! ^= bit;
      expect(outcome(() => read(bytes))).toHaveProperty('code');
      bytes[place]! ^= bit;
    }
    expect(outcome(() => read(bytes))).toHaveProperty('value');
  });

  it('is refused cut anywhere, and with anything after it', () => {
    for (let end = 0; end < MESSAGE.length; end++) {
      expect(outcome(() => read(MESSAGE.subarray(0, end)))).toHaveProperty('code');
    }
    assert(
      property(uint8Array({ minLength: 1, maxLength: 70 }), (more) => {
        expect(outcome(() => read(Buffer.concat([MESSAGE, more])))).toHaveProperty('code');
      }),
    );
  });

  it('survives any bytes with a code', () => {
    assert(
      property(uint8Array({ maxLength: 600 }), integer({ min: 0, max: 600 }), (bytes, noteLength) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(noteLength);
        expect(outcome(() => read(Buffer.concat([length, bytes])))).toHaveProperty('code');
      }),
    );
  });

  it('is not written larger than readers take', () => {
    const entry = Buffer.alloc(60_000);
    expect(() =>
      encodeFrameMessage(
        NOTE,
        Array.from({ length: 14 }, () => entry),
      ),
    ).toThrow(RangeError);
    expect(() => encodeFrameMessage(NOTE, [])).toThrow(RangeError);
    expect(() =>
      encodeFrameMessage(
        NOTE,
        Array.from({ length: 513 }, () => Buffer.alloc(1)),
      ),
    ).toThrow(RangeError);
    expect(() => encodeFrameMessage(NOTE, [Buffer.alloc(65_536)])).toThrow(RangeError);
    expect(() => encodeFrameMessage(Buffer.alloc(0), ENTRIES)).toThrow(RangeError);
  });
});

describe('the events of a frame inside a block', () => {
  const body = encodeBundle([Buffer.from('an entry before'), NOTE, ...ENTRIES, Buffer.from('an entry after')]);
  const entries = splitBundle(body);
  const leaves = Array.from({ length: entries.count }, (_, i) =>
    leafHash(body.subarray(entries.start(i), entries.end(i))),
  );

  it('are checked where they stand', () => {
    checkFrameEntries(FRAME, body, entries, 2, leaves);
    for (const first of [0, 1, 3]) {
      expect(outcome(() => checkFrameEntries(FRAME, body, entries, first, leaves))).toHaveProperty('code');
    }
    expect(outcome(() => checkFrameEntries(FRAME, body, entries, 4, leaves))).toEqual({ code: 'frame.entry-count' });
  });
});
