import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { formatAcknowledgement, parseAcknowledgement, type Acknowledgement } from './acknowledgement.js';
import { FormatError } from './format-error.js';

const SAID: Acknowledgement = {
  source: 'audit.example.com/sealer/s1',
  number: 7,
  code: 'custody.forged',
  time: '2026-01-01T00:00:00.000Z',
  by: 'Zoë, on call',
  reason: 'a test message of ours; the certificate was revoked',
};
const TEXT = `everseal/acknowledgement/v1
audit.example.com/sealer/s1
7
custody.forged
2026-01-01T00:00:00.000Z
Zoë, on call
a test message of ours; the certificate was revoked
`;

function refusalOf(text: string | Buffer): string {
  try {
    parseAcknowledgement(Buffer.from(text as string));
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'taken';
}

describe('an acknowledgement', () => {
  it('is seven lines, and comes back as it was', () => {
    expect(formatAcknowledgement(SAID)).toBe(TEXT);
    expect(parseAcknowledgement(Buffer.from(TEXT))).toEqual(SAID);
  });

  it.each([
    ['another kind', TEXT.replace('v1', 'v2'), 'acknowledgement.kind'],
    ['no line feed at the end', TEXT.slice(0, -1), 'acknowledgement.lines'],
    ['a line too few', TEXT.replace('Zoë, on call\n', ''), 'acknowledgement.lines'],
    ['a line too many', `${TEXT}more\n`, 'acknowledgement.lines'],
    ['a source of two parts', TEXT.replace('/s1', ''), 'acknowledgement.source'],
    ['number 0', TEXT.replace('\n7\n', '\n0\n'), 'acknowledgement.number'],
    ['a number with a zero before it', TEXT.replace('\n7\n', '\n07\n'), 'acknowledgement.number'],
    ['a code that is none', TEXT.replace('custody.forged', 'custody.fine'), 'acknowledgement.code'],
    ['a time that is none', TEXT.replace('2026-01-01', '2026-13-01'), 'acknowledgement.time'],
    ['nobody', TEXT.replace('Zoë, on call', ''), 'acknowledgement.by'],
    ['a name that moves the cursor', TEXT.replace('Zoë', '\u001b[2J'), 'acknowledgement.by'],
    ['a reason of spaces', TEXT.replace(/a test.*/, '   '), 'acknowledgement.reason'],
    ['a reason without end', TEXT.replace('a test', 'a'.repeat(501)), 'acknowledgement.reason'],
    ['more bytes than are read', TEXT.replace('a test', 'a'.repeat(5_000)), 'acknowledgement.size'],
  ])('is refused with %s', (_what, text, code) => {
    expect(refusalOf(text)).toBe(code);
  });

  it('is refused with any byte changed that makes it another text, or means what it then says', () => {
    fc.assert(
      fc.property(fc.nat(Buffer.byteLength(TEXT) - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const bytes = Buffer.from(TEXT);
        bytes[at]! ^= mask;
        if (refusalOf(bytes) !== 'taken') return;
        const said = parseAcknowledgement(bytes);
        expect(Buffer.from(formatAcknowledgement(said))).toEqual(bytes);
        expect(said).not.toEqual(SAID);
      }),
    );
  });
});
