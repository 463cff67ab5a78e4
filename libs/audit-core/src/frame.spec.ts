import { describe, expect, it } from '@jest/globals';
import { assert, constantFrom, integer, maxSafeNat, property, record, uint8Array } from 'fast-check';
import { CAST, ORIGIN } from '../vectors/cast.js';
import { FRAME, FRAME_NOTE, readFrame, type FrameInput } from '../vectors/make/frame.js';
import { GENESIS } from '../vectors/make/key-set.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { formatFrameText, openFrame, openFrameAny, parseFrameText, signFrame } from './frame.js';
import { leafHash, ZERO_HASH } from './hash.js';
import { formatNote, openNote, parseNote, signatureLine } from './note.js';
import { formatTimestamp } from './timestamp.js';

const file = readVectors<FrameInput>('frame');

describe('frame', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readFrame(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('comes back as it was written', () => {
    const frames = record({
      ingester: constantFrom('a', 'b', 'x'.repeat(63)),
      number: maxSafeNat(),
      previous: uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
      count: integer({ min: 1, max: 512 }),
      root: uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
      accepted: integer({ min: 0, max: 2 ** 40 }).map(formatTimestamp),
    });
    assert(
      property(frames, (values) => {
        const previous = values.number <= 1 ? ZERO_HASH : values.previous;
        const frame = { origin: ORIGIN, ...values, number: Math.max(values.number, 1), previous };
        expect(parseFrameText(formatFrameText(frame))).toEqual(frame);
      }),
    );
  });

  it('is refused with any bit of any byte changed', () => {
    const note = Buffer.from(FRAME_NOTE);
    for (let at = 0; at < note.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        note[at]! ^= 1 << bit;
        expect(outcome(() => openFrame(note, [CAST.a.verifier], ORIGIN))).toHaveProperty('code');
        note[at]! ^= 1 << bit;
      }
    }
    expect(openFrame(note, [CAST.a.verifier], ORIGIN)).toEqual(FRAME);
  });

  it('is refused with any byte taken out, and any byte put in', () => {
    assert(
      property(integer({ min: 0, max: FRAME_NOTE.length }), integer({ min: 0, max: 255 }), (at, byte) => {
        const note = Buffer.from(FRAME_NOTE);
        const without = Buffer.concat([note.subarray(0, at), note.subarray(at + 1)]);
        const withOne = Buffer.concat([note.subarray(0, at), Buffer.of(byte), note.subarray(at)]);
        if (at < note.length)
          expect(outcome(() => openFrame(without, [CAST.a.verifier], ORIGIN))).toHaveProperty('code');
        expect(outcome(() => openFrame(withOne, [CAST.a.verifier], ORIGIN))).toHaveProperty('code');
      }),
      { numRuns: 300 },
    );
  });

  it('has lines that nobody can add to; control: by the C2SP rule anyone could, and change the leaf hash', () => {
    const added = formatNote(formatFrameText(FRAME), [
      ...parseNote(FRAME_NOTE).signatures.map(({ line }) => line),
      signatureLine(CAST.stranger.verifier, Buffer.alloc(64)),
    ]);
    expect(outcome(() => openFrame(added, [CAST.a.verifier], ORIGIN))).toEqual({ code: 'note.line-count' });
    expect(openNote(added, [CAST.a.verifier]).text).toBe(formatFrameText(FRAME));
    expect(leafHash(Buffer.from(added)).equals(leafHash(Buffer.from(FRAME_NOTE)))).toBe(false);
  });

  it('belongs to its ledger; control: the signature of the same ingester holds in all of them', () => {
    const elsewhere = signFrame({ ...FRAME, origin: 'audit.example.com/test' }, CAST.a);
    expect(outcome(() => openFrame(elsewhere, [CAST.a.verifier], ORIGIN))).toEqual({ code: 'frame.ledger' });
    expect(openFrame(elsewhere, [CAST.a.verifier], 'audit.example.com/test').count).toBe(3);
  });

  it('opens with the keys of a set, for that set’s ledger', () => {
    expect(openFrameAny(FRAME_NOTE, GENESIS)).toEqual(FRAME);
    expect(outcome(() => openFrameAny(FRAME_NOTE, { ...GENESIS, ingest: [] }))).toEqual({ code: 'note.line-key' });
    const other = { ...GENESIS, origin: 'audit.example.com/test' };
    expect(outcome(() => openFrameAny(FRAME_NOTE, other))).toEqual({ code: 'frame.ledger' });
  });

  it('is not signed by the key of another, nor with values that no reader would take', () => {
    expect(() => signFrame(FRAME, CAST.b)).toThrow(RangeError);
    expect(() => signFrame({ ...FRAME, number: 1.5 }, CAST.a)).toThrow(RangeError);
    expect(outcome(() => signFrame({ ...FRAME, count: 513 }, CAST.a))).toEqual({ code: 'frame.count' });
    expect(outcome(() => signFrame({ ...FRAME, ingester: 'a\nb' }, CAST.a))).toEqual({ code: 'frame.number' });
  });
});
