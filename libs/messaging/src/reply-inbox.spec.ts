/** The inbox of a connection against answers that nobody honest gives. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { RawNats } from '@everseal/testing';
import type { Msg, Subscription } from '@nats-io/transport-node';
import { LabBroker } from './broker.fixture.js';
import type { NatsLink } from './connect.js';
import { HeaderBlock, headerBytes } from './header-block.js';

let lab: LabBroker;
let asking: NatsLink;
let other: NatsLink;
let raw: RawNats;
const subscriptions: Subscription[] = [];

beforeAll(async () => {
  lab = await LabBroker.start();
  asking = await lab.link();
  other = await lab.link();
  raw = await RawNats.open(lab.nats.port, await lab.certificate(), '_INBOX_lab.raw');
  other.nc.subscribe('good', { callback: (_error, message) => void message.respond('good') });
  await other.nc.flush();
});
afterEach(() => {
  for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
});
afterAll(async () => {
  raw.close();
  await lab.stop();
});

/** Answers requests on `odd` with these bytes. */
async function answering(headers: string, body: string, reply: string): Promise<void> {
  const callback = (_error: Error | null, message: Msg): void => raw.publish(message.reply ?? '', headers, body, reply);
  subscriptions.push(other.nc.subscribe('odd', { callback }));
  await other.nc.flush();
}
const ask = (subject: string): Promise<Msg> => asking.inbox.ask(subject, '', { timeoutMs: 5_000 });

const EMPTY = 'NATS/1.0\r\n\r\n';
const LONG = `NATS/1.0\r\nX: ${'x'.repeat(200)}\r\n\r\n`;

describe('the inbox', () => {
  it.each([
    ['that is not UTF-8', '\xff'.repeat(2_000), EMPTY],
    ['that is cut in a character', 'a\xe2\x82', LONG],
    ['with a byte order mark', '\xef\xbb\xbfx', EMPTY],
    ['with a byte order mark, and long headers', `\xef\xbb\xbf${'\xff'.repeat(50)}`, LONG],
  ])('takes an answer with a reply subject %s for what it is, and goes on', async (_what, reply, block) => {
    for (const body of ['', 'body']) {
      await answering(block, body, reply);
      const inFlight = ask('good');
      const message = await ask('odd');
      expect(message.string()).toBe(body);
      expect(HeaderBlock.of(message)?.code ?? 0).toBe(0);
      expect((await inFlight).string()).toBe('good');
      subscriptions.pop()?.unsubscribe();
    }
    expect((await ask('good')).string()).toBe('good');
    expect(asking.counts).toMatchObject({ disconnects: 0, errors: 0 });
  });

  it('tells "nobody there" from an empty answer', async () => {
    await expect(ask('nobody')).rejects.toMatchObject({ code: 'nats.no-responders' });
    await answering(EMPTY, '', '');
    expect((await ask('odd')).data).toHaveLength(0);
  });

  it('fails the request whose handler throws, and no other', async () => {
    await answering(EMPTY, 'body', '');
    const inFlight = ask('good');
    const failed = await new Promise((resolve) => {
      asking.inbox.open('odd', '', 5_000, undefined, {
        onMessage: () => {
          throw new RangeError('a bug');
        },
        onFailure: resolve,
      });
    });
    expect(failed).toMatchObject({ code: 'answer.malformed', fate: 'retry', cause: new RangeError('a bug') });
    expect([(await inFlight).string(), (await ask('good')).string()]).toEqual(['good', 'good']);
  });
});

describe('the length of a header block', () => {
  const bytes = (size: number, subject: string, reply: string): number => {
    const data = Buffer.from(new ArrayBuffer(64), 40, 4);
    return headerBytes({ subject, reply, data, size: () => size } as unknown as Msg);
  };
  it.each([
    ['as it is', 4 + 2 + 12, 'ab', '', 12],
    ['not less than nothing', 4 + 2 + 12, 'ab', '\ufffd'.repeat(20), 0],
    ['not more than what stands in front', 4 + 2 + 1_000, 'ab', '', 40],
  ])('is %s', (_what, size, subject, reply, expected) => {
    expect(bytes(size, subject, reply)).toBe(expected);
  });
});
