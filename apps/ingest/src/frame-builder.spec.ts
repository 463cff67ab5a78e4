import { describe, expect, it } from '@jest/globals';
import {
  checkFrameMessage,
  encodeEventEntry,
  encodeFrameMessage,
  eventPrefix,
  leafHash,
  MAX_FRAME_MESSAGE_BYTES,
  NOTE_KEY,
  openFrame,
  parseFrameMessage,
  SigningKey,
  ingestKeyName,
  ZERO_HASH,
} from '@everseal/audit-core';
import { buildFrame, envelopeBytes } from './frame-builder.js';
import { PendingRequest } from './pending-request.js';

const LANE = { origin: 'audit.example.com/main', ingester: 'a' };
const KEY = SigningKey.fromSeed(ingestKeyName('audit.example.com', 'a'), Buffer.alloc(32, 3), NOTE_KEY);

function request(producer: string, events: string[], origin = LANE.origin): PendingRequest {
  const body = Buffer.from(` ${events.join(' , ')} `);
  let at = 0;
  const ranges = events.map((text) => {
    const start = body.indexOf(text, at);
    at = start + Buffer.byteLength(text);
    return { start, end: at, id: text, source: 's' };
  });
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start + envelopeBytes(origin, producer), 0);
  return new PendingRequest('', producer, body, ranges, bytes, 0);
}

describe('a built frame', () => {
  it('is the frame message that the formats describe, byte for byte', () => {
    const requests = [request('billing', ['{"a":1}', '{"ü":"€"}']), request('orders', ['{"b":[]}'])];
    const accepted = Date.UTC(2026, 10, 23, 1, 2, 3, 4);
    const built = buildFrame(LANE, KEY, { number: 0, hash: ZERO_HASH }, accepted, requests);
    const time = '2026-11-23T01:02:03.004Z';
    const entries = [
      encodeEventEntry(eventPrefix(LANE.origin, 'billing', time), Buffer.from('{"a":1}')),
      encodeEventEntry(eventPrefix(LANE.origin, 'billing', time), Buffer.from('{"ü":"€"}')),
      encodeEventEntry(eventPrefix(LANE.origin, 'orders', time), Buffer.from('{"b":[]}')),
    ];
    expect(built.message).toEqual(encodeFrameMessage(Buffer.from(built.note), entries));
    const message = parseFrameMessage(built.message);
    const frame = openFrame(message.note, [KEY.verifier], LANE.origin);
    expect(checkFrameMessage(frame, message)).toEqual(entries.map((entry) => leafHash(entry)));
    expect(frame).toMatchObject({ number: 1, count: 3, accepted: time, root: built.tree.root });
    expect(built.id).toEqual({ number: 1, hash: leafHash(message.note) });
    expect(requests.map(({ first }) => first)).toEqual([0, 2]);
  });

  it('fits with the longest names and the largest frame', () => {
    const domain = `${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(58)}`;
    const lane = { origin: `${domain}/${'l'.repeat(48)}`, ingester: 'i'.repeat(63) };
    const key = SigningKey.fromSeed(ingestKeyName(domain, lane.ingester), Buffer.alloc(32, 3), NOTE_KEY);
    const events = Array.from({ length: 512 }, (_, i) => `{"n":"${String(i).padEnd(1_015, 'x')}"}`);
    const full = request('p'.repeat(63), events, lane.origin);
    expect(full.body.length).toBeGreaterThan(520_000);
    const previous = { number: 2 ** 53 - 3, hash: Buffer.alloc(32, 1) };
    const built = buildFrame(lane, key, previous, Date.now(), [full]);
    expect(built.message.length).toBeLessThanOrEqual(MAX_FRAME_MESSAGE_BYTES);
    expect(openFrame(parseFrameMessage(built.message).note, [key.verifier], lane.origin).count).toBe(512);
  });
});
