import {
  encodeEventEntry,
  eventPrefix,
  formatFrameText,
  formatReceipt,
  FrameTree,
  leafHash,
  parseReceipt,
  signFrame,
  signNote,
  verifyReceipt,
} from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, ORIGIN, OTHER_ORIGIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { EVENTS, FRAME, FRAME_NOTE, TREE } from './frame.js';

/** What was submitted: `events` by `producer` to ledger `origin`; ingest keys `a` and `b` are in force. */
export type ReceiptInput = { receipt: Bytes; origin: string; producer: string; events: string[] };

/** Parses and verifies as a producer does; gives the receipt and the frame. */
export function readReceipt({ receipt, origin, producer, events }: ReceiptInput, keyOf: Keys): unknown {
  const parsed = parseReceipt(bytesOf(receipt));
  const submitted = { origin, producer, events: events.map((event) => Buffer.from(event)) };
  return { ...parsed, verified: verifyReceipt(parsed, submitted, [keyOf('a'), keyOf('b')]) };
}

/** A frame of seven events, for proofs of several hashes. */
const MANY = Array.from({ length: 7 }, (_, i) => `{"id":"${i}"}`);
const MANY_TREE = new FrameTree(
  MANY.map((event) => leafHash(encodeEventEntry(eventPrefix(ORIGIN, 'orders', at(1)), Buffer.from(event)))),
);
const MANY_NOTE = signFrame({ ...FRAME, count: 7, root: MANY_TREE.root }, CAST.a);

const MIDDLE = receiptOf(1, 1);

function receiptOf(first: number, count: number): string {
  return formatReceipt({
    ledger: ORIGIN,
    frame: FRAME_NOTE,
    first,
    count,
    proof: TREE.proveRange(first, count),
  }).toString();
}

/** The receipt for the frame's second event, with some members changed. */
function altered(members: Record<string, unknown>): string {
  return JSON.stringify({ ...(JSON.parse(MIDDLE) as object), ...members });
}

const SENT = { origin: ORIGIN, producer: 'billing', events: [EVENTS[1] as string] };

export function receiptVectors(): VectorFile<ReceiptInput> {
  const good = (name: string, receipt: string, sent: Partial<ReceiptInput> = {}): Case<ReceiptInput> =>
    valid(name, { receipt, ...SENT, ...sent }, () => readReceipt({ receipt, ...SENT, ...sent }, castKeys));
  const ofMany = (first: number, count: number): Case<ReceiptInput> => {
    const proof = MANY_TREE.proveRange(first, count);
    const receipt = formatReceipt({ ledger: ORIGIN, frame: MANY_NOTE, first, count, proof }).toString();
    return good(`events ${first} to ${first + count - 1} of seven`, receipt, {
      producer: 'orders',
      events: MANY.slice(first, first + count),
    });
  };
  return {
    format: 'receipt',
    specification: 'formats.md, "Receipt and refusal"',
    how: `Read \`receipt\`, rebuild the leaves of \`events\` (sent by \`producer\` to \`origin\`) and check proof and signature, with the ingest keys \`a\` and \`b\` in force.`,
    keys: castOf('a', 'b', 'stranger'),
    cases: [
      good('one event in the middle of three', MIDDLE),
      good('the whole frame, without a proof', receiptOf(0, 3), { events: EVENTS }),
      ofMany(0, 1),
      ofMany(2, 3),
      ofMany(5, 2),
      ofMany(6, 1),
      good('other spelling of the same JSON', spelledOtherwise()),
      good('an unknown member', altered({ issued: { by: 'somebody' } })),
      ...formCases(),
      ...trustCases(),
    ],
  };
}

/** White space, another order, escapes: read by value. */
function spelledOtherwise(): string {
  const { proof, ...rest } = JSON.parse(MIDDLE) as { proof: string[]; frame: string };
  return JSON.stringify({ proof, ...rest }, null, 2)
    .replace('—', '\\u2014')
    .replace('"first": 1', '"first": 1.0e0');
}

