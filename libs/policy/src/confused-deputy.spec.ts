/**
 * A reply subject is not checked against the sender's permissions: the server itself publishes the answer there. In one
 * shared account a client that may only read can so have a stream deleted or events forged. The same attacks are made
 * here twice: on one shared account with exact subject permissions (the control: they work), and on the rendered config,
 * where a reply stays in the attacker's own account and reaches no stream.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DevPki, startNatsServer, type NatsProcess } from '@everseal/local';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { identitiesOf } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import { provisionStreams } from './provision.js';
import { renderNats } from './render-nats.js';

const POLICY = parsePolicy(
  `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a, b], spoolBytes: 1048576 }, { name: system, ingesters: [b], spoolBytes: 1048576 }]
systemLedger: system
producers:
  - { name: billing, ledgers: [main], sources: ['*'] }
  - { name: orders, ledgers: [main], sources: ['*'] }
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }, { name: s2 }]
verifiers: [{ name: v1 }, { name: v2 }]
ops: [{ name: ops }]
broker: { alertBytes: 4194304 }
`,
  'everseal.yaml',
);

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-deputy-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const STREAMS = ['FRAMES_main', 'ANNOUNCEMENTS', 'ALERTS'];

/** What an attack could change: which streams there are, and what is in them. */
async function stateOf(owner: JetStreamManager): Promise<unknown> {
  return Promise.all(
    STREAMS.map((name) =>
      owner.streams.info(name, { subjects_filter: '>' }).then(
        ({ config, created, state }) => ({ name, config, created, subjects: state.subjects, last: state.last_seq }),
        (error: Error) => ({ name, gone: error.message }),
      ),
    ),
  );
}

/**
 * Sends one request whose answer the server is to deliver to `reply`, and waits until it has: the same request asked
 * properly after it is answered after it, and what it caused is handled before the owner's next question.
 */
async function attack(thief: NatsConnection, subject: string, payload: string, reply: string): Promise<void> {
  thief.publish(subject, payload, { reply });
  await thief.request(subject, payload, { timeout: 2_000 }).catch((error: Error) => error);
  await thief.flush();
}

describe('control: everybody in one account, with exact subject permissions', () => {
  let nats: NatsProcess;
  let owner: NatsConnection;
  let reader: NatsConnection;
  let manager: JetStreamManager;

  const CONFIG = `
    listen: "127.0.0.1:-1"
    jetstream { store_dir: "jetstream" }
    authorization { users: [
      { user: owner, password: p }
      { user: reader, password: p, permissions: {
        publish: ["$JS.API.STREAM.INFO.FRAMES_main", "$JS.API.DIRECT.GET.FRAMES_main"], subscribe: ["_INBOX.>"] } }
    ] }`;

  beforeAll(async () => {
    nats = await startNatsServer({ dir: path.join(dir, 'shared'), config: CONFIG });
    const as = (user: string) => connect({ servers: `127.0.0.1:${nats.port}`, user, pass: 'p', reconnect: false });
    [owner, reader] = [await as('owner'), await as('reader')];
    manager = await jetstreamManager(owner);
    await provisionStreams(owner, POLICY);
  });

  afterAll(async () => {
    await Promise.all([owner?.close(), reader?.close()]);
    await nats?.stop();
  });

  it('the reader may not do any of it directly', async () => {
    for (const subject of ['$JS.API.STREAM.DELETE.FRAMES_main', 'audit.frames.main.a', 'audit.alerts.log.forked']) {
      await expect(reader.request(subject, '')).rejects.toThrow(/Permissions Violation/);
    }
  });

  it('forges a frame and an alert through the reply subject', async () => {
    const { seq } = await jetstream(owner).publish('audit.frames.main.a', 'a frame');
    await attack(reader, '$JS.API.DIRECT.GET.FRAMES_main', JSON.stringify({ seq }), 'audit.frames.main.b');
    await attack(reader, '$JS.API.STREAM.INFO.FRAMES_main', '', 'audit.alerts.log.forked');
    const { state } = await manager.streams.info('FRAMES_main', { subjects_filter: '>' });
    expect(state.subjects).toEqual({ 'audit.frames.main.a': 1, 'audit.frames.main.b': 1 });
    expect((await manager.streams.info('ALERTS')).state.messages).toBe(1);
  });

  it('deletes the stream, deny_delete and deny_purge notwithstanding', async () => {
    const { seq } = await jetstream(owner).publish('audit.frames.main.a', '');
    const deletion = '$JS.API.STREAM.DELETE.FRAMES_main';
    await attack(reader, '$JS.API.DIRECT.GET.FRAMES_main', JSON.stringify({ seq }), deletion);
    await expect(manager.streams.info('FRAMES_main')).rejects.toMatchObject({ code: 10_059 });
  });
});

