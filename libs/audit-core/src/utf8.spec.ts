import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { quote } from './quote.js';
import { decodeUtf8, encodeUtf8 } from './utf8.js';

const anyText = fc.string({
  unit: fc.constantFrom(...'a\u0000\n"\\é\u007f\u0085\u2028\ufeff\uffff😀'),
  maxLength: 300,
});

describe('UTF-8', () => {
  it('gives any text back, a byte order mark included', () => {
    fc.assert(fc.property(anyText, (text) => expect(decodeUtf8(encodeUtf8(text) as Buffer)).toBe(text)));
    expect(decodeUtf8(Buffer.from([0xef, 0xbb, 0xbf, 0x61]))).toBe('\ufeffa');
  });

  it('accepts exactly what the platform decoder accepts', () => {
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const byte = fc.constantFrom(0x61, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xa0, 0xe2, 0xf0, 0xf4, 0x90, 0xff);
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 8 }), (bytes) => {
        let plain: string | undefined;
        try {
          plain = strict.decode(Uint8Array.from(bytes));
        } catch {
          plain = undefined;
        }
        expect(decodeUtf8(Uint8Array.from(bytes))).toBe(plain);
      }),
      { numRuns: 2_000 },
    );
  });

  it('control: a plain conversion lets both pass', () => {
    expect(Buffer.from([0x61, 0xc0, 0x8a]).toString()).toBe('a\ufffd\ufffd');
    expect(Buffer.from('\ud800').toString()).toBe('\ufffd');
  });

  it.each(['\ud800', 'a\udc00', '\udc00\ud800'])('has no bytes for a lone surrogate', (text) => {
    expect(encodeUtf8(text)).toBeUndefined();
  });
});

describe('quote', () => {
  it('shows printable ASCII only, and not much of it', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(quote(text)).toMatch(/^"[ -~…]*"$/);
      }),
    );
    expect(quote('\u2028'.repeat(1_000_000)).length).toBeLessThan(500);
  });

  it('escapes what terminals and log readers act on', () => {
    expect(quote('a\u001b[31m\u0085\u2028\u202e\n"')).toBe('"a\\u001b[31m\\u0085\\u2028\\u202e\\n\\""');
  });
});
