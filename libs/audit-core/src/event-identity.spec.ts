import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { eventIdentity, IDENTITY_BYTES } from './event-identity.js';

const units = fc.array(fc.constantFrom('a', 'é', '\0', '\ud800', '\ude00', '😀', '\ufffd'), { maxLength: 5 });
const text = units.map((parts) => parts.join(''));

describe('eventIdentity', () => {
  it('is the first 16 bytes of the hash over length-prefixed texts', () => {
    const part = (s: string) => Buffer.concat([Buffer.of(0, 0, 0, Buffer.byteLength(s)), Buffer.from(s)]);
    const parts = Buffer.concat([part('billing'), part('/billing/é'), part('😀-1')]);
    const expected = createHash('sha256').update(parts).digest().subarray(0, IDENTITY_BYTES);
    expect(eventIdentity('billing', '/billing/é', '😀-1')).toEqual(expected);
  });

  it('differs whenever one of the three texts differs, by their edges or by a lone surrogate', () => {
    fc.assert(
      fc.property(fc.tuple(text, text, text), fc.tuple(text, text, text), (a, b) => {
        expect(eventIdentity(...a).equals(eventIdentity(...b))).toBe(a.every((part, i) => part === b[i]));
      }),
      { numRuns: 1_000 },
    );
    expect(eventIdentity('a', 'bc', '')).not.toEqual(eventIdentity('ab', 'c', ''));
    expect(eventIdentity('p', '\ud800', 'x')).not.toEqual(eventIdentity('p', '\ufffd', 'x'));
  });

  it('takes texts of any length, and short ones after them', () => {
    const short = eventIdentity('p', 's', 'i');
    expect(eventIdentity('p', 'é'.repeat(70_000), 'i')).toHaveLength(IDENTITY_BYTES);
    expect(eventIdentity('p', 's', 'i')).toEqual(short);
  });
});
