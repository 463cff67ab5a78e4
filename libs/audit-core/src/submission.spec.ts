import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { encodeEventEntry, eventPrefix, parseEventEntry } from './event-entry.js';
import { mutated, readSlowly } from './json.fixture.js';
import { MAX_EVENT_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS } from './limits.js';
import { MOST_ENTRY_BYTES } from './note.js';
import { formatRefusal, parseAnswer } from './refusal.js';
import { Refused } from './refused.js';
import { parseSubmission, type SubmittedEvent } from './submission.js';

type Case = { name: string; contentType?: string; body?: string; base64?: string } & (
  { events: SubmittedEvent[] } | { refusal: { code: string; position: number | null } }
);
const vectorFile = new URL('../vectors/submission.json', import.meta.url);
const vectors = JSON.parse(readFileSync(vectorFile, 'utf8')) as { cases: Case[] };

const BATCH = 'application/cloudevents-batch+json';
const LINES = 'application/x-ndjson';

/** The events, or what the refusal says. */
function answer(contentType: string | undefined, body: Uint8Array): unknown {
  try {
    return { events: parseSubmission(contentType, body).events };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { refusal: { code: error.code, position: error.position } };
  }
}

/** A proper event of exactly `size` bytes. */
function eventOf(size: number, id = 'e-1'): Buffer {
  const [head, tail] = [`{"specversion":"1.0","id":"${id}","source":"/billing","type":"t","data":"`, '"}'];
  return Buffer.from(head + 'x'.repeat(size - head.length - tail.length) + tail);
}