describe('the rendered config', () => {
  let nats: NatsProcess;
  let owner: JetStreamManager;
  const connections = new Map<string, NatsConnection>();
  const as = (commonName: string): NatsConnection => {
    const connection = connections.get(commonName);
    if (connection === undefined) throw new Error(`nobody is called ${commonName}`);
    return connection;
  };

  /** Sequence of a message with an empty body, which JetStream's API takes for "no options". */
  let empty: number;
  /** Sequence of a message whose body is a request to the API. */
  let order: number;

  beforeAll(async () => {
    const pki = await DevPki.open(path.join(dir, 'pki'));
    const server = await pki.ensureServer('nats');
    const options = { ...server, serverName: 'n1', port: -1, storeDir: path.join(dir, 'jetstream') };
    nats = await startNatsServer({ dir: path.join(dir, 'nats'), config: renderNats(POLICY, options) });
    for (const identity of identitiesOf(POLICY).filter(({ account }) => account !== null)) {
      const { certFile, keyFile, caFile } = await pki.ensureClient(identity);
      const tls = { certFile, keyFile, caFile, handshakeFirst: true };
      const inboxPrefix = identity.inboxPrefix ?? '';
      const servers = `localhost:${nats.port}`;
      connections.set(identity.commonName, await connect({ servers, tls, inboxPrefix, reconnect: false }));
    }
    await provisionStreams(as('provisioner-deploy'), POLICY);
    owner = await jetstreamManager(as('provisioner-deploy'), { checkAPI: false });
    const lane = jetstream(as('ingest-a'), { apiPrefix: 'JSA' });
    empty = (await lane.publish('audit.frames.main.a', '')).seq;
    order = (await lane.publish('audit.frames.main.a', '{"seq":1}')).seq;
    await jetstream(as('verifier-v1')).publish('audit.alerts.log.forked', '');
    await jetstream(as('sealer-s1')).publish('audit.announce.main', '');
  });

  afterAll(async () => {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
    await nats?.stop();
  });

  const API = ['JSA', '$JS.API'];
  const TARGETS = [
    ...API.flatMap((prefix) => [
      `${prefix}.STREAM.DELETE.FRAMES_main`,
      `${prefix}.STREAM.PURGE.FRAMES_main`,
      `${prefix}.STREAM.MSG.DELETE.FRAMES_main`,
      `${prefix}.STREAM.DELETE.ALERTS`,
      `${prefix}.STREAM.DELETE.ANNOUNCEMENTS`,
    ]),
    'audit.frames.main.a',
    'audit.frames.main.b',
    'audit.announce.main',
    'audit.alerts.log.forked',
  ];

  /** Every question somebody may ask whose answer an attacker could aim. */
  const questions = (): [string, string, string][] => [
    ...['ingest-b', 'sealer-s1', 'verifier-v1'].flatMap((thief): [string, string, string][] => [
      [thief, 'JSA.DIRECT.GET.FRAMES_main', JSON.stringify({ seq: empty })],
      [thief, 'JSA.DIRECT.GET.FRAMES_main', JSON.stringify({ seq: order })],
      [thief, 'JSA.STREAM.INFO.FRAMES_main', ''],
    ]),
    ...['verifier-v1', 'ops-ops'].flatMap((thief): [string, string, string][] => [
      [thief, 'JSA.DIRECT.GET.ALERTS', '{"seq":1}'],
      [thief, 'JSA.STREAM.INFO.ALERTS', ''],
      [thief, 'JSA.DIRECT.GET.ANNOUNCEMENTS.audit.announce.main', ''],
    ]),
    ['ingest-b', '$SYS.REQ.SERVER.PING.JSZ', ''],
  ];

  it('no answer of the server, aimed at a stream or its API, changes anything', async () => {
    const before = await stateOf(owner);
    for (const [thief, subject, payload] of questions()) {
      for (const target of TARGETS) as(thief).publish(subject, payload, { reply: target });
      await attack(as(thief), subject, payload, 'audit.frames.main.b');
    }
    expect(await stateOf(owner)).toEqual(before);
  });

  it('no PubAck, aimed at a stream or its API, does more than acknowledge', async () => {
    const sent = { 'ingest-b': 'audit.frames.main.b', 'sealer-s1': 'audit.announce.main' };
    const stored = async () =>
      Promise.all(STREAMS.map(async (name) => (await owner.streams.info(name)).state.last_seq));
    const before = await stored();
    for (const [thief, subject] of Object.entries(sent)) {
      for (const target of TARGETS) as(thief).publish(subject, 'mine', { reply: target });
      await attack(as(thief), subject, 'mine', 'audit.alerts.log.forked');
    }
    // Exactly the messages they may send themselves: one a target, one of the attack, one asked properly.
    const own = TARGETS.length + 2;
    expect(await stored()).toEqual([before[0]! + own, before[1]! + own, before[2]]);
  });

  it('no answer of another service, aimed at a stream, gets there', async () => {
    const submits = as('ingest-a').subscribe('audit.submit.main.*', {
      queue: 'ingest',
      callback: (_error, message) => void message.respond('receipt'),
    });
    as('verifier-v1').subscribe('audit.hold.main.v1', { callback: (_error, message) => void message.respond('held') });
    await Promise.all([as('ingest-a').flush(), as('verifier-v1').flush()]);
    const before = await stateOf(owner);
    for (const target of [...TARGETS, 'audit.submit.main.orders', 'audit.claim.main.orders']) {
      await attack(as('producer-billing'), 'audit.submit.main.billing', 'event', target);
      await attack(as('sealer-s1'), 'audit.hold.main.v1', '{"size":1}', target);
    }
    expect(await stateOf(owner)).toEqual(before);
    submits.unsubscribe();
  });

  it('a reply subject reaches listeners of the same account and of no other', async () => {
    const heard: string[] = [];
    const listen = (commonName: string, subject: string): void =>
      void as(commonName).subscribe(subject, { callback: () => void heard.push(`${commonName} ${subject}`) });
    listen('ops-ops', 'audit.heartbeat.*.*');
    listen('ops-ops', 'audit.alerts.*.*.*');
    listen('sealer-s1', 'audit.heartbeat.verifier.*');
    listen('verifier-v2', 'audit.heartbeat.*.*');
    for (const listener of ['ops-ops', 'sealer-s1', 'verifier-v2']) await as(listener).flush();
    await attack(as('verifier-v1'), 'JSA.STREAM.INFO.ALERTS', '', 'audit.heartbeat.verifier.v2');
    await attack(as('verifier-v1'), 'JSA.STREAM.INFO.ALERTS', '', 'audit.alerts.log.forked');
    for (const listener of ['ops-ops', 'sealer-s1', 'verifier-v2']) await as(listener).flush();
    expect(heard).toEqual(['verifier-v2 audit.heartbeat.*.*']);
  });

  it('an answer aimed at a request subject of the same account carries no reply subject', async () => {
    // An ingester could store anything in its lane and aim it at a sibling as an event of billing; whoever serves
    // requests therefore drops those without a reply subject, and cannot be made to sign what no producer sent.
    const replies: (string | undefined)[] = [];
    as('ingest-b').subscribe('audit.submit.main.*', {
      queue: 'ingest',
      callback: (_error, message) => void replies.push(message.reply),
    });
    await as('ingest-b').flush();
    const { seq } = await jetstream(as('ingest-b'), { apiPrefix: 'JSA' }).publish('audit.frames.main.b', '{"id":"1"}');
    await attack(as('ingest-b'), 'JSA.DIRECT.GET.FRAMES_main', JSON.stringify({ seq }), 'audit.submit.main.billing');
    await as('ingest-b').flush();
    expect(replies.map((reply) => reply ?? '')).toEqual(['']);
  });

  it('no service can be made to speak for a sibling in the system ledger', async () => {
    // What s2 aims at s1's subject does come across, as what s1 would have said; it asks for no receipt, and is dropped.
    const heard: [string, string][] = [];
    as('ingest-b').subscribe('audit.submit.system.*', {
      queue: 'ingest',
      callback: (_error, message) => {
        heard.push([message.subject, message.reply ?? '']);
        message.respond('receipt');
      },
    });
    await as('ingest-b').flush();
    const { seq } = await jetstream(as('ingest-a'), { apiPrefix: 'JSA' }).publish('audit.frames.main.a', '{"id":"1"}');
    const read = JSON.stringify({ seq });
    await attack(as('sealer-s2'), 'JSA.DIRECT.GET.FRAMES_main', read, 'audit.submit.system.sealer-s1');
    await attack(as('verifier-v2'), 'JSA.DIRECT.GET.FRAMES_main', read, 'audit.submit.system.verifier-v1');
    await attack(as('ingest-a'), 'JSA.DIRECT.GET.FRAMES_main', read, 'audit.submit.system.ingest-b');
    await attack(as('producer-billing'), 'audit.submit.main.billing', 'event', 'audit.submit.system.sealer-s1');
    await as('ingest-b').flush();
    expect(heard).toEqual([
      ['audit.submit.system.sealer-s1', ''],
      ['audit.submit.system.verifier-v1', ''],
      ['audit.submit.system.ingest-b', ''],
    ]);
    // Control: what s1 says itself asks for one.
    const answer = await as('sealer-s1').request('audit.submit.system.sealer-s1', 'event', { timeout: 2_000 });
    expect(answer.string()).toBe('receipt');
    expect(heard.at(-1)?.[1]).not.toBe('');
  });
});
