/** Answers made with the formats' own functions and an ingest key of our own; the broker's part is in test/system/cli.spec.ts. */
import { describe, expect, it } from '@jest/globals';
import {
  formatReceipt,
  formatRefusal,
  NOTE_KEY,
  parseReceipt,
  sha256,
  SigningKey,
  ZERO_HASH,
} from '@everseal/audit-core';
import { ACCEPTED, key, keyOf, receiptFor, requestOf, trust } from './answers.fixture.js';
import { judgeAnswer, type ReceiptTrust } from './judge-answer.js';
import type { SubmitRequest } from './submit-request.js';

const request = requestOf(['{"id":"1"}', '{"id":"2"}', '{"id":"3"}']);

describe('an answer', () => {
  it('is an acceptance when its receipt proves exactly these events', () => {
    expect(judgeAnswer(receiptFor(request), request, trust)).toMatchObject({
      kind: 'receipted',
      frame: { ingester: 'a', number: 7, accepted: ACCEPTED },
      receipt: { first: 1, count: 3 },
    });
  });

  it.each<[string, () => Buffer, SubmitRequest, ReceiptTrust]>([
    [
      'one event differs in one byte',
      () => receiptFor(request),
      requestOf(['{"id":"1"}', '{"id":"2"}', '{"id":"4"}']),
      trust,
    ],
    ['an event is missing', () => receiptFor(request), requestOf(['{"id":"1"}', '{"id":"2"}']), trust],
    [
      'two events changed places',
      () => receiptFor(request),
      requestOf(['{"id":"2"}', '{"id":"1"}', '{"id":"3"}']),
      trust,
    ],
    ['it is for another producer', () => receiptFor(request, 'orders'), request, trust],
    ['it is for another ledger', () => receiptFor(request), request, { ...trust, origin: 'audit.example.com/other' }],
    [
      'the ledger names another key',
      () => receiptFor(request),
      request,
      { ...trust, ingestKeys: [keyOf('b').verifier] },
    ],
    ['the ledger names no ingester', () => receiptFor(request), request, { ...trust, ingestKeys: [] }],
    [
      'another key of that name signed it',
      () => receiptFor(request, 'billing', SigningKey.fromSeed(key.name, sha256(Buffer.from('x')), NOTE_KEY)),
      request,
      trust,
    ],
  ])('is no acceptance when %s', (_, answer, asked, trusted) => {
    expect(judgeAnswer(answer(), asked, trusted).kind).toBe('unverified');
  });

  it('is no acceptance when any hash of its proof, its place or its frame is another', () => {
    const good = parseReceipt(receiptFor(request));
    const tampered = [
      ...good.proof.map((_, i) => ({ ...good, proof: good.proof.map((hash, j) => (i === j ? ZERO_HASH : hash)) })),
      { ...good, proof: good.proof.slice(1) },
      { ...good, proof: [...good.proof, ZERO_HASH] },
      { ...good, first: 0 },
      { ...good, frame: good.frame.replace('\n7\n', '\n8\n') },
    ];
    expect(good.proof.length).toBeGreaterThan(0);
    for (const receipt of tampered) {
      expect(judgeAnswer(formatReceipt(receipt), request, trust).kind).toBe('unverified');
    }
  });

  it('is a refusal when it says that the request is bad', () => {
    const refusal = { code: 'event.forbidden', message: 'not yours', position: 2, retryAfterMs: null } as const;
    expect(judgeAnswer(formatRefusal(refusal, request.body), request, trust)).toEqual({
      kind: 'refused',
      code: 'event.forbidden',
      message: 'not yours',
      position: 2,
    });
  });

  it('settles nothing when it refuses another request', () => {
    const refusal = { code: 'event.conflict', message: 'no', position: 0, retryAfterMs: null } as const;
    const astray = formatRefusal(refusal, Buffer.concat([request.body, Buffer.from(' ')]));
    expect(judgeAnswer(astray, request, trust)).toMatchObject({ kind: 'later', afterMs: null });
  });

  it('settles nothing when it says unavailable, or says nothing that can be read', () => {
    const busy = formatRefusal({ code: 'unavailable', message: 'full', position: null, retryAfterMs: 250 }, null);
    expect(judgeAnswer(busy, request, trust)).toEqual({ kind: 'later', reason: 'unavailable: full', afterMs: 250 });
    for (const garbage of [
      '',
      '{}',
      'ok',
      '{"error":{"code":"no.such"}}',
      receiptFor(request).subarray(0, 40).toString(),
    ]) {
      expect(judgeAnswer(Buffer.from(garbage), request, trust)).toMatchObject({ kind: 'later', afterMs: null });
    }
  });
});
