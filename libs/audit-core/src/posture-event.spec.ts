import { describe, expect, it } from '@jest/globals';
import { indexEvent } from './event-index.js';
import { JsonTape } from './json-tape.js';
import { MAX_EVENT_BYTES } from './limits.js';
import { formatPostureEvents, type EndpointPosture, type PostureEvent } from './posture-event.js';
import { parseSubmission } from './submission.js';

const ENDPOINT: EndpointPosture = {
  url: 'nats+tlsfirst://localhost:4222',
  grade: 'A',
  findings: ['group.classical'],
  protocols: ['TLS 1.3'],
  suites: ['TLS_AES_128_GCM_SHA256'],
  groups: ['X25519'],
  certificate: null,
  clients: { nobody: 'refused', stranger: 'refused', plaintext: 'refused' },
};
const POSTURE: PostureEvent = {
  id: '0d5e',
  domain: 'audit.example.com',
  verifier: 'v1',
  time: '2026-01-31T09:30:00.250Z',
  grade: 'A',
  ledgers: [{ origin: 'audit.example.com/main', entries: 4711, block: 12 }],
  endpoints: [ENDPOINT],
};

describe('a posture as an event', () => {
  it('is one line that ingest takes, and that the index can be searched for', () => {
    const [event, ...more] = formatPostureEvents(POSTURE);
    expect(more).toEqual([]);
    expect(event!.toString()).toBe(
      '{"specversion":"1.0","id":"posture-0d5e","source":"everseal:audit.example.com/verifier/v1","type":"io.everseal.posture",' +
        '"subject":"audit.example.com","time":"2026-01-31T09:30:00.250Z","datacontenttype":"application/json",' +
        '"data":{"actor":{"id":"verifier/v1"},"action":"tls.scan","target":{"id":"audit.example.com"},"outcome":"A",' +
        '"ledgers":[{"origin":"audit.example.com/main","entries":4711,"block":12}],"endpoints":[' +
        '{"url":"nats+tlsfirst://localhost:4222","grade":"A","findings":["group.classical"],"protocols":["TLS 1.3"],' +
        '"suites":["TLS_AES_128_GCM_SHA256"],"groups":["X25519"],"certificate":null,' +
        '"clients":{"nobody":"refused","stranger":"refused","plaintext":"refused"}}]}}',
    );
    expect(indexEvent(new JsonTape(), 'verifier-v1', event!, 0, event!.length)).toMatchObject({
      actor: 'verifier/v1',
      action: 'tls.scan',
      target: 'audit.example.com',
    });
  });

  it('is several events when it is too large for one, every endpoint in one of them', () => {
    const endpoints = Array.from({ length: 700 }, (_, i) => ({ ...ENDPOINT, url: `https://host-${i}:443` }));
    const events = formatPostureEvents({ ...POSTURE, endpoints });
    expect(events.length).toBeGreaterThan(2);
    const written = events.map((event) => {
      expect(event.length).toBeLessThanOrEqual(MAX_EVENT_BYTES);
      expect(() => parseSubmission(undefined, event)).not.toThrow();
      return JSON.parse(event.toString()) as { id: string; data: { endpoints: EndpointPosture[] } };
    });
    expect(written.flatMap(({ data }) => data.endpoints)).toEqual(endpoints);
    expect(new Set(written.map(({ id }) => id)).size).toBe(events.length);
  });
});
