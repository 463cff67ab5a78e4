import { describe, expect, it } from '@jest/globals';
import { CUT_SHORT, ILL_FORMED } from './lexeme.js';
import { multibyteEnd, writeCodePoint } from './utf8-sequence.js';

/** Whether the bytes are one character: the platform replaces what is not, which does not encode back to the same. */
function isCharacter(bytes: Buffer): boolean {
  const text = bytes.toString('utf8');
  return text.length === (text.codePointAt(0)! > 0xffff ? 2 : 1) && Buffer.from(text).equals(bytes);
}

describe('multibyteEnd', () => {
  it('takes every character beyond ASCII, and writeCodePoint writes its bytes', () => {
    const written = Buffer.alloc(4);
    for (let point = 0x80; point <= 0x10ffff; point++) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const end = writeCodePoint(written, 0, point);
      if (multibyteEnd(written, 0, end) !== end) throw new Error(`refuses ${point.toString(16)}`);
      if (written.toString('utf8', 0, end).codePointAt(0) !== point)
        throw new Error(`writes ${point.toString(16)} wrong`);
    }
  });

  it('agrees with the platform on every lead and second byte and the edges of the third and fourth', () => {
    const edges = [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff];
    let taken = 0;
    for (let lead = 0x80; lead <= 0xff; lead++) {
      for (let second = 0; second <= 0xff; second++) {
        for (const third of lead >= 0xe0 ? edges : [0x80]) {
          for (const fourth of lead >= 0xf0 ? edges : [0x80]) {
            const bytes = Buffer.of(lead, second, third, fourth);
            const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
            const expected = isCharacter(bytes.subarray(0, length)) ? length : ILL_FORMED;
            const end = multibyteEnd(bytes, 0, 4);
            if (end !== expected) throw new Error(`${bytes.toString('hex')}: ${end}, not ${expected}`);
            if (end > 0) taken++;
          }
        }
      }
    }
    expect(taken).toBeGreaterThan(1_000);
  });

  it('says cut short for what more bytes could make right, and ill-formed for what they could not', () => {
    expect(multibyteEnd(Buffer.of(0xe2), 0, 1)).toBe(CUT_SHORT);
    expect(multibyteEnd(Buffer.of(0xf0, 0x9f, 0x98, 0x80), 0, 3)).toBe(CUT_SHORT);
    expect(multibyteEnd(Buffer.of(0xed, 0xa0, 0x80), 0, 2)).toBe(ILL_FORMED);
    expect(multibyteEnd(Buffer.of(0x80), 0, 1)).toBe(ILL_FORMED);
  });
});

describe('writeCodePoint', () => {
  it('keeps lone surrogates apart, where Buffer.from makes one character of them all', () => {
    const written = Buffer.alloc(3);
    const forms = new Set<string>();
    for (let unit = 0xd800; unit <= 0xdfff; unit++) {
      forms.add(written.toString('hex', 0, writeCodePoint(written, 0, unit)));
    }
    expect(forms.size).toBe(2048);
    expect(Buffer.from('\ud800')).toEqual(Buffer.from('\udfff'));
  });
});
