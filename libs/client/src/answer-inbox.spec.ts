/** A producer's connection against answers that nobody honest gives, and a broker that forbids; the broker is real. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { RawNats } from '@everseal/testing';
import { natsTlsOptions } from '@everseal/tls';
import type { Msg, Subscription } from '@nats-io/transport-node';
import { connectOptions, LabBroker, PolicyBroker } from '../../messaging/src/broker.fixture.js';
import type { NatsLink } from '../../messaging/src/connect.js';
import type { Reply } from './answer-inbox.js';
import { BrokerConnection } from './broker-connection.js';

let lab: LabBroker;
let other: NatsLink;
let raw: RawNats;
let connection: BrokerConnection;
let connects = 0;
const subscriptions: Subscription[] = [];

beforeAll(async () => {
  lab = await LabBroker.start();
  other = await lab.link();
  raw = await RawNats.open(lab.nats.port, await lab.certificate(), '_INBOX_lab.raw');
  connection = new BrokerConnection({
    name: 'lab-x',
    servers: [lab.nats.server],
    tls: natsTlsOptions(await lab.certificate()),
    inboxPrefix: '_INBOX_lab',
    onConnected: () => (connects += 1),
  });
  await waitUntil(() => connection.connected, { what: 'the connection' });
  other.nc.subscribe('good', { callback: (_error, message) => void message.respond('good') });
  await other.nc.flush();
});
afterEach(() => {
  for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
});
afterAll(async () => {
  await connection.close();
  raw.close();
  await lab.stop();
});

async function onRequest(callback: (message: Msg) => void): Promise<void> {
  subscriptions.push(other.nc.subscribe('odd', { callback: (_error, message) => callback(message) }));
  await other.nc.flush();
}
const ask = (subject: string, timeoutMs = 3_000): Promise<Reply> =>
  connection.request(subject, Buffer.from('{}'), 'application/cloudevents+json', timeoutMs);
const GOOD = { kind: 'answer', data: Buffer.from('good') };

describe("a producer's connection", () => {
  it.each([
    ['a space in a name', 'NATS/1.0\r\na b: c\r\n\r\n', ''],
    ['a line without a name', 'NATS/1.0\r\n: c\r\n\r\n', ''],
    ['a line feed in a value', 'NATS/1.0\r\na: 1\nb: 2\r\n\r\n', ''],
    ['a status that is no number', 'NATS/1.0 5O3\r\n\r\n', ''],
    ['a reply subject that is not UTF-8', 'NATS/1.0\r\n\r\n', '\xff'.repeat(2_000)],
    ['a reply subject that is a byte order mark', 'NATS/1.0\r\na b: c\r\n\r\n', '\xef\xbb\xbf'],
  ])('outlives an empty answer with %s, and so does what is in flight', async (_what, block, reply) => {
    const held: Msg[] = [];
    subscriptions.push(other.nc.subscribe('held', { callback: (_error, message) => void held.push(message) }));
    await onRequest((message) => raw.publish(message.reply ?? '', block, '', reply));
    const inFlight = ask('held');
    await waitUntil(() => held.length > 0, { what: 'the request in flight' });
    expect(await ask('odd')).toEqual({ kind: 'answer', data: Buffer.alloc(0) });
    held[0]?.respond('good');
    expect([await inFlight, await ask('good')]).toEqual([GOOD, GOOD]);
    expect(connects).toBe(1);
  });

  it('tells "nobody there", silence and an empty answer apart', async () => {
    expect(await ask('nobody')).toMatchObject({ kind: 'none', left: false });
    await onRequest(() => undefined);
    expect(await ask('odd', 50)).toEqual({ kind: 'none', reason: 'no answer in 50 ms', left: true });
    subscriptions.pop()?.unsubscribe();
    await onRequest((message) => void message.respond(''));
    expect(await ask('odd')).toEqual({ kind: 'answer', data: Buffer.alloc(0) });
  });

  it('ends what is in flight when it breaks, at once', async () => {
    await onRequest(() => undefined);
    const inFlight = ask('odd', 30_000);
    await other.nc.flush();
    await connection.reconnect();
    expect(await inFlight).toEqual({ kind: 'none', reason: 'the connection broke', left: true });
    await waitUntil(() => connection.connected, { what: 'the connection' });
    expect(await ask('good')).toEqual(GOOD);
  });
});

describe('a broker that forbids', () => {
  let broker: PolicyBroker;
  const open: BrokerConnection[] = [];
  beforeAll(async () => {
    broker = await PolicyBroker.start();
  });
  afterAll(async () => {
    await Promise.all(open.map((one) => one.close()));
    await broker.stop();
  });

  async function asBilling(inboxPrefix?: string): Promise<BrokerConnection> {
    const { tls, ...who } = await connectOptions(broker.nats, broker.who('producer', 'billing'));
    const one = new BrokerConnection({
      ...who,
      tls: natsTlsOptions(tls),
      inboxPrefix: inboxPrefix ?? who.inboxPrefix,
      onConnected: () => undefined,
    });
    open.push(one);
    await waitUntil(() => one.connected, { what: 'the connection' });
    return one;
  }

  it('is told at once of the request that it did not pass on', async () => {
    const billing = await asBilling();
    const asked = ['audit.submit.main.orders', 'audit.submit.main.billing'].map((subject) =>
      billing.request(subject, Buffer.from('{}'), 'application/cloudevents+json', 3_000),
    );
    expect(await Promise.all(asked)).toMatchObject([
      { kind: 'forbidden', left: false, reason: expect.stringContaining('audit.submit.main.orders') },
      { kind: 'none', left: false },
    ]);
  });

  it('is told of an inbox, where the request may have arrived, each time', async () => {
    const billing = await asBilling('_INBOX_somebody');
    for (let i = 0; i < 2; i += 1) {
      const reply = await billing.request('audit.submit.main.billing', Buffer.from('{}'), 'application/json', 3_000);
      expect(reply).toMatchObject({ kind: 'forbidden', left: true });
    }
  });
});
