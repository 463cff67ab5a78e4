/** Over a real nats-server, with an ingest that is told what to say; the real one is met in test/system/cli.spec.ts. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatRefusal, NOTE_KEY, SigningKey } from '@everseal/audit-core';
import type { NatsLink } from '@everseal/messaging';
import { LabBroker } from '../../../libs/messaging/src/broker.fixture.js';
import { key, receiptFor, requestOf, trust } from './answers.fixture.js';
import { sendRequest } from './send-request.js';

const SUBJECT = 'audit.submit.main.billing';
const request = requestOf(['{"id":"1"}', '{"id":"2"}']);
const other = requestOf(['{"id":"3"}']);
const good = receiptFor(request);
const forger = SigningKey.fromSeed(key.name, Buffer.alloc(32, 9), NOTE_KEY);
const forged = receiptFor(request, 'billing', forger);
const conflict = (refused: Buffer): Buffer =>
  formatRefusal({ code: 'event.conflict', message: 'no', position: 0, retryAfterMs: null }, refused);
const busy = formatRefusal({ code: 'unavailable', message: 'full', position: null, retryAfterMs: 10 }, null);

let lab: LabBroker;
let ingest: NatsLink;
let link: NatsLink;
beforeAll(async () => {
  lab = await LabBroker.start();
  [ingest, link] = [await lab.link(), await lab.link()];
});
afterAll(() => lab.stop());

describe('a request that is sent until its outcome is settled', () => {
  it.each<[string, Buffer[], string, number]>([
    ['control: a receipt settles it', [good], 'receipted', 1],
    ['control: a refusal of this request settles it', [conflict(request.body)], 'refused', 1],
    ["somebody else's receipt does not", [receiptFor(other), good], 'receipted', 2],
    ["somebody else's refusal does not", [conflict(other.body), good], 'receipted', 2],
    ['`unavailable` does not', [busy, busy, good], 'receipted', 3],
    ['two receipts that do not verify are no accident', [forged, forged, good], 'unverified', 2],
    ['nor when a busy ingest comes between', [forged, busy, forged, good], 'unverified', 3],
  ])('%s', async (_what, answers, kind, attempts) => {
    let next = 0;
    const subscription = ingest.nc.subscribe(SUBJECT, {
      callback: (_error, message) => void message.respond(answers[next++]),
    });
    await ingest.nc.flush();
    const options = { subject: SUBJECT, trust, withinMs: 10_000, signal: new AbortController().signal };
    const sent = await sendRequest(link, request, options).finally(() => subscription.unsubscribe());
    expect([sent.outcome.kind, sent.attempts]).toEqual([kind, attempts]);
  });
});
