import {
  formatReceipt,
  formatRefusal,
  parseAnswer,
  REFUSALS,
  type Refusal,
  type RefusalCode,
} from '@everseal/audit-core';
import { castOf, ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type VectorFile } from '../vector-file.js';
import { FRAME_NOTE, TREE } from './frame.js';

export type AnswerInput = { answer: Bytes; request: Bytes };

const INVALID_EVENT: Refusal = {
  code: 'event.invalid',
  message: 'event 3 of the request has no "id"; give every event one',
  position: 3,
  retryAfterMs: null,
};

/** The request that the answers are for. */
const REQUEST = '[{"specversion":"1.0"}]';

export function refusalVectors(): VectorFile<AnswerInput> {
  const good = (name: string, answer: string): Case<AnswerInput> =>
    valid(name, { answer, request: REQUEST }, () => parseAnswer(bytesOf(answer), bytesOf(REQUEST)));
  const codes = Object.keys(REFUSALS) as RefusalCode[];
  const receipt = formatReceipt({
    ledger: ORIGIN,
    frame: FRAME_NOTE,
    first: 0,
    count: 3,
    proof: TREE.proveRange(0, 3),
  });
  return {
    format: 'refusal',
    specification: 'formats.md, "Receipt and refusal"',
    how: 'Read `answer` as the answer to a submit request with the body `request`: a receipt (not verified here) or a refusal.',
    keys: castOf('a'),
    cases: [
      good('one bad event', refusalOf(INVALID_EVENT)),
      ...codes.map((code) =>
        good(code, refusalOf({ code, message: 'no', position: null, retryAfterMs: null })),
      ),
      good('when to try again', refusalOf({ ...INVALID_EVENT, code: 'unavailable', position: null, retryAfterMs: 250 })),
      good('an unknown member', altered({ help: 'read the manual' })),
      good('a receipt', receipt.toString()),
      ...invalidCases(receipt.toString()),
    ],
  };
}

function refusalOf(refusal: Refusal): string {
  return formatRefusal(refusal, bytesOf(REQUEST)).toString();
}

function altered(members: Record<string, unknown>): string {
  const { error } = JSON.parse(refusalOf(INVALID_EVENT)) as { error: object };
  return JSON.stringify({ error: { ...error, ...members } });
}

function invalidCases(receipt: string): Case<AnswerInput>[] {
  const bad = (name: string, answer: Bytes, code: string, reason: string): Case<AnswerInput> =>
    invalid(name, { answer, request: REQUEST }, code, reason);
  return [
    bad('nothing', '', 'answer.json', 'no answer is not an answer: the outcome is unknown'),
    bad(
      'too large',
      [{ text: altered({}) }, { text: ' ', times: 16_384 }],
      'answer.size',
      'at most 16,384 bytes are read',
    ),
    bad('an empty object', '{}', 'receipt.ledger', 'neither a receipt nor a refusal'),
    bad('error as text', '{"error":"no"}', 'answer.error', 'an object'),
    bad(
      'receipt and refusal',
      receipt.replace('{', `${altered({}).slice(0, -1)},`),
      'answer.error',
      'one of them is false',
    ),
    bad(
      'a code outside the set',
      altered({ code: 'event.unwanted' }),
      'answer.error-code',
      'the codes are a closed set',
    ),
    bad('a code of a prototype', altered({ code: 'constructor' }), 'answer.error-code', 'the codes are a closed set'),
    bad('no message', altered({ message: undefined }), 'answer.error-message', 'every member is there'),
    bad('position 512', altered({ position: 512 }), 'answer.error-position', 'a request has at most 512 events'),
    bad('position as text', altered({ position: '3' }), 'answer.error-position', 'a number or null'),
    bad('position missing', altered({ position: undefined }), 'answer.error-position', 'every member is there'),
    bad(
      'retryable where it is not',
      altered({ retryable: true }),
      'answer.error-retryable',
      'the code says what can be retried',
    ),
    bad('retryable as a number', altered({ retryable: 0 }), 'answer.error-retryable', 'true or false'),
    bad(
      'a time to retry what cannot be retried',
      altered({ retryAfterMs: 100 }),
      'answer.error-retryAfterMs',
      'only with a retryable code',
    ),
    bad(
      'a negative time to retry',
      altered({ code: 'unavailable', retryable: true, retryAfterMs: -1, request: null }),
      'answer.error-retryAfterMs',
      'milliseconds from now',
    ),
    bad(
      'the refusal of another request',
      formatRefusal(INVALID_EVENT, bytesOf('[{"specversion":"1.0"} ]')).toString(),
      'answer.error-request',
      'it says nothing of this one',
    ),
    bad('no request', altered({ request: undefined }), 'answer.error-request', 'every member is there'),
    bad('nobody\'s refusal', altered({ request: null }), 'answer.error-request', 'it could be anybody\'s'),
    bad('a short hash', altered({ request: 'AAAA' }), 'answer.error-request', '32 bytes'),
    bad(
      'a request where nothing is settled',
      altered({ code: 'unavailable', retryable: true }),
      'answer.error-request',
      'only with a code that ends the matter',
    ),
  ];
}
