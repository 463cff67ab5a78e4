import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatEngineEvent, type EngineEvent } from './engine-event.js';
import { indexEvent } from './event-index.js';
import { JsonTape } from './json-tape.js';
import { parseSubmission } from './submission.js';

const EVENT: EngineEvent = {
  follower: 'audit.example.com/follower/f1',
  log: 'postgres',
  file: '00112233445566778899aabbccddeeff',
  from: 1_024,
  to: 4_096,
  action: 'postgres.login',
  actor: 'everseal_sealer',
  target: 'everseal',
  outcome: 'allowed',
  reason: '',
  address: '127.0.0.1',
  details: { application: 'sealer-s1' },
  count: 3,
  first: '2026-01-31T09:30:00.250Z',
  last: '2026-01-31T09:30:07.250Z',
};

const idOf = (event: EngineEvent): string => (JSON.parse(formatEngineEvent(event).toString()) as { id: string }).id;

describe('what an engine logged as an event', () => {
  it('is one line that ingest takes, and that the index can be searched for', () => {
    const event = formatEngineEvent(EVENT);
    expect(event.toString()).toBe(
      `{"specversion":"1.0","id":"${idOf(EVENT)}","source":"everseal:audit.example.com/follower/f1","type":"io.everseal.engine",` +
        '"subject":"postgres.login","time":"2026-01-31T09:30:07.250Z","datacontenttype":"application/json",' +
        '"data":{"actor":{"id":"everseal_sealer"},"action":"postgres.login","target":{"id":"everseal"},"outcome":"allowed",' +
        '"reason":"","address":"127.0.0.1","details":{"application":"sealer-s1"},"count":3,"first":"2026-01-31T09:30:00.250Z",' +
        '"last":"2026-01-31T09:30:07.250Z","log":{"name":"postgres","file":"00112233445566778899aabbccddeeff","from":1024,"to":4096}}}',
    );
    expect(indexEvent(new JsonTape(), 'follower-f1', event, 0, event.length)).toMatchObject({
      actor: 'everseal_sealer',
      action: 'postgres.login',
      target: 'everseal',
      outcome: 'allowed',
    });
  });

  it('has the same bytes for the same lines, and another id for any other place', () => {
    expect(formatEngineEvent({ ...EVENT })).toEqual(formatEngineEvent(EVENT));
    expect(idOf(EVENT)).toMatch(/^engine-[0-9a-f]{32}$/);
    const others: Partial<EngineEvent>[] = [
      { follower: 'audit.example.com/follower/f2' },
      { log: 'nats' },
      { file: 'ff112233445566778899aabbccddeeff' },
      { from: 1_025 },
      { to: 4_097 },
    ];
    const ids = others.map((other) => idOf({ ...EVENT, ...other }));
    expect(new Set([...ids, idOf(EVENT)]).size).toBe(others.length + 1);
  });

  it('is so whatever a stranger had logged', () => {
    const text = fc.string({ unit: 'binary', maxLength: 3_000 });
    fc.assert(
      fc.property(text, text, text, text, (actor, target, reason, statement) => {
        const event = formatEngineEvent({ ...EVENT, actor, target, reason, details: { statement } });
        expect(event.includes(0x0a)).toBe(false);
        expect(() => parseSubmission(undefined, event)).not.toThrow();
      }),
    );
  });
});