/** The bytes of texts and buffers one after the other. */
const bytes = (...parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
const join = (events: readonly Buffer[], between: string): Buffer => Buffer.from(events.join(between));

describe('parseSubmission', () => {
  it.each(vectors.cases)('vector: $name', (c) => {
    const body = c.base64 === undefined ? Buffer.from(c.body!) : Buffer.from(c.base64, 'base64');
    expect(answer(c.contentType, body)).toEqual('events' in c ? { events: c.events } : { refusal: c.refusal });
  });

  it('names position and place in the message, and nothing of the sender that could forge a log line', () => {
    const body = Buffer.from('{"specversion":"1.0","id":"i","source":"s","type":"t","\\u001b[31m\\nname":"x"}');
    expect(() => parseSubmission(undefined, body)).toThrow('event 0: "\\u001b[31m\\nname" is no attribute name');
    expect(() => parseSubmission('x\r\ny: z', body)).toThrow('"x\\r\\ny: z"');
    const batch = join([eventOf(100), Buffer.from('{"a":1,"a":2}')], ',');
    expect(() => parseSubmission(BATCH, bytes('[', batch, ']'))).toThrow(/^event 1: .* twice.*byte 113/);
  });

  it('throws what formatRefusal takes as it is', () => {
    for (const c of vectors.cases) {
      if (!('refusal' in c)) continue;
      const body = c.base64 === undefined ? Buffer.from(c.body!) : Buffer.from(c.base64, 'base64');
      const refused = refusalOf(c.contentType, body);
      const { code, message, position, retryAfterMs } = refused;
      expect(parseAnswer(formatRefusal(refused, body), body)).toEqual({
        refusal: { code, message, position, retryAfterMs },
      });
    }
  });

  it('accepts any Uint8Array', () => {
    const event = eventOf(200);
    const body = new Uint8Array(Buffer.concat([Buffer.from('xx'), event])).subarray(2);
    expect(answer(undefined, body)).toEqual({ events: [{ start: 0, end: 200, id: 'e-1', source: '/billing' }] });
  });
});

function refusalOf(contentType: string | undefined, body: Buffer): Refused {
  try {
    parseSubmission(contentType, body);
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('limits (bad input 1)', () => {
  const largest = eventOf(MAX_EVENT_BYTES);
  const tooLarge = eventOf(MAX_EVENT_BYTES + 1);
  const small = eventOf(100);
  const event = (start: number, end: number) => ({ start, end, id: 'e-1', source: '/billing' });
  const refusal = (code: string, position: number | null) => ({ refusal: { code, position } });

  it('takes an event of 61,440 bytes in every mode, white space not counted', () => {
    expect(answer(undefined, bytes('  ', largest, ' \n'))).toEqual({ events: [event(2, 2 + MAX_EVENT_BYTES)] });
    const at = 102 + MAX_EVENT_BYTES;
    expect(answer(BATCH, bytes('[', small, ',', largest, ']'))).toEqual({ events: [event(1, 101), event(102, at)] });
    expect(answer(LINES, bytes(largest, ' \r\n'))).toEqual({ events: [event(0, MAX_EVENT_BYTES)] });
  });

  it('refuses one byte more, and names the event', () => {
    expect(answer(undefined, tooLarge)).toEqual(refusal('request.too-large', 0));
    expect(answer(BATCH, bytes('[', small, ', ', tooLarge, ']'))).toEqual(refusal('request.too-large', 1));
    expect(answer(BATCH, bytes('[', tooLarge))).toEqual(refusal('request.too-large', 0));
    expect(answer(LINES, join([small, small, tooLarge], '\n'))).toEqual(refusal('request.too-large', 2));
  });

  it('does not take an event that its size cuts in a batch for a bad one, whatever stands at the cut', () => {
    const odd = '\\u00e9é€😀\\ud83d\\ude00","n":[true,-1.5e-7],"o":"';
    for (let shift = 0; shift < Buffer.byteLength(odd); shift++) {
      const head = eventOf(MAX_EVENT_BYTES - shift).subarray(0, -2);
      expect(answer(BATCH, bytes('[', head, odd, '"}]'))).toEqual(refusal('request.too-large', 0));
    }
  });

  it('takes an event that ends where the body ends as cut, not as large', () => {
    expect(answer(BATCH, bytes('[', small.subarray(0, -1)))).toEqual(refusal('request.malformed', 0));
  });

  it('takes 512 events and refuses 513', () => {
    const many = Array.from({ length: MAX_REQUEST_EVENTS }, () => small);
    const events = (from: number) => many.map((_, i) => event(from + i * 101, from + i * 101 + 100));
    expect(answer(BATCH, Buffer.from(`[${many.join(',')}]`))).toEqual({ events: events(1) });
    expect(answer(LINES, join(many, '\n'))).toEqual({ events: events(0) });
    expect(answer(LINES, join([...many, Buffer.of()], '\n'))).toEqual({ events: events(0) });
    expect(answer(BATCH, Buffer.from(`[${[...many, small].join(',')}]`))).toEqual(refusal('request.too-large', null));
    expect(answer(LINES, join([...many, small], '\n'))).toEqual(refusal('request.too-large', null));
  });

  it('takes a request of 524,288 bytes and refuses one byte more before it looks at it', () => {
    const pad = (size: number) => Buffer.concat([small, Buffer.alloc(size - small.length, ' ')]);
    expect(answer(undefined, pad(MAX_REQUEST_BYTES))).toEqual({ events: [event(0, 100)] });
    expect(answer(undefined, pad(MAX_REQUEST_BYTES + 1))).toEqual(refusal('request.too-large', null));
    expect(answer('text/plain', Buffer.alloc(MAX_REQUEST_BYTES + 1))).toEqual(refusal('request.too-large', null));
  });

  it('leaves room for the longest envelope in an entry', () => {
    const label = 'd'.repeat(57);
    const origin = `${label}.${label}.${label}.dddddd/${'l'.repeat(48)}`;
    const prefix = eventPrefix(origin, 'p'.repeat(63), '2026-11-23T10:15:30.123Z');
    const entry = encodeEventEntry(prefix, largest);
    expect(entry.length).toBeLessThanOrEqual(MOST_ENTRY_BYTES);
    expect(parseEventEntry(entry)).toMatchObject({
      event: { start: prefix.length, end: prefix.length + largest.length },
    });
  });
});

describe('parseSubmission on random requests', () => {
  const members = fc.record(
    {
      id: fc.string({ minLength: 1, maxLength: 70, unit: 'binary' }),
      source: fc.constantFrom('/billing', '/é', 's'.repeat(1_025)),
      time: fc.constantFrom('2026-11-23T10:15:30Z', 'now', null),
      subject: fc.oneof(fc.string(), fc.constant(null)),
      data: fc.jsonValue({ maxDepth: 3 }),
      data_base64: fc.constantFrom('', 'AA=='),
      ext: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 3 }),
        fc.integer(),
        fc.double(),
        fc.boolean(),
        fc.constant([]),
      ),
    },
    { requiredKeys: ['id', 'source'] },
  );
  const event = members.map((m) => JSON.stringify({ specversion: '1.0', type: 't', ...m }));
  const good = fc
    .record({ id: fc.uuid(), source: fc.constantFrom('/billing', '/é') })
    .map((m) => JSON.stringify({ specversion: '1.0', type: 't', ...m, data: { '\u2028': '\r\n' } }, null, 0));
  const space = fc.constantFrom('', ' ', '\t ', '\n');

  it('gives the events of a batch and of lines as they were put in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(good, space), { minLength: 1, maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        (list, end) => {
          const expected = list.map(([text]) => text);
          const texts = (contentType: string, body: string) => {
            const raw = Buffer.from(body);
            return parseSubmission(contentType, raw).events.map(({ start, end: to }) =>
              raw.toString('utf8', start, to),
            );
          };
          expect(texts(BATCH, `[${list.map(([text, s]) => s + text + s).join(',')}]`)).toEqual(expected);
          expect(texts(LINES, list.map(([text, s]) => s.replace('\n', '') + text).join(end))).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('accepts an event alone exactly when in a batch and in a line, and only what the slow reader accepts', () => {
    const bodies = fc.oneof(event, good).map((text) => Buffer.from(text));
    let accepted = 0;
    fc.assert(
      fc.property(fc.oneof(bodies, mutated(bodies)), (body) => {
        const alone = answer(undefined, body) as { events?: SubmittedEvent[] };
        const wrapped = answer(BATCH, Buffer.concat([Buffer.from('['), body, Buffer.from(']')])) as typeof alone;
        expect(wrapped.events?.length === 1).toBe(alone.events !== undefined);
        if (!body.includes('\n') && !body.includes('\r')) {
          expect(answer(LINES, Buffer.concat([body, Buffer.from('\n')]))).toEqual(alone);
        }
        if (alone.events === undefined) return;
        accepted++;
        const [first] = alone.events;
        const slow = readSlowly(body.subarray(first!.start, first!.end))!;
        expect(slow).toMatchObject({ repeatedName: false, reservedName: false, loneSurrogate: false, overflow: false });
        expect(slow.value).toMatchObject({ specversion: '1.0', id: first!.id, source: first!.source });
        expect(Array.from(first!.id).length).toBeLessThanOrEqual(64);
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });
});
