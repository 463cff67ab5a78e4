import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { CAST } from '../vectors/cast.js';
import { BOTH, cosignedBy, readTlogPolicy, type TlogPolicyInput } from '../vectors/make/tlog-policy.js';
import { GENESIS } from '../vectors/make/key-set.js';
import { bytesOf, expected, outcome, readVectors } from '../vectors/vector-file.js';
import { codeOf } from '../vectors/read.js';
import { formatTlogPolicy, openUnderPolicy, parseTlogPolicy, policyOfKeySet } from './tlog-policy.js';

const file = readVectors<TlogPolicyInput>('tlog-policy');

describe('policies', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readTlogPolicy(vector))).toEqual(expected(vector));
  });

  it('come out the same when they are written and read again', () => {
    for (const { valid, policy } of file.cases) {
      // Names that are octets are read only: what is written here is written for files of text.
      if (!valid || typeof policy !== 'string') continue;
      const read = parseTlogPolicy(bytesOf(policy));
      expect(parseTlogPolicy(Buffer.from(formatTlogPolicy(read)))).toEqual(read);
    }
  });

  it('are measured before they are read', () => {
    expect(codeOf(() => parseTlogPolicy(Buffer.alloc(262_145)))).toBe('policy.size');
    const many = Array.from({ length: 1_100 }, (_, i) => `witness w${i} ${CAST.v1.verifier.vkey}\n`).join('');
    expect(codeOf(() => parseTlogPolicy(Buffer.from(`${many}quorum none\n`)))).toBe('policy.key-twice');
  });

  it('take 32 logs, witnesses and groups, as the specification asks', () => {
    const groups = Array.from({ length: 32 }, (_, i) => `group g${i} any ${i === 0 ? 'w' : `g${i - 1}`}\n`).join('');
    const policy = `log ${CAST.log.verifier.vkey}\nwitness w ${CAST.v1.verifier.vkey}\n${groups}quorum g31\n`;
    expect(openUnderPolicy(cosignedBy('v1'), parseTlogPolicy(Buffer.from(policy))).cosignatures).toHaveLength(1);
  });

  it('of a key set whose verifier rotates name both of its keys', () => {
    const [first] = GENESIS.verifiers;
    const renamed = {
      ...GENESIS,
      verifiers: [first!, { ...CAST.v2.verifier, name: first!.name } as typeof first & object],
    };
    const names = policyOfKeySet(renamed).witnesses.map(({ name }) => name);
    expect(new Set(names).size).toBe(2);
  });

  it('judge nothing but FormatError out of any bytes, and never accept a checkpoint with a byte changed', () => {
    const policy = parseTlogPolicy(Buffer.from(BOTH));
    const note = Buffer.from(cosignedBy('v1', 'v2'));
    fc.assert(
      fc.property(fc.nat(note.length - 1), fc.nat(255), (at, value) => {
        fc.pre(note[at] !== value);
        const changed = Buffer.from(note);
        changed[at] = value;
        expect(codeOf(() => openUnderPolicy(changed, policy))).not.toBe('accepted');
      }),
      { numRuns: 500 },
    );
  });
});
