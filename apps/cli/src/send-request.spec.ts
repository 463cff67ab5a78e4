/** Over a real nats-server, with an ingest that is told what to say; the real one is met in test/system/cli.spec.ts. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatRefusal, NOTE_KEY, SigningKey } from '@everseal/audit-core';
import type { NatsLink } from '@everseal/messaging';
import { LabBroker } from '../../../libs/messaging/src/broker.fixture.js';
import { key, receiptFor, requestOf, trust } from './answers.fixture.js';
import { sendRequest, type Sent } from './send-request.js';

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

  const WILD = [2_147_000_000, 2 ** 31, Number.MAX_SAFE_INTEGER];
  /** Somebody says `unavailable` and when to come back, once; whoever is asked next gives a receipt. */
  const sentAfter = async (retryAfterMs: number, withinMs: number, signal: AbortSignal): Promise<Sent> => {
    const answers = [formatRefusal({ code: 'unavailable', message: 'full', position: null, retryAfterMs }, null), good];
    let next = 0;
    const subscription = ingest.nc.subscribe(SUBJECT, {
      callback: (_error, message) => void message.respond(answers[next++]),
    });
    await ingest.nc.flush();
    return sendRequest(link, request, { subject: SUBJECT, trust, withinMs, signal }).finally(() =>
      subscription.unsubscribe(),
    );
  };

  it.each(WILD)('that is to wait %d ms is sent once more before its time is over', async (retryAfterMs) => {
    const { outcome, attempts, ms } = await sentAfter(retryAfterMs, 1_500, new AbortController().signal);
    expect([outcome.kind, attempts, ms > 1_000 && ms < 2_500]).toEqual(['receipted', 2, true]);
  });

  it.each(WILD)('that is to wait %d ms does wait, however much time it has', async (retryAfterMs) => {
    const { outcome, attempts } = await sentAfter(retryAfterMs, Number.MAX_SAFE_INTEGER, AbortSignal.timeout(500));
    expect([outcome.kind, attempts]).toEqual(['unknown', 1]);
  });
});
