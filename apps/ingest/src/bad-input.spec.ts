/** What comes over the wire from a client that errs or attacks, row by row of the table of bad input, and what ingest must answer. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { framesSubject, identityOf, submitSubject } from '@everseal/policy';
import { RawNats } from '@everseal/testing';
import type { Msg } from '@nats-io/transport-node';
import { DOMAIN } from './announced-log.fixture.js';
import { event, IngestLab, type Producer, type RunningIngest } from './ingest.fixture.js';

let lab: IngestLab;
let ingest: RunningIngest;
let billing: Producer;
let orders: Producer;

beforeAll(async () => {
  lab = await IngestLab.start();
  ingest = await lab.run('a', await lab.settings('a', 'spool-a'));
  await ingest.ready();
  billing = await lab.producer();
  orders = await lab.producer('orders');
});
afterAll(async () => {
  await ingest.stop();
  await lab.stop();
});

const base = { specversion: '1.0', id: 'x', source: '/billing', type: 't' };
const text = (more: string): string => `${JSON.stringify(base).slice(0, -1)},${more}}`;
const join = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
const batch = { 'Content-Type': 'application/cloudevents-batch+json' };

const refusals: [row: string, body: () => string | Buffer, code: string, headers?: Record<string, string>][] = [
  ['1 event too large', () => event('x', 'y'.repeat(61_441)), 'request.too-large'],
  ['1 request too large', () => Buffer.alloc(524_289, 0x20), 'request.too-large'],
  [
    '1 too many events',
    () => `[${Array.from({ length: 513 }, () => event('x')).join(',')}]`,
    'request.too-large',
    batch,
  ],
  ['2 compressed', () => event('x'), 'request.malformed', { 'Content-Encoding': 'gzip' }],
  ['3 too deep', () => text(`"data":${'['.repeat(32)}${']'.repeat(32)}`), 'event.invalid'],
  ['5 not UTF-8', () => join(text('"data":"').slice(0, -1), [0xc0, 0x80], '"}'), 'request.malformed'],
  ['6 byte order mark', () => join([0xef, 0xbb, 0xbf], event('x')), 'request.malformed'],
  ['7 lone surrogate', () => text('"data":"\\ud800"'), 'event.invalid'],
  ['8 duplicate keys', () => text('"data":{"a":1,"\\u0061":2}'), 'event.invalid'],
  ['9 not a number', () => text('"data":NaN'), 'request.malformed'],
  ['9 infinite', () => text('"data":1e400'), 'event.invalid'],
  ['12 __proto__', () => text('"data":{"__proto__":{}}'), 'event.invalid'],
  ['13 raw NUL', () => join(text('"data":"').slice(0, -1), [0], '"}'), 'request.malformed'],
  ['13 NUL in an attribute', () => text('"subject":"a\\u0000"'), 'event.invalid'],
  ['14 not an object', () => '[]', 'request.malformed'],
  ['14 empty', () => '', 'request.malformed'],
  ['14 trailing bytes', () => `${event('x')}x`, 'request.malformed'],
  ['15 unknown attribute', () => text('"Not-Allowed":1'), 'event.invalid'],
  ['16 bad id', () => event('x'.repeat(65)), 'event.invalid'],
  ['18 foreign source', () => event('x', 1, '/orders'), 'event.forbidden'],
  ['23 a date that is none', () => text('"time":"+275761-01-01T00:00:00Z"'), 'event.invalid'],
  ['24 bytes beyond ASCII in a header', () => event('x'), 'request.malformed', { 'X-Note': 'gr\u00fcn' }],
  ['25 binary mode', () => '{}', 'request.malformed', { 'ce-id': 'x', 'ce-source': '/billing' }],
  ['27 headers too large', () => event('x'), 'request.malformed', { 'X-Large': 'x'.repeat(4_096) }],
  [
    '27 too many headers',
    () => event('x'),
    'request.malformed',
    Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`X-${i}`, '1'])),
  ],
  ['unknown content type', () => event('x'), 'request.malformed', { 'Content-Type': 'text/xml' }],
];

describe('ingest refuses', () => {
  it.each(refusals)('row %s', async (...[, body, code, headers]) => {
    const answer = await billing.send(body(), headers);
    expect(answer).toMatchObject({ refusal: { code, retryAfterMs: null } });
  });

  it('row 33: a batch with one bad event, by its position, and seals none of it', async () => {
    const answer = await billing.sendBatch([event('good-1'), event('x', '\ud800'), event('good-2')]);
    expect(answer).toMatchObject({ refusal: { code: 'event.invalid', position: 1 } });
    expect((await lab.frames()).flatMap(({ events }) => events).join()).not.toContain('good-1');
  });

  it('row 35: a retry that differs by one byte', async () => {
    await billing.accepted(event('retry', 'abc'));
    const answer = await billing.send(event('retry', 'abd'));
    expect(answer).toMatchObject({ refusal: { code: 'event.conflict', position: 0 } });
  });

  it('a producer that the policy does not let write here, though the broker let it', () => {
    const answers = answersTo({ subject: submitSubject('main', 'stranger'), reply: '_R_.x', body: event('x') });
    expect(answers).toEqual([['_R_.x', expect.stringContaining('event.forbidden')]]);
  });
});

describe('ingest keeps', () => {
  const kept: [row: string, body: string][] = [
    ['10 integers beyond 2^53', text('"data":{"n":9007199254740993}').replace('"id":"x"', '"id":"k10"')],
    ['11 -0 and 1.0', text('"data":[-0,1.0,1e2]').replace('"id":"x"', '"id":"k11"')],
    [
      '4 many keys in data',
      text(
        `"data":${JSON.stringify(Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`k${i}`, i])))}`,
      ).replace('"id":"x"', '"id":"k4"'),
    ],
    ['13 an escaped NUL in data', text('"data":"a\\u0000b"').replace('"id":"x"', '"id":"k13"')],
    ['28 twins and marks', text('"data":"e\u0301 \u202egnp.exe"').replace('"id":"x"', '"id":"k28"')],
    ['34 payloads', text('"data":"=cmd|calc\'; DROP TABLE block; {{7*7}}"').replace('"id":"x"', '"id":"k34"')],
  ];
  it.each(kept)('row %s, byte for byte', async (_row, body) => {
    await billing.accepted(body);
    expect(
      (await lab.frames()).flatMap(({ events }) => events).some((entry) => entry.endsWith(`"event":${body}}`)),
    ).toBe(true);
  });

  it('row 19 and 22: a replay, and a time far off, which plays no part', async () => {
    const odd = text('"time":"1999-12-31T23:59:59Z"').replace('"id":"x"', '"id":"k22"');
    expect(await billing.accepted(odd)).toEqual(await billing.accepted(odd));
  });
});

describe('ingest does not let a request reach anything else', () => {
  it('row 25: Nats- headers of a client change nothing', async () => {
    const id = 'nats-headers';
    const answer = await billing.send(event(id), {
      'Nats-Msg-Id': 'taken',
      'Nats-Expected-Last-Sequence': '999999',
      'Nats-Rollup': 'all',
      'Nats-TTL': '1s',
    });
    expect(answer).toHaveProperty('receipt');
    const stored = (await lab.frames()).at(-1);
    expect(stored?.events.join()).toContain(id);
  });

  it.each([
    framesSubject('main', 'a'),
    'JSA.STREAM.INFO.FRAMES_main',
    '_INBOX_ingest-b.x.1',
    'audit.heartbeat.ingest.a',
    '',
    `_R_.${'x'.repeat(253)}`,
    `_R_.${'\ufffd'.repeat(100)}`,
    '_R_.x 1',
  ])('row 26: asked to answer to "%s", it neither answers nor seals', async (reply) => {
    const before = ingest.intake.commit.queue.size;
    expect(answersTo({ subject: submitSubject('main', 'billing'), reply, body: event('astray') })).toEqual([]);
    expect(ingest.intake.commit.queue.size).toBe(before);
    await billing.accepted(event(`after ${reply.slice(0, 40)}`));
    expect((await lab.frames()).flatMap(({ events }) => events).join()).not.toContain('"astray"');
  });

  it('row 26, control: a reply subject of 256 characters is answered', () => {
    const reply = `_R_.${'x'.repeat(252)}`;
    const answers = answersTo({ subject: submitSubject('main', 'billing'), reply, body: 'nonsense' });
    expect(answers).toEqual([[reply, expect.stringContaining('request.malformed')]]);
  });

  it('row 26 over the wire: an answer goes where the broker maps it, into the account of the one who asked', async () => {
    const before = (await lab.frames()).length;
    for (const reply of [framesSubject('main', 'a'), submitSubject('main', 'billing')]) {
      billing.link.nc.publish(submitSubject('main', 'billing'), event(`to ${reply}`), { reply });
      await billing.link.nc.flush();
    }
    await billing.accepted(event('after all'));
    const frames = await lab.frames();
    // Nothing but proper frames came into the lane: each of them opens and checks.
    expect(frames.length).toBeGreaterThan(before);
  });

  it('row 24 and 27 on the raw connection: header blocks that no client library would send', async () => {
    const certificate = await lab.nats.pki.ensureClient(identityOf(DOMAIN, 'producer', 'billing'));
    const raw = await RawNats.open(lab.nats.port, certificate, '_INBOX_billing.raw');
    const body = event('x');
    for (const block of [
      'NATS/1.0\r\nContent-Type: application/json\u0000\r\n\r\n',
      'NATS/1.0\r\nA: 1\nB: 2\r\n\r\n',
      'NATS/1.0\r\n: x\r\n\r\n',
    ]) {
      const answer = await raw.ask(submitSubject('main', 'billing'), block, body);
      expect(answer).toContain('"request.malformed"');
    }
    raw.close();
  });

  it('an input that finds a bug in the reading is refused, and nothing stops', async () => {
    const subject = submitSubject('main', 'billing');
    const answers = answersTo({
      subject,
      reply: '_R_.x',
      body: event('x'),
      size: () => {
        throw new TypeError('a bug');
      },
    });
    expect(answers[0]?.[1]).toContain('"request.malformed"');
    expect(ingest.failures).toEqual([]);
    await billing.accepted(event('after a bug'));
  });

  it('row 29: what a client sends cannot write log lines', async () => {
    const answer = await orders.send(event('x', 1), { 'Content-Type': 'text/\u001b[2J evil' });
    expect(answer).toMatchObject({ refusal: { code: 'request.malformed' } });
    await billing.send(event('bad\u202eid', 1, '/orders'));
    const printable = ingest.lines.every((line) => /^[\x20-\x7e]*\n$/.test(line) && JSON.parse(line) !== null);
    expect(printable).toBe(true);
  });

  it('a flood of refusals is counted in full and logged in part', async () => {
    const before = ingest.lines.length;
    await Promise.all(Array.from({ length: 400 }, () => billing.send('nonsense')));
    expect(ingest.lines.length - before).toBeLessThan(200);
    await waitUntil(() => ingest.lines.some((line) => line.includes('leftOut')), {
      what: 'the count of lines left out',
      timeoutMs: 15_000,
    });
  });
});

/** Hands a message to the running service as if the broker had delivered it, and gives what it answered at once. */
function answersTo({
  subject,
  reply,
  body,
  size,
}: {
  subject: string;
  reply: string;
  body: string;
  size?: () => number;
}): [string, string][] {
  const data = Buffer.from(body);
  const all = (): number => subject.length + reply.length + data.length;
  const message = { subject, reply, data, size: size ?? all } as unknown as Msg;
  const publish = jest.spyOn(ingest.link.nc, 'publish').mockImplementation(() => undefined);
  ingest.intake['submit'].take(message);
  const answers = publish.mock.calls.map(([to, bytes]): [string, string] => [
    to,
    Buffer.from(bytes as Uint8Array).toString(),
  ]);
  publish.mockRestore();
  return answers;
}
