import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FormatError } from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { RawNats } from '@everseal/testing';
import { headers, type Msg } from '@nats-io/transport-node';
import { LabBroker } from './broker.fixture.js';
import type { NatsLink } from './connect.js';
import { listen } from './listen.js';
import { request } from './request.js';
import { serve } from './responder.js';
import type { ServeOptions, Serving } from './responder.js';

let lab: LabBroker;
let server: NatsLink;
let client: NatsLink;
let logged: string[];
const servings: Serving[] = [];

beforeAll(async () => {
  lab = await LabBroker.start();
  server = await lab.link();
  client = await lab.link();
});
afterAll(() => lab.stop());

async function offer(subject: string, handler: ServeOptions['handler'], more: Partial<ServeOptions> = {}) {
  logged = [];
  const logger = { info: () => {}, warn: () => {}, error: (_: object, text: string) => void logged.push(text) };
  const serving = serve(server, subject, { handler, logger, onFault: () => {}, ...more });
  servings.push(serving);
  await server.nc.flush();
  return serving;
}
const ask = (subject: string, data = '', own: Record<string, string> = {}) =>
  request(client, subject, data, { timeoutMs: 5_000, headers: own });

describe('serve and request', () => {
  it('carry bytes and headers both ways', async () => {
    await offer('echo', async ({ data, header, subject }) => ({
      data,
      headers: { Status: header('Want') ?? 'none', From: subject },
    }));
    const answer = await ask('echo', 'hello', { Want: '409' });
    expect(answer.data.toString()).toBe('hello');
    expect([answer.header('Status'), answer.header('From'), answer.header('Other')]).toEqual([
      '409',
      'echo',
      undefined,
    ]);
  });

  it("do not take somebody else's answer, nor somebody else's error. Control: with the name of the request they do", async () => {
    const own = (message: Msg): string => message.headers?.get('Everseal-Request') ?? '';
    let name = own;
    const answering = (subject: string, isError: boolean) =>
      server.nc.subscribe(subject, {
        callback: (_error, message) => {
          const all = headers();
          if (name(message) !== '') all.set('Everseal-Request', name(message));
          if (isError) all.set('Nats-Service-Error-Code', 'gap.unknown');
          message.respond('{}', { headers: all });
        },
      });
    const astray = [answering('astray.answer', false), answering('astray.error', true)];
    await server.nc.flush();
    for (const foreign of [() => 'f'.repeat(32), () => '']) {
      name = foreign;
      await expect(ask('astray.answer')).rejects.toMatchObject({ code: 'answer.astray', fate: 'retry' });
      await expect(ask('astray.error')).rejects.toMatchObject({ code: 'answer.astray', fate: 'retry' });
    }
    name = own;
    expect((await ask('astray.answer')).data.toString()).toBe('{}');
    await expect(ask('astray.error')).rejects.toMatchObject({ code: 'gap.unknown' });
    for (const subscription of astray) subscription.unsubscribe();
  });

  it('carry a refusal by type: code, message, whether to come again', async () => {
    const failures = [
      new FormatError('resend.number', 'no such\nnumber'),
      Object.assign(new Error('not yet'), { code: 'hold.behind', fate: 'retry' }),
      Object.assign(new Error('never'), { code: 'hold.no', fate: 'refuse' }),
    ];
    await offer('refuse', async ({ data }) => {
      throw failures[Number(data.toString())];
    });
    await expect(ask('refuse', '0')).rejects.toMatchObject({ code: 'resend.number', fate: 'refuse' });
    await expect(ask('refuse', '1')).rejects.toMatchObject({ code: 'hold.behind', fate: 'retry', message: 'not yet' });
    await expect(ask('refuse', '2')).rejects.toMatchObject({ code: 'hold.no', fate: 'refuse', message: 'never' });
    expect(logged).toEqual([]);
  });

  it('keep an unforeseen failure to the log', async () => {
    await offer('broken', async () => {
      throw new Error('password is 1234');
    });
    const error: unknown = await ask('broken').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'service.failed', fate: 'retry' });
    expect((error as Error).message).not.toContain('1234');
    expect(logged).toEqual(['failed to answer on broken: password is 1234']);
  });

  it('answer that an answer is too large instead of saying nothing', async () => {
    await offer('large', async () => Buffer.alloc(2 * 1024 * 1024));
    await expect(ask('large')).rejects.toMatchObject({ code: 'service.failed' });
  });

  it('run a bounded number at once, let some wait, and turn the rest away', async () => {
    let running = 0;
    let most = 0;
    const held: (() => void)[] = [];
    await offer(
      'slow',
      async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => held.push(resolve));
        running -= 1;
        return Buffer.from('done');
      },
      { concurrency: 2 },
    );
    const asked = Array.from({ length: 13 }, () =>
      ask('slow').then(
        () => 'done',
        (error: { code: string }) => error.code,
      ),
    );
    // Two run, eight wait, three are told to come again.
    expect(await Promise.race(asked)).toBe('service.busy');
    for (let i = 0; i < 10; i++) {
      while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
      held.shift()!();
    }
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => answer === 'done')).toHaveLength(10);
    expect(answers.filter((answer) => answer === 'service.busy')).toHaveLength(3);
    expect(most).toBe(2);
  });

  it('answer a request whose headers no client would send, also when they are busy', async () => {
    const held: (() => void)[] = [];
    const holding = async () => {
      await new Promise<void>((resolve) => held.push(resolve));
      return Buffer.from('{"done":true}');
    };
    await offer('odd', holding, { concurrency: 1 });
    const raw = await RawNats.open(lab.nats.port, await lab.certificate(), '_INBOX_lab.raw');
    const odd = 'NATS/1.0\r\na b: 1\nEverseal-Request: x\r\n: y\r\n\r\n';
    for (let i = 0; i < 5; i++) raw.publish('odd', odd, '', '_INBOX_lab.other');
    expect(await raw.ask('odd', odd, '')).toContain('service.busy');
    const waiting = raw.ask('odd', 'NATS/1.0\r\nEverseal-Request: own\r\n\r\n', '');
    expect(await waiting).toMatch(/Everseal-Request: own/i);
    raw.close();
    const still = ask('odd').catch((error: { code: string }) => error.code);
    expect(await still).toBe('service.busy');
    for (let i = 0; i < 5; i++) {
      await waitUntil(() => held.length > 0, { what: 'the next request' });
      held.shift()!();
    }
  });

  it.each([
    ['that is not UTF-8', `_INBOX_lab.${'\xff'.repeat(1_500)}`],
    ['that is too long to be said with the headers of an answer', `_INBOX_lab.${'x'.repeat(4_040)}`],
  ])('drop a request with a reply subject %s', async (_what, reply) => {
    let served = 0;
    await offer('strange', async () => Buffer.from(String((served += 1))));
    const raw = await RawNats.open(lab.nats.port, await lab.certificate(), '_INBOX_lab.raw');
    raw.publish('strange', 'NATS/1.0\r\n\r\n', '', reply);
    // From the same connection, so that it comes behind.
    raw.publish('strange', 'NATS/1.0\r\n\r\n', '', `_INBOX_lab.${'x'.repeat(245)}`);
    await waitUntil(() => served > 0, { what: 'the request behind it' });
    await server.nc.flush();
    expect([served, server.connected, server.counts.disconnects]).toEqual([1, true, 0]);
    raw.close();
    await servings.pop()?.stop();
  });

  it('give each request of a queue group to one member', async () => {
    let served = 0;
    const handler = async () => Buffer.from(String(++served));
    await offer('group', handler, { queue: 'g' });
    await offer('group', handler, { queue: 'g' });
    await Promise.all(Array.from({ length: 20 }, () => ask('group')));
    expect(served).toBe(20);
  });

  it('finish what runs when they stop; then nobody is there', async () => {
    const running: (() => void)[] = [];
    const serving = await offer('ending', async () => {
      await new Promise<void>((resolve) => running.push(resolve));
      return Buffer.from('finished');
    });
    const asked = ask('ending');
    while (running.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopped = serving.stop();
    running.forEach((finish) => finish());
    expect((await asked).data.toString()).toBe('finished');
    await stopped;
    await expect(ask('ending')).rejects.toMatchObject({ code: 'nats.no-responders', fate: 'retry' });
  });

  it('drop a message that nobody waits for', async () => {
    let served = 0;
    await offer('quiet', async () => Buffer.from(String(++served)));
    client.nc.publish('quiet', '');
    await client.nc.flush();
    await ask('quiet');
    expect(served).toBe(1);
  });
});

