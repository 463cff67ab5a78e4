/** Requests, and the receipts that an ingest would give for them, made with the formats' own functions. */
import {
  encodeEventEntry,
  eventPrefix,
  formatReceipt,
  FrameTree,
  ingestKeyName,
  leafHash,
  NOTE_KEY,
  sha256,
  signFrame,
  SigningKey,
} from '@everseal/audit-core';
import type { ReceiptTrust } from './judge-answer.js';
import type { InputEvent } from './read-events.js';
import { requestsOf, type SubmitRequest } from './submit-request.js';

const ORIGIN = 'audit.example.com/main';
export const ACCEPTED = '2026-01-31T09:30:00.250Z';
export const key = keyOf('a');
export const trust: ReceiptTrust = { origin: ORIGIN, producer: 'billing', ingestKeys: [key.verifier] };

export function keyOf(ingester: string): SigningKey {
  return SigningKey.fromSeed(ingestKeyName('audit.example.com', ingester), sha256(Buffer.from(ingester)), NOTE_KEY);
}

export function requestOf(texts: readonly string[]): SubmitRequest {
  const events = texts.map((text, position): InputEvent => ({
    bytes: Buffer.from(text),
    file: '',
    position,
    id: null,
  }));
  return [...requestsOf(events)][0]!;
}

/** The receipt for `request` in a frame that holds another event before and one after it. */
export function receiptFor(request: SubmitRequest, producer = 'billing', signer = key): Buffer {
  const prefix = eventPrefix(ORIGIN, producer, ACCEPTED);
  const all = [
    Buffer.from('{"id":"before"}'),
    ...request.events.map(({ bytes }) => bytes),
    Buffer.from('{"id":"after"}'),
  ];
  const tree = new FrameTree(all.map((event) => leafHash(encodeEventEntry(prefix, event))));
  const frame = {
    origin: ORIGIN,
    ingester: 'a',
    number: 7,
    previous: sha256(Buffer.from('frame 6')),
    count: all.length,
    root: tree.root,
    accepted: ACCEPTED,
  };
  const note = signFrame(frame, signer);
  return formatReceipt({
    ledger: ORIGIN,
    frame: note,
    first: 1,
    count: all.length - 2,
    proof: tree.proveRange(1, all.length - 2),
  });
}
