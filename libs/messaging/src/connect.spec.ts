import { copyFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DevPki, freePort, waitUntil } from '@everseal/local';
import { temporaryFolder } from '@everseal/testing';
import { connect } from '@nats-io/transport-node';
import { connectOptions, PolicyBroker } from './broker.fixture.js';
import { connectNats } from './connect.js';
import type { NatsLink, NatsOptions } from './connect.js';
import { listen } from './listen.js';
import { request } from './request.js';
import { StreamReader } from './stream-reader.js';

let broker: PolicyBroker;
beforeAll(async () => void (broker = await PolicyBroker.start()));
afterAll(() => broker.stop());

const frames = (link: NatsLink) => new StreamReader(link, 'FRAMES_main', { timeoutMs: 2_000 });

describe('connectNats', () => {
  const quick = { firstConnectMs: 300 };

  async function refused(change: (options: NatsOptions) => Partial<NatsOptions>): Promise<string> {
    const options = await connectOptions(broker.nats, broker.who('ingest', 'a'), quick);
    const error: unknown = await connectNats({ ...options, ...change(options) }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'nats.unreachable', fate: 'stop' });
    return (error as Error).message;
  }

  it('says that nothing listens, and where', async () => {
    const server = `tls://localhost:${await freePort()}`;
    const message = await refused(() => ({ servers: [server] }));
    expect(message).toContain(`no connection to NATS at ${server} within 300 ms: nothing listens there`);
  });

  it('says that a root does not fit, on either side', async () => {
    const folder = temporaryFolder('other-pki');
    try {
      const others = await DevPki.open(folder.path);
      const stranger = await others.ensureClient(broker.who('ingest', 'a'));
      const ours = await broker.nats.pki.ensureClient(broker.who('ingest', 'a'));
      expect(await refused(() => ({ tls: { ...ours, caFile: others.serversRootFile } }))).toContain(
        "caFile does not hold the root of the server's certificate",
      );
      expect(await refused(() => ({ tls: { ...stranger, caFile: ours.caFile } }))).toContain(
        "the server does not trust our certificate's issuer",
      );
    } finally {
      folder.remove();
    }
  });

  it('says that the server knows no such user', async () => {
    const tls = await broker.nats.pki.ensureClient({
      commonName: 'ingest-z',
      uri: 'spiffe://audit.example.com/svc/ingest/z',
    });
    expect(await refused(() => ({ tls }))).toContain('the server has no user for our certificate');
  });

  it('waits for a server that starts late', async () => {
    const warnings: string[] = [];
    const logger = { info: () => {}, error: () => {}, warn: (_: object, text: string) => void warnings.push(text) };
    broker.nats.process.kill();
    await broker.nats.process.process.exited;
    const opening = broker.link('ingest', 'b', { logger });
    await waitUntil(() => warnings.length > 0, { what: 'a first failed attempt' });
    await broker.nats.restart();
    const link = await opening;
    expect(link.connected).toBe(true);
    expect(link.maxPayload).toBe(1_048_576);
  });
});

