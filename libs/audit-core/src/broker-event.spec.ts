import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatBrokerEvent, type BrokerEvent } from './broker-event.js';
import { indexEvent } from './event-index.js';
import { JsonTape } from './json-tape.js';
import { parseSubmission } from './submission.js';

const EVENT: BrokerEvent = {
  id: '0d5e',
  verifier: 'audit.example.com/verifier/v1',
  time: '2026-01-31T09:30:10.000Z',
  action: 'refuse',
  actor: 'unknown',
  target: 'VERIFIER',
  outcome: 'refused',
  reason: 'Authentication Failure',
  address: '127.0.0.1',
  isScan: false,
  count: 3,
  first: '2026-01-31T09:30:00.250Z',
  last: '2026-01-31T09:30:07.250Z',
};

describe('what a broker said as an event', () => {
  it('is one line that ingest takes, and that the index can be searched for', () => {
    const event = formatBrokerEvent(EVENT);
    expect(event.toString()).toBe(
      '{"specversion":"1.0","id":"broker-0d5e","source":"everseal:audit.example.com/verifier/v1","type":"io.everseal.broker",' +
        '"subject":"refuse","time":"2026-01-31T09:30:10.000Z","datacontenttype":"application/json",' +
        '"data":{"actor":{"id":"unknown"},"action":"broker.refuse","target":{"id":"VERIFIER"},"outcome":"refused",' +
        '"reason":"Authentication Failure","address":"127.0.0.1","count":3,"first":"2026-01-31T09:30:00.250Z","last":"2026-01-31T09:30:07.250Z"}}',
    );
    expect(indexEvent(new JsonTape(), 'verifier-v1', event, 0, event.length)).toMatchObject({
      actor: 'unknown',
      action: 'broker.refuse',
      target: 'VERIFIER',
      outcome: 'refused',
    });
  });

  it('says of a scan that it is one', () => {
    const { data } = JSON.parse(formatBrokerEvent({ ...EVENT, isScan: true }).toString()) as { data: object };
    expect(data).toMatchObject({ address: '127.0.0.1', scan: true });
  });

  it('is so whatever name a stranger has', () => {
    const text = fc.string({ unit: 'binary', maxLength: 600 });
    fc.assert(
      fc.property(text, text, text, text, (actor, target, reason, address) => {
        const event = formatBrokerEvent({ ...EVENT, actor, target, reason, address });
        expect(event.includes(0x0a)).toBe(false);
        expect(() => parseSubmission(undefined, event)).not.toThrow();
      }),
    );
  });
});