function formCases(): Case<ReceiptInput>[] {
  const bad = (name: string, receipt: Bytes, code: string, reason: string): Case<ReceiptInput> =>
    invalid(name, { receipt, ...SENT }, `receipt.${code}`, reason);
  const proof = (JSON.parse(MIDDLE) as { proof: string[] }).proof;
  return [
    bad('nothing', '', 'json', 'not JSON'),
    bad('a byte order mark', `\ufeff${MIDDLE}`, 'json', 'not JSON'),
    bad(
      'not UTF-8',
      [{ text: MIDDLE.slice(0, -1) }, { text: ',"x":"' }, { hex: 'ff' }, { text: '"}' }],
      'json',
      'JSON is UTF-8',
    ),
    bad('a list', `[${MIDDLE}]`, 'json', 'one object'),
    bad('null', 'null', 'json', 'one object'),
    bad('something after it', `${MIDDLE}x`, 'json', 'one object'),
    bad('too large', [{ text: MIDDLE }, { text: ' ', times: 16_384 }], 'size', 'at most 16,384 bytes are read'),
    bad('no ledger', altered({ ledger: undefined }), 'ledger', 'every member is there'),
    bad(
      'ledger in a prototype',
      altered({ ledger: undefined }).replace('{', `{"__proto__":{"ledger":"${ORIGIN}"},`),
      'ledger',
      'own members only',
    ),
    bad('a ledger that is no origin', altered({ ledger: 'main' }), 'ledger', 'an origin is <domain>/<ledger>'),
    bad(
      'a ledger that is not the frame’s',
      altered({ ledger: OTHER_ORIGIN }),
      'ledger',
      'receipt and frame name one ledger',
    ),
    bad('a frame that is no note', altered({ frame: 'frame 1' }), 'frame', 'the signed note, verbatim'),
    bad('a frame with a lone surrogate', altered({ frame: `\ud800${FRAME_NOTE}` }), 'frame', 'a note is UTF-8'),
    bad('a frame that is an object', altered({ frame: { note: FRAME_NOTE } }), 'frame', 'a string'),
    bad('first as text', altered({ first: '1' }), 'first', 'a number'),
    bad('first negative', altered({ first: -1 }), 'first', 'positions begin at 0'),
    bad('first with a fraction', altered({ first: 0.5 }), 'first', 'an integer'),
    bad('first beyond 2^53', altered({ first: 2 ** 53 }), 'first', 'numbers are below 2^53'),
    bad('first out of the frame', altered({ first: 3 }), 'first', 'the frame has 3 events'),
    bad('count 0', altered({ count: 0 }), 'count', 'at least one event'),
    bad('count out of the frame', altered({ count: 3 }), 'first', 'the frame has 3 events'),
    bad('count missing', altered({ count: undefined }), 'count', 'every member is there'),
    bad('proof as text', altered({ proof: proof.join() }), 'proof', 'a list'),
    bad('proof of numbers', altered({ proof: [1, 2] }), 'proof', 'base64 texts'),
    bad(
      'a hash of 31 bytes',
      altered({ proof: [Buffer.alloc(31).toString('base64')] }),
      'proof',
      'a hash has 32 bytes',
    ),
    bad(
      'a hash without padding',
      altered({ proof: proof.map((hash) => hash.slice(0, -1)) }),
      'proof',
      'canonical base64',
    ),
    bad(
      'nineteen hashes',
      altered({ proof: Array.from({ length: 19 }, () => proof[0]) }),
      'proof',
      'at most 2·⌈log2 512⌉',
    ),
  ];
}

function trustCases(): Case<ReceiptInput>[] {
  const bad = (
    name: string,
    receipt: string,
    code: string,
    reason: string,
    sent: Partial<ReceiptInput> = {},
  ): Case<ReceiptInput> => invalid(name, { receipt, ...SENT, ...sent }, code, reason);
  const { proof } = JSON.parse(MIDDLE) as { proof: string[] };
  const signedBy = (signer: typeof CAST.a): string => altered({ frame: signNote(formatFrameText(FRAME), [signer]) });
  return [
    bad(
      'for another ledger than was asked',
      MIDDLE,
      'receipt.other-ledger',
      'the producer knows where it sent its events',
      { origin: OTHER_ORIGIN },
    ),
    bad('for fewer events than were sent', MIDDLE, 'receipt.other-count', 'a request is receipted as a whole', {
      events: EVENTS.slice(1),
    }),
    bad('one byte of the event changed', MIDDLE, 'receipt.root', 'another leaf', { events: [`${EVENTS[1]} `] }),
    bad('as another producer', MIDDLE, 'receipt.root', 'the producer is part of the leaf', { producer: 'orders' }),
    bad('the event before it', MIDDLE, 'receipt.root', 'another leaf', { events: [EVENTS[0] as string] }),
    bad('another position', altered({ first: 0 }), 'receipt.root', 'the proof is of one place'),
    bad('hashes swapped', altered({ proof: proof.toReversed() }), 'receipt.root', 'left to right'),
    bad(
      'a hash missing',
      altered({ proof: proof.slice(1) }),
      'receipt.range',
      'exactly as many as the recursion takes',
    ),
    bad(
      'a hash left over',
      altered({ proof: [...proof, proof[0]] }),
      'receipt.range',
      'exactly as many as the recursion takes',
    ),
    bad('no proof', altered({ proof: [] }), 'receipt.range', 'exactly as many as the recursion takes'),
    bad('signed by a stranger', signedBy(CAST.stranger), 'note.line-key', 'not a key in force'),
    bad(
      "signed by ingester b's key",
      signedBy(CAST.b),
      'note.line-key',
      'a frame is signed by the ingester that it names',
    ),
    bad('a root of the forger’s choice', signedText(), 'note.signature', 'the signature is over another text'),
  ];
}

/** The genuine signature line under a text with another count. */
function signedText(): string {
  return altered({ frame: FRAME_NOTE.replace('\n3\n', '\n4\n') });
}