describe('NatsLink', () => {
  it('comes back after more failed attempts than the library would make by itself', async () => {
    const events: string[] = [];
    const link = await broker.link('sealer', 's1');
    link.listen({ disconnected: () => events.push('disconnected'), reconnected: () => events.push('reconnected') });
    let attempts = 0;
    void (async () => {
      for await (const status of link.nc.status()) if (status.type === 'reconnecting') attempts += 1;
    })();
    // Control: the library's own default, sped up.
    const { tls, servers, inboxPrefix } = await connectOptions(broker.nats, broker.who('ops', 'ops'));
    const control = await connect({
      servers: [...servers],
      inboxPrefix,
      tls: { ...tls, handshakeFirst: true },
      reconnectTimeWait: 10,
      reconnectJitterTLS: 1,
    });
    broker.nats.process.kill();
    await control.closed();
    await waitUntil(() => attempts > 11, { what: 'more than 11 attempts' });
    expect(link.connected).toBe(false);
    await broker.nats.restart();
    await waitUntil(() => link.connected, { what: 'connected again' });
    await expect(frames(link).info()).resolves.toMatchObject({ name: 'FRAMES_main' });
    expect(events).toEqual(['disconnected', 'reconnected']);
    expect(link.counts).toMatchObject({ disconnects: 1, reconnects: 1 });
  }, 20_000);

  it('comes back at once although the clock was set back since it connected', async () => {
    const { tls, servers, inboxPrefix } = await connectOptions(broker.nats, broker.who('ops', 'ops'));
    const clock = jest.spyOn(Date, 'now');
    const right = (): number => performance.timeOrigin + performance.now();
    clock.mockImplementation(() => right() + 3_600_000);
    try {
      const link = await broker.link('sealer', 's1');
      // Control: the library's own pauses.
      const control = await connect({
        servers: [...servers],
        inboxPrefix,
        tls: { ...tls, handshakeFirst: true },
        maxReconnectAttempts: -1,
      });
      clock.mockImplementation(right);
      let isControlBack = false;
      void (async () => {
        for await (const { type } of control.status()) isControlBack ||= type === 'reconnect';
      })();
      await broker.nats.restart();
      await waitUntil(() => link.connected && link.counts.reconnects === 1, { what: 'connected again' });
      await expect(frames(link).info()).resolves.toMatchObject({ name: 'FRAMES_main' });
      // Longer than its pause, many times over.
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      expect(isControlBack).toBe(false);
      await control.close();
    } finally {
      clock.mockRestore();
    }
  }, 40_000);

  it('ends requests in flight when the connection breaks, and refuses new ones until it is back', async () => {
    const link = await broker.link('sealer', 's1');
    broker.nats.process.kill('SIGSTOP');
    const inFlight = frames(link).info();
    const watched = inFlight.catch((error: unknown) => error);
    broker.nats.process.kill('SIGKILL');
    expect(await watched).toMatchObject({ code: 'nats.disconnected', fate: 'retry' });
    await expect(frames(link).info()).rejects.toMatchObject({ code: 'nats.disconnected' });
    await broker.nats.restart();
    await waitUntil(() => link.connected, { what: 'connected again' });
    await expect(frames(link).info()).resolves.toBeDefined();
  });

  it('gives up a server that does not answer pings, and comes back when it does', async () => {
    const link = await broker.link('sealer', 's1', { pingMs: 50 });
    broker.nats.process.kill('SIGSTOP');
    try {
      await waitUntil(() => !link.connected, { what: 'the dead server was noticed' });
    } finally {
      broker.nats.process.kill('SIGCONT');
    }
    expect(link.counts.stale).toBe(1);
    await waitUntil(() => link.connected, { what: 'connected again' });
  });

  it('tells what the server forbids: the log, the count, the listener, the request', async () => {
    const errors: string[] = [];
    const logger = { info: () => {}, warn: () => {}, error: (_: object, text: string) => void errors.push(text) };
    const link = await broker.link('ops', 'ops', { logger });
    const forbidden: string[] = [];
    link.listen({ forbidden: ({ operation, subject }) => forbidden.push(`${operation} ${subject}`) });
    // A publish nobody waits for: succeeds as far as the library is concerned.
    link.nc.publish('audit.nudge.main', '');
    await link.nc.flush();
    await waitUntil(() => forbidden.length > 0, { what: 'the violation' });
    await expect(request(link, 'audit.claim.main.billing', '{}', { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'nats.forbidden',
    });
    expect(forbidden).toEqual(['publish audit.nudge.main', 'publish audit.claim.main.billing']);
    expect(link.counts.forbidden).toBe(2);
    expect(errors[0]).toBe('NATS forbids publish on audit.nudge.main to this certificate');
  });

  it('counts a flood of what the server forbids in full, and logs it in part', async () => {
    const errors: string[] = [];
    const logger = { info: () => {}, warn: () => {}, error: (_: object, text: string) => void errors.push(text) };
    const link = await broker.link('ops', 'ops', { logger });
    for (let i = 0; i < 500; i += 1) link.nc.publish(`audit.nudge.${i}`, '');
    await link.nc.flush();
    await waitUntil(() => link.counts.forbidden === 500, { what: 'the violations' });
    expect(errors).toHaveLength(10);
    await link.close();
    await waitUntil(() => errors.length === 11, { what: 'the count' });
    expect(errors[10]).toBe('NATS forbade or reported 490 more');
  });

  it('tells the owner of a subscription that the server forbids it', async () => {
    const link = await broker.link('ops', 'ops');
    const fault = await new Promise<Error>((resolve) =>
      listen(link, 'audit.submit.main.billing', { onMessage: () => {}, onFault: resolve }),
    );
    expect(fault).toMatchObject({ code: 'nats.subscription-lost', fate: 'stop' });
    expect(link.connected).toBe(true);
  });

  it("survives a forbidden inbox and says so: the prefix of somebody else's", async () => {
    const link = await broker.link('sealer', 's1', { inboxPrefix: '_INBOX_ingest-a' });
    await expect(frames(link).info()).rejects.toMatchObject({ code: 'nats.forbidden' });
    await expect(frames(link).info()).rejects.toMatchObject({ code: 'nats.forbidden' });
    expect(link.connected).toBe(true);
  });

  it('says when the connection is over for good, but not when it was closed on purpose', async () => {
    const closed: string[] = [];
    const onClosed = (error: Error & { code: string }) => void closed.push(error.code);
    const link = await broker.link('ops', 'ops', { onClosed });
    await link.nc.close();
    await waitUntil(() => closed.length > 0, { what: 'onClosed' });
    expect(link.connected).toBe(false);
    const other = await broker.link('ops', 'ops', { onClosed });
    await other.close();
    expect(closed).toEqual(['nats.closed']);
  });
});

describe('a renewed certificate', () => {
  let link: NatsLink | undefined;
  afterEach(() => link?.close());

  it('is used from the next reconnect on, without a restart of the process', async () => {
    // Two identities, so that the server's answers tell which certificate is in use.
    const pki = broker.nats.pki;
    const [a, b] = await Promise.all(['a', 'b'].map((name) => pki.ensureClient(broker.who('ingest', name))));
    const files = { certFile: `${a!.certFile}.live`, keyFile: `${a!.keyFile}.live`, caFile: a!.caFile };
    const put = async (from: { certFile: string; keyFile: string }) => {
      await copyFile(from.certFile, files.certFile);
      await copyFile(from.keyFile, files.keyFile);
    };
    await put(a!);
    link = await connectNats(await connectOptions(broker.nats, broker.who('ingest', 'a'), { tls: files }));
    const lane = (name: string) => frames(link!).lastBySubject(`audit.frames.main.${name}`);
    await expect(lane('a')).resolves.toBeNull();
    await expect(lane('b')).rejects.toMatchObject({ code: 'nats.forbidden' });

    // Half-written files: the connection in use stays, a new one cannot be made until they are whole.
    await writeFile(files.keyFile, 'not a key');
    await expect(lane('a')).resolves.toBeNull();
    await link.reconnect();
    await waitUntil(() => !link!.connected, { what: 'disconnected' });
    await put(b!);
    await waitUntil(() => link!.connected, { what: 'connected with the new pair' });
    // Now it is ingest-b, who may not listen to the inbox of ingest-a.
    await expect(lane('b')).rejects.toMatchObject({
      code: 'nats.forbidden',
      message: expect.stringContaining('the server forbids our inbox _INBOX_ingest-a.'),
    });
  });
});
