import { formatReceipt, leafHash, parseClaim, signFrame } from '@everseal/audit-core';
import { CAST, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { ENTRIES, FRAME, FRAME_NOTE, TREE } from './frame.js';

/** A claim that came in for ledger `origin`. */
export type ClaimInput = { receipt: Bytes; origin: string };

export function readClaim({ receipt, origin }: ClaimInput): unknown {
  return parseClaim(bytesOf(receipt), origin);
}

const OTHER_NOTE = signFrame({ ...FRAME, origin: OTHER_ORIGIN }, CAST.a);

export function receiptOf(first: number, count: number, frame = FRAME_NOTE, ledger = ORIGIN): string {
  return formatReceipt({ ledger, frame, first, count, proof: TREE.proveRange(first, count) }).toString();
}

const leaf = (at: number): string => leafHash(ENTRIES[at] as Buffer).toString('base64');

export function claimVectors(): VectorFile<ClaimInput> {
  const middle = receiptOf(1, 1);
  const good = (name: string, receipt: string): Case<ClaimInput> =>
    valid(name, { receipt, origin: ORIGIN }, () => readClaim({ receipt, origin: ORIGIN }));
  const bad = (name: string, receipt: Bytes, code: string, reason: string): Case<ClaimInput> =>
    invalid(name, { receipt, origin: ORIGIN }, code, reason);
  const altered = (members: object): string => JSON.stringify({ ...(JSON.parse(middle) as object), ...members });
  return {
    format: 'claim',
    specification: 'formats.md, "Claim"',
    how: 'Read `receipt` as a claim that came in for ledger `origin`. No signature is checked.',
    keys: castOf('a'),
    cases: [
      good('one event in the middle of three', middle),
      good('the whole frame, without a proof', receiptOf(0, 3)),
      good('an unknown member', altered({ issued: 'yesterday' })),
      bad('nothing', '', 'receipt.json', 'not JSON'),
      bad('too large', [{ text: middle }, { text: ' ', times: 16_384 }], 'receipt.size', 'at most 16,384 bytes are read'),
      bad('no frame', altered({ frame: undefined }), 'receipt.frame', 'every member is there'),
      bad('an event out of the frame', altered({ first: 3 }), 'receipt.first', 'the frame has three events'),
      bad(
        'a receipt of another ledger',
        receiptOf(1, 1, OTHER_NOTE, OTHER_ORIGIN),
        'claim.ledger',
        'the subject names the ledger',
      ),
      bad('a proof that is too short', altered({ proof: [leaf(0)] }), 'claim.range', 'this place needs two hashes'),
      bad(
        'a proof that is too long',
        altered({ proof: [leaf(0), leaf(2), leaf(2)] }),
        'claim.range',
        'this place needs two hashes',
      ),
      bad('a proof for the whole frame', altered({ first: 0, count: 3 }), 'claim.range', 'it needs none'),
    ],
  };
}
