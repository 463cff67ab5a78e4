import { describe, expect, it } from '@jest/globals';
import { readClaimAnswer, type ClaimAnswerInput } from '../vectors/make/claim-answer.js';
import { readClaim, type ClaimInput } from '../vectors/make/claim.js';
import { ENTRIES, FRAME_NOTE, TREE } from '../vectors/make/frame.js';
import { ORIGIN } from '../vectors/cast.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { checkClaimedEvents, parseClaim } from './claim-message.js';
import { leafHash } from './hash.js';
import { formatReceipt } from './receipt.js';

const claims = readVectors<ClaimInput>('claim');
const answers = readVectors<ClaimAnswerInput>('claim-answer');
const LEAVES = ENTRIES.map((entry) => leafHash(entry));

describe('claim', () => {
  it.each(claims.cases)('vector: $name', (vector) => {
    expect(outcome(() => readClaim(vector))).toEqual(expected(vector));
  });

  it('is checked against the events that are sealed: every range of the frame, and no other events', () => {
    for (let first = 0; first < 3; first++) {
      for (let count = 1; first + count <= 3; count++) {
        const receipt = { ledger: ORIGIN, frame: FRAME_NOTE, first, count, proof: TREE.proveRange(first, count) };
        const claim = parseClaim(formatReceipt(receipt), ORIGIN);
        const leaves = LEAVES.slice(first, first + count);
        expect(() => checkClaimedEvents(claim, leaves)).not.toThrow();
        const others = leaves.with(0, leafHash(Buffer.from('another')));
        expect(outcome(() => checkClaimedEvents(claim, others))).toEqual({ code: 'claim.root' });
      }
    }
  });
});

describe('answer to a claim', () => {
  it.each(answers.cases)('vector: $name', (vector) => {
    expect(outcome(() => readClaimAnswer(vector, keysOf(answers)))).toEqual(expected(vector));
  });
});
