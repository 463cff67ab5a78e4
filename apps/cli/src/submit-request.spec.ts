import { describe, expect, it } from '@jest/globals';
import { MAX_EVENT_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS, parseSubmission } from '@everseal/audit-core';
import { array, assert, integer, property } from 'fast-check';
import type { InputEvent } from './read-events.js';
import { requestsOf } from './submit-request.js';

function eventOf(position: number, size: number): InputEvent {
  const head = `{"specversion":"1.0","id":"${position}","source":"urn:x","type":"t","data":"`;
  const bytes = Buffer.from(`${head}${'x'.repeat(Math.max(0, size - head.length - 2))}"}`);
  return { bytes, file: 'in', position, id: String(position) };
}

describe('requests', () => {
  it('hold every event once, in order, byte for byte, within the limits', () => {
    const sizes = array(integer({ min: 80, max: MAX_EVENT_BYTES }), { minLength: 1, maxLength: 60 });
    assert(
      property(sizes, integer({ min: 1, max: 20 }), (all, most) => {
        const events = all.map((size, position) => eventOf(position, size));
        const requests = [...requestsOf(events, most)];
        expect(requests.flatMap((request) => request.events)).toEqual(events);
        expect(requests.map(({ number }) => number)).toEqual(requests.map((_, i) => i + 1));
        for (const { events: some, body, contentType } of requests) {
          expect(body.length).toBeLessThanOrEqual(MAX_REQUEST_BYTES);
          expect(some.length).toBeLessThanOrEqual(most);
          const read = parseSubmission(contentType, body).events.map(({ start, end }) => body.subarray(start, end));
          expect(read.map(String)).toEqual(some.map(({ bytes }) => String(bytes)));
        }
      }),
      { numRuns: 30 },
    );
  });

  it('are as large as they may be', () => {
    const small = Array.from({ length: MAX_REQUEST_EVENTS + 1 }, (_, i) => eventOf(i, 80));
    expect([...requestsOf(small)].map(({ events }) => events.length)).toEqual([MAX_REQUEST_EVENTS, 1]);
    // Eight of these, their commas and the brackets fill a request to the byte.
    const size = (MAX_REQUEST_BYTES - 1) / 9 - 1;
    const exact = Array.from({ length: 10 }, (_, i) => eventOf(i, Math.floor(size)));
    expect([...requestsOf(exact)].map(({ events }) => events.length)).toEqual([9, 1]);
  });
});
