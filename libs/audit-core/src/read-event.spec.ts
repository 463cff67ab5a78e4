import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { indexEvent } from './event-index.js';
import { JsonTape } from './json-tape.js';
import { formatReadEvent, type ReadEvent } from './read-event.js';
import { parseSubmission } from './submission.js';

const READ: ReadEvent = {
  id: '0d5e',
  reader: 'audit.example.com/reader/r1',
  time: '2026-01-31T09:30:00.250Z',
  client: 'auditor/anna',
  operation: 'search',
  origin: 'audit.example.com/main',
  request: '/api/main/events?actor=eve',
  address: '127.0.0.1',
};

describe('a read as an event', () => {
  it('is one line that ingest takes, and that the index can be searched for', () => {
    const event = formatReadEvent(READ);
    expect(event.toString()).toBe(
      '{"specversion":"1.0","id":"read-0d5e","source":"everseal:audit.example.com/reader/r1","type":"io.everseal.read",' +
        '"subject":"audit.example.com/main","time":"2026-01-31T09:30:00.250Z","datacontenttype":"application/json",' +
        '"data":{"actor":{"id":"auditor/anna"},"action":"read.search","target":{"id":"audit.example.com/main"},' +
        '"outcome":"allowed","request":"/api/main/events?actor=eve","address":"127.0.0.1"}}',
    );
    expect(indexEvent(new JsonTape(), 'reader-r1', event, 0, event.length)).toMatchObject({
      actor: 'auditor/anna',
      action: 'read.search',
      target: 'audit.example.com/main',
      outcome: 'allowed',
    });
  });

  it('is so whatever a client asks for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5_000 }), (request) => {
        const event = formatReadEvent({ ...READ, request });
        expect(event.includes(0x0a)).toBe(false);
        expect(() => parseSubmission(undefined, event)).not.toThrow();
      }),
    );
  });
});