describe('request', () => {
  it('ends when nobody answers', async () => {
    const mute = listen(server, 'mute', { onMessage: () => {}, onFault: () => {} });
    await server.nc.flush();
    await expect(request(client, 'mute', '', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'nats.timeout' });
    await mute.stop();
  });
});

describe('listen', () => {
  it('survives a callback that throws, and reports it', async () => {
    const faults: string[] = [];
    const seen: string[] = [];
    const listening = listen(server, 'news', {
      onMessage: (message) => {
        seen.push(message.string());
        if (message.string() === 'bad') throw new Error('cannot take it');
      },
      onFault: (error) => void faults.push(error.message),
    });
    await server.nc.flush();
    for (const text of ['good', 'bad', 'better']) client.nc.publish('news', text);
    await client.nc.flush();
    await server.nc.flush();
    expect(seen).toEqual(['good', 'bad', 'better']);
    expect(faults).toEqual(['cannot take it']);
    await listening.stop();
  });

  it('takes no message after stop', async () => {
    const seen: string[] = [];
    const listening = listen(server, 'late', {
      onMessage: (message) => void seen.push(message.string()),
      onFault: () => {},
    });
    await server.nc.flush();
    client.nc.publish('late', 'before');
    await client.nc.flush();
    await listening.stop();
    client.nc.publish('late', 'after');
    await client.nc.flush();
    await server.nc.flush();
    expect(seen).toEqual(['before']);
  });
});
