/**
 * The rendered config on a real nats-server, with real certificates: what each identity may do works, everything else is
 * refused. `broker-rights.ts` says what "may" means; this asks the server, subject by subject, and then sends one message
 * along every way and looks who hears it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls, { type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DevPki, startNatsServer, waitUntil, type CertificateFiles, type NatsProcess } from '@everseal/local';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import {
  connect,
  PermissionViolationError,
  RequestError,
  TimeoutError,
  type ConnectionOptions,
  type NatsConnection,
} from '@nats-io/transport-node';
import { brokerRightsOf, REPLY_WITHIN_MS, type BrokerRight } from './broker-rights.js';
import { identitiesOf, identityOf, type Identity, type Service } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import type { Policy } from './policy.js';
import { provisionStreams } from './provision.js';
import { renderNats } from './render-nats.js';

const TEXT = `
domain: audit.example.com
ledgers:
  - { name: main, ingesters: [a, b], spoolBytes: 2097152 }
  - { name: extra, ingesters: [b], spoolBytes: 2097152 }
  - { name: system, ingesters: [b], spoolBytes: 2097152 }
systemLedger: system
producers:
  - { name: billing, ledgers: [main], sources: ['*'] }
  - { name: orders, ledgers: [main, extra], sources: ['*'] }
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }, { name: s2 }]
verifiers: [{ name: v1 }, { name: v2 }]
ops: [{ name: ops }]
readers: [{ name: r1 }, { name: r2 }]
followers: [{ name: f1 }, { name: f2 }]
auditors: [{ name: anna, ledgers: [main] }]
broker: { alertBytes: 4194304, maxConnectionsPerProducer: 3 }
`;
const POLICY = parsePolicy(TEXT, 'everseal.yaml');

const IDENTITIES = identitiesOf(POLICY).filter(({ account }) => account !== null);
const RUNNING = IDENTITIES.filter(({ service }) => service !== 'provisioner');

let dir: string;
let pki: DevPki;
let nats: NatsProcess;
const connections = new Map<string, NatsConnection>();

async function configOf(policy: Policy, port = -1): Promise<string> {
  const server = await pki.ensureServer('nats');
  return renderNats(policy, { ...server, serverName: 'n1', port, storeDir: path.join(dir, 'jetstream') });
}

const optionsOf = ({ certFile, keyFile, caFile }: CertificateFiles, inboxPrefix?: string): ConnectionOptions => ({
  servers: `localhost:${nats.port}`,
  tls: { certFile, keyFile, caFile, handshakeFirst: true },
  reconnect: false,
  timeout: 3_000,
  ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
});

async function connectAs(identity: Identity): Promise<NatsConnection> {
  return connect(optionsOf(await pki.ensureClient(identity), identity.inboxPrefix ?? undefined));
}

/** The open connection of an identity, by its common name. */
function as(commonName: string): NatsConnection {
  const connection = connections.get(commonName);
  if (connection === undefined) throw new Error(`nobody is called ${commonName}`);
  return connection;
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-broker-'));
  pki = await DevPki.open(path.join(dir, 'pki'));
  nats = await startNatsServer({ dir: path.join(dir, 'nats'), config: await configOf(POLICY) });
  await Promise.all(
    IDENTITIES.map(async (identity) => connections.set(identity.commonName, await connectAs(identity))),
  );
  const provisioned = await provisionStreams(as('provisioner-deploy'), POLICY);
  expect(provisioned.map(({ outcome }) => outcome)).toEqual(provisioned.map(() => 'created'));
});

afterAll(async () => {
  await Promise.all([...connections.values()].map((connection) => connection.close()));
  await nats?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const isHeard = ({ way }: BrokerRight): boolean => way === 'subscribe' || way === 'serve';

/** A frame message of the largest size formats.md allows. */
const LARGEST = new Uint8Array(786_432);

/** NATS subject matching, written here a second time so that the matrix does not ask the code it judges. */
function covers(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split('.'), subject.split('.')];
  return wanted.length === given.length && wanted.every((token, i) => token === '*' || token === given[i]);
}

/** Names that stand for each `*` of a right, so that a pattern becomes subjects somebody could use. */
function concrete({ subject }: BrokerRight): string[] {
  if (subject.includes('.alerts.')) return [subject.replace('*.*.*', 'sealer.log.forked').replace('*.*', 'log.forked')];
  if (subject.includes('.heartbeat.*')) return ['audit.heartbeat.ingest.a', 'audit.heartbeat.verifier.v2'];
  return subject.includes('*') ? ['a', 'b', 'v1', 'billing'].map((name) => subject.replaceAll('*', name)) : [subject];
}

const DANGEROUS = [
  ...['FRAMES_main', 'ANNOUNCEMENTS', 'ALERTS'].flatMap((stream) =>
    [
      ...['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'SNAPSHOT', 'RESTORE', 'MSG.GET', 'MSG.DELETE', 'PEER.REMOVE'].map(
        (call) => `STREAM.${call}.${stream}`,
      ),
      `STREAM.LEADER.STEPDOWN.${stream}`,
      `CONSUMER.CREATE.${stream}`,
      `CONSUMER.CREATE.${stream}.thief`,
      `CONSUMER.DURABLE.CREATE.${stream}.thief`,
      `CONSUMER.DELETE.${stream}.thief`,
      `CONSUMER.LIST.${stream}`,
      `CONSUMER.MSG.NEXT.${stream}.thief`,
      `DIRECT.GET.${stream}.>`,
    ].flatMap((call) => [`JSA.${call}`, `$JS.API.${call}`]),
  ),
  ...['INFO', 'STREAM.NAMES', 'STREAM.LIST', 'META.LEADER.STEPDOWN', 'SERVER.REMOVE', 'ACCOUNT.PURGE.AUDIT'].flatMap(
    (call) => [`JSA.${call}`, `$JS.API.${call}`],
  ),
  '$JS.ACK.FRAMES_main.thief.1.1.1.1.1',
  '$JS.FC.FRAMES_main.thief',
  ...['VARZ', 'CONNZ', 'SUBSZ', 'ACCOUNTZ', 'HEALTHZ', 'STATSZ'].map((call) => `$SYS.REQ.SERVER.PING.${call}`),
  '$SYS.REQ.ACCOUNT.AUDIT.INFO',
  '$SYS.REQ.ACCOUNT.PING.CONNZ',
  '$SYS.REQ.USER.INFO',
  '$SYS.REQ.CLAIMS.UPDATE',
  'audit.frames.extra.a',
  'audit.submit.extra.billing',
  'audit.submit.main.nobody',
  'audit.submit.system.billing',
  'audit.submit.system.nobody',
  'audit.submit.main.sealer-s1',
  'audit.heartbeat.ops.ops',
  '_INBOX_billing.x',
  '_INBOX_sealer-s1.x',
  '_INBOX.x',
  '_R_.x',
  '>',
  'audit.>',
];

/** Every subject anybody may use, with names filled in and as the pattern itself, and everything nobody may. */
const EVERY_RIGHT = IDENTITIES.flatMap((identity) => brokerRightsOf(POLICY, identity));
const EVERY_SUBJECT = [
  ...new Set([...EVERY_RIGHT.flatMap((right) => [...concrete(right), right.subject]), ...DANGEROUS]),
];

/** What the server says it dropped of one message to each subject; on a connection of its own. */
async function refusedPublishes(identity: Identity, subjects: string[]): Promise<string[]> {
  const refused: string[] = [];
  const connection = await connectAs(identity);
  const watching = (async () => {
    for await (const event of connection.status()) {
      if (event.type !== 'error' || !(event.error instanceof PermissionViolationError)) continue;
      if (event.error.operation === 'publish') refused.push(event.error.subject);
    }
  })();
  for (const subject of subjects) connection.publish(subject);
  // Refusals come back before the answer to the flush, and closing ends the status.
  await connection.flush();
  await connection.close();
  await watching;
  return refused.sort();
}

async function refusedSubscriptions(connection: NatsConnection, wanted: [string, string?][]): Promise<string[]> {
  const refused: string[] = [];
  const subscriptions = wanted.map(([subject, queue]) =>
    connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error) => {
        if (error instanceof PermissionViolationError) refused.push(label(subject, queue));
      },
    }),
  );
  await connection.flush();
  await new Promise((resolve) => setImmediate(resolve));
  for (const subscription of subscriptions) subscription.unsubscribe();
  await connection.flush();
  return refused.sort();
}

const label = (subject: string, queue?: string): string => (queue === undefined ? subject : `${subject} ${queue}`);

describe.each(IDENTITIES.map((identity) => [identity.commonName, identity] as const))('%s', (_name, identity) => {
  const rights = brokerRightsOf(POLICY, identity);
  const sent = rights.filter((right) => !isHeard(right));
  const heard = rights.filter(isHeard);

  it('may publish to its own subjects and to no other', async () => {
    // A server drops a message to a wildcard subject before it looks at permissions: only literal ones are a question.
    const subjects = EVERY_SUBJECT.filter((subject) => !/[*>]/.test(subject));
    const expected = subjects.filter((subject) => !sent.some((right) => covers(right.subject, subject)));
    expect(await refusedPublishes(identity, subjects)).toEqual(expected.sort());
  });

  it('may subscribe to its own subjects and to no other', async () => {
    const queues = [undefined, 'ingest', 'verifier', 'thief'] as const;
    const wanted = EVERY_SUBJECT.flatMap((subject) => queues.map((queue): [string, string?] => [subject, queue]));
    const allowed = ([subject, queue]: [string, string?]): boolean =>
      subject.startsWith(`${identity.inboxPrefix}.`) ||
      heard.some((right) => covers(right.subject, subject) && (right.queue === undefined || right.queue === queue));
    const expected = wanted.filter((one) => !allowed(one)).map(([subject, queue]) => label(subject, queue));
    expect(await refusedSubscriptions(as(identity.commonName), wanted)).toEqual(expected.sort());
  });
});

describe('every running identity', () => {
  it.each(RUNNING.map((identity) => [identity.commonName, identity] as const))(
    '%s is refused every way to change, empty or tap a stream and to look into the server',
    async (_name, identity) => {
      const literal = DANGEROUS.filter((subject) => !/[*>]/.test(subject));
      expect(await refusedPublishes(identity, literal)).toEqual(literal.sort());
    },
  );
});

describe('one message along every way', () => {
  /** For each message's text, who heard it and under which subject. */
  const heardBy = new Map<string, string[]>();
  const flushAll = async (): Promise<void> => {
    await Promise.all([...connections.values()].map((connection) => connection.flush()));
  };

  beforeAll(async () => {
    for (const { commonName, ...identity } of RUNNING) {
      const connection = as(commonName);
      for (const right of brokerRightsOf(POLICY, { ...identity }).filter(isHeard)) {
        connection.subscribe(right.subject, {
          ...(right.queue === undefined ? {} : { queue: right.queue }),
          callback: (error, message) => {
            if (error) throw error;
            const text = message.string();
            heardBy.set(text, [...(heardBy.get(text) ?? []), `${commonName} ${message.subject}`]);
            if (right.way !== 'serve') return;
            if (text === 'twice') message.respond('first');
            message.respond(text === 'largest' ? LARGEST : commonName);
          },
        });
      }
    }
    await flushAll();
  });

  async function listenersOf(sender: string, subject: string): Promise<string[]> {
    const text = `${sender} to ${subject}`;
    as(sender).publish(subject, text);
    await as(sender).flush();
    await flushAll();
    return (heardBy.get(text) ?? []).sort();
  }

  const all = (names: string[], subject: string): string[] => names.map((name) => `${name} ${subject}`);
  const sealers = ['sealer-s1', 'sealer-s2'];
  const verifiers = ['verifier-v1', 'verifier-v2'];

  it.each([
    ['ingest-a', 'audit.nudge.main', sealers],
    ['ingest-a', 'audit.heartbeat.ingest.a', ['ops-ops', ...sealers, ...verifiers]],
    ['sealer-s2', 'audit.heartbeat.sealer.s2', ['ops-ops', ...verifiers]],
    ['verifier-v1', 'audit.heartbeat.verifier.v1', ['ops-ops', ...sealers, ...verifiers]],
    ['sealer-s1', 'audit.announce.main', ['ingest-a', 'ingest-b', 'ops-ops', ...verifiers]],
    ['sealer-s1', 'audit.announce.extra', ['ingest-b', 'ops-ops', ...verifiers]],
    ['ingest-a', 'audit.frames.main.a', []],
  ])('%s publishes %s', async (sender, subject, listeners) => {
    expect(await listenersOf(sender, subject)).toEqual(all(listeners, subject));
  });

  it.each([
    ['ingest-a', 'ingest'],
    ['sealer-s1', 'sealer'],
    ['verifier-v1', 'verifier'],
  ])('ops hears an alert of %s under the name of its service', async (sender, service) => {
    const heard = await listenersOf(sender, 'audit.alerts.log.forked');
    expect(heard).toEqual([`ops-ops audit.alerts.${service}.log.forked`]);
  });

  it.each([
    ['producer-billing', 'audit.submit.main.billing', /^ingest-[ab]$/],
    ['producer-orders', 'audit.submit.main.orders', /^ingest-[ab]$/],
    ['producer-orders', 'audit.submit.extra.orders', /^ingest-b$/],
    ['sealer-s2', 'audit.submit.system.sealer-s2', /^ingest-b$/],
    ['verifier-v1', 'audit.submit.system.verifier-v1', /^ingest-b$/],
    ['reader-r2', 'audit.submit.system.reader-r2', /^ingest-b$/],
    ['follower-f1', 'audit.submit.system.follower-f1', /^ingest-b$/],
    ['ingest-a', 'audit.submit.system.ingest-a', /^ingest-b$/],
    ['ingest-b', 'audit.submit.system.ingest-b', /^ingest-b$/],
    ['producer-billing', 'audit.claim.main.billing', /^verifier-v[12]$/],
    ['sealer-s1', 'audit.resend.main.a', /^ingest-a$/],
    ['sealer-s2', 'audit.resend.extra.b', /^ingest-b$/],
    ['sealer-s1', 'audit.hold.main.v2', /^verifier-v2$/],
    ['sealer-s2', 'audit.witness.v1', /^verifier-v1$/],
  ])('%s asks %s and is answered once', async (sender, subject, answerer) => {
    for (let round = 0; round < 8; round += 1) {
      const text = `${sender} asks ${subject}, ${round}`;
      const answer = await as(sender).request(subject, text, { timeout: 3_000 });
      expect(answer.string()).toMatch(answerer);
      expect(heardBy.get(text)).toEqual([`${answer.string()} ${subject}`]);
    }
  });

  it('brings answers of the largest size', async () => {
    const { data } = await as('sealer-s1').request('audit.resend.main.a', 'largest', { timeout: 3_000 });
    expect(data).toHaveLength(LARGEST.length);
  });

  it('brings the first answer to a request and no other', async () => {
    const answers: string[] = [];
    const billing = as('producer-billing');
    billing.subscribe('_INBOX_billing.two', { callback: (_error, message) => void answers.push(message.string()) });
    billing.publish('audit.submit.main.billing', 'twice', { reply: '_INBOX_billing.two' });
    await billing.flush();
    await flushAll();
    await flushAll();
    expect(answers).toEqual(['first']);
  });
});

describe('streams, as their services use them', () => {
  const text = (message: { string(): string } | null): string | null => (message === null ? null : message.string());
  const manager = async (commonName: string) => jetstreamManager(as(commonName), { apiPrefix: 'JSA', checkAPI: false });
  const publisher = (commonName: string) => jetstream(as(commonName), { apiPrefix: 'JSA' });

  it('ingest appends to its lane, with an expectation that fails for whoever is behind', async () => {
    const { direct, streams } = await manager('ingest-a');
    const lane = 'audit.frames.main.a';
    const last = (await direct.getMessage('FRAMES_main', { last_by_subj: lane }))?.seq ?? 0;
    const expected = (lastSubjectSequence: number) => ({ expect: { streamName: 'FRAMES_main', lastSubjectSequence } });
    const ack = await publisher('ingest-a').publish(lane, 'frame', expected(last));
    expect(ack).toMatchObject({ stream: 'FRAMES_main', duplicate: false });
    await expect(publisher('ingest-a').publish(lane, 'frame', expected(last))).rejects.toMatchObject({ code: 10_071 });
    expect(text(await direct.getMessage('FRAMES_main', { last_by_subj: lane }))).toBe('frame');
    expect(text(await direct.getMessage('FRAMES_main', { seq: ack.seq }))).toBe('frame');
    expect((await streams.info('FRAMES_main')).state.last_seq).toBe(ack.seq);
    await expect(direct.getMessage('FRAMES_main', { last_by_subj: 'audit.frames.main.b' })).rejects.toThrow(
      /Permissions Violation/,
    );
  });

  it('ingest reads from the server itself that every PubAck was synced to disk', async () => {
    const answer = await as('ingest-b').request('$SYS.REQ.SERVER.PING.JSZ', '', { timeout: 3_000 });
    expect(answer.json()).toMatchObject({ data: { config: { sync_always: true } } });
    expect(as('ingest-b').info?.max_payload).toBe(1_048_576);
  });

  it('an announcement is stored and heard by one publish; ingest, sealer, verifier and ops read the newest', async () => {
    const options = { expect: { streamName: 'ANNOUNCEMENTS' } };
    await publisher('sealer-s1').publish('audit.announce.main', 'older', options);
    await publisher('sealer-s1').publish('audit.announce.main', 'newest', options);
    for (const reader of ['ingest-a', 'sealer-s2', 'verifier-v2', 'ops-ops']) {
      const { direct } = await manager(reader);
      expect(text(await direct.getMessage('ANNOUNCEMENTS', { last_by_subj: 'audit.announce.main' }))).toBe('newest');
    }
    const { state } = await (await manager('ops-ops')).streams.info('ANNOUNCEMENTS', { subjects_filter: '>' });
    expect(state.subjects).toMatchObject({ 'audit.announce.main': 1 });
  });

  it.each([
    ['sealer-s1', 'FRAMES_main'],
    ['verifier-v1', 'FRAMES_extra'],
    ['verifier-v1', 'ANNOUNCEMENTS'],
    ['verifier-v1', 'ALERTS'],
    ['ops-ops', 'ALERTS'],
  ])('%s reads %s in batches and its state', async (reader, stream) => {
    const writer = {
      FRAMES_main: 'ingest-a',
      FRAMES_extra: 'ingest-b',
      ANNOUNCEMENTS: 'sealer-s1',
      ALERTS: 'verifier-v2',
    };
    const subject = {
      FRAMES_main: 'audit.frames.main.a',
      FRAMES_extra: 'audit.frames.extra.b',
      ANNOUNCEMENTS: 'audit.announce.extra',
      ALERTS: 'audit.alerts.log.forked',
    };
    const of = <T>(table: Record<string, T>): T => table[stream] as T;
    for (const body of ['one', 'two', 'three']) await publisher(of(writer)).publish(of(subject), body);
    const { direct, streams } = await manager(reader);
    const { state } = await streams.info(stream);
    const seen: number[] = [];
    for await (const { seq } of await direct.getBatch(stream, { seq: state.first_seq, batch: 1_000 })) seen.push(seq);
    expect(seen).toHaveLength(state.messages);
    expect([seen[0], seen.at(-1)]).toEqual([state.first_seq, state.last_seq]);
  });

  it('nobody else reads events: ops and producers are refused frames', async () => {
    const { direct } = await manager('ops-ops');
    await expect(direct.getMessage('FRAMES_main', { seq: 1 })).rejects.toThrow(/Permissions Violation/);
  });
});

describe('who is let in at all', () => {
  const refusal = (options: ConnectionOptions): Promise<string> =>
    connect(options).then(
      async (connection) => {
        await connection.close();
        return 'let in';
      },
      (error: Error & { code?: string }) => `${error.name} ${error.code ?? ''} ${error.message}`,
    );
  const sealer = () => pki.ensureClient(identityOf(POLICY.domain, 'sealer', 's1'));
  const ill = async (name: string, commonName: string, names: { type: 'dns' | 'url'; value: string }[]) =>
    optionsOf(await pki.ensure(path.join(dir, 'pki', 'ill', name), { commonName, purpose: 'client', names }));

  it('a certificate of the right root, and nothing less', async () => {
    expect(await refusal(optionsOf(await sealer()))).toBe('let in');
    const { caFile } = await sealer();
    expect(await refusal({ ...optionsOf(await sealer()), tls: { caFile, handshakeFirst: true } })).toMatch(
      /CERTIFICATE_REQUIRED/,
    );
    expect(await refusal({ ...optionsOf(await sealer()), tls: null })).not.toBe('let in');
    const foreign = await DevPki.open(path.join(dir, 'foreign'));
    const forged = await foreign.ensureClient(identityOf(POLICY.domain, 'sealer', 's1'));
    expect(await refusal(optionsOf({ ...forged, caFile }))).toMatch(/UNKNOWN_CA/);
    const server = await pki.ensureServer('nats');
    expect(await refusal(optionsOf({ ...server, caFile }))).not.toBe('let in');
  });

  it('no identity that the policy does not name, whatever its common name or DNS name says', async () => {
    const uri = identityOf(POLICY.domain, 'sealer', 's1').uri;
    const strangers = [
      await ill('unknown', 'sealer-s9', [{ type: 'url', value: `spiffe://${POLICY.domain}/svc/sealer/s9` }]),
      await ill('domain', 'sealer-s1', [{ type: 'url', value: 'spiffe://audit.example.org/svc/sealer/s1' }]),
      await ill('common-name', uri, [{ type: 'dns', value: 'localhost' }]),
      await ill('dns', 'sealer-s1', [{ type: 'dns', value: 'sealer-s1' }]),
      await ill('suffix', 'sealer-s1', [{ type: 'url', value: `${uri}/x` }]),
    ];
    for (const stranger of strangers) expect(await refusal(stranger)).toMatch(/Authorization Violation/i);
  });

  it('speaks TLS 1.3 only, from the first byte', async () => {
    const { caFile, certFile, keyFile } = await sealer();
    const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file));
    const attempt = (versions: { minVersion?: SecureVersion; maxVersion?: SecureVersion }) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({ host: 'localhost', port: nats.port, ca, cert, key, ...versions });
        socket.once('secureConnect', () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      });
    expect(await attempt({ maxVersion: 'TLSv1.2' })).toMatch(/PROTOCOL_VERSION/);
    expect(await attempt({ minVersion: 'TLSv1.3' })).toBe('TLSv1.3');
  });

  it('a producer has several connections, but not without end', async () => {
    const options = optionsOf(await pki.ensureClient(identityOf(POLICY.domain, 'producer', 'orders')));
    const two = await Promise.all([connect(options), connect(options)]);
    expect(await refusal(options)).toMatch(/maximum.*connections exceeded/i);
    await Promise.all(two.map((connection) => connection.close()));
  });
});

describe('how long a server may take to answer', () => {
  /** A receipt that comes when the right to answer is this old; `undefined` when the producer gets none. */
  async function receiptWith(config: string): Promise<string | undefined> {
    const other = await startNatsServer({ dir: path.join(dir, 'late'), config });
    const open = async (service: Service, name: string) => {
      const identity = identityOf(POLICY.domain, service, name);
      const options = optionsOf(await pki.ensureClient(identity), identity.inboxPrefix ?? '');
      return connect({ ...options, servers: `localhost:${other.port}` });
    };
    const [ingest, billing] = [await open('ingest', 'a'), await open('producer', 'billing')];
    try {
      ingest.subscribe('audit.submit.main.*', {
        queue: 'ingest',
        callback: (_error, message) => void setTimeout(() => message.respond('receipt'), 100),
      });
      await ingest.flush();
      const answer = await billing.request('audit.submit.main.billing', 'event', { timeout: 500 });
      return answer.string();
    } catch (error) {
      if (error instanceof TimeoutError || error instanceof RequestError) return undefined;
      throw error;
    } finally {
      await Promise.all([ingest.close(), billing.close()]);
      await other.stop();
    }
  }

  it('is longer than a request waits; control: with a shorter one the receipt is dropped without a word', async () => {
    const config = (await configOf(POLICY)).replaceAll(path.join(dir, 'jetstream'), path.join(dir, 'late-jetstream'));
    expect(REPLY_WITHIN_MS).toBeGreaterThanOrEqual(120_000);
    expect(await receiptWith(config)).toBe('receipt');
    expect(await receiptWith(config.replaceAll(`${REPLY_WITHIN_MS}ms`, '20ms'))).toBeUndefined();
  });
});

describe('a changed policy, reloaded', () => {
  const CHANGED = TEXT.replace('{ name: v1 }, { name: v2 }', '{ name: v1 }')
    .replace('{ name: s2 }', '{ name: s2 }, { name: s3 }')
    .replace('producers:', 'producers:\n  - { name: demo, ledgers: [third], sources: [x] }')
    .replace('ledgers:', 'ledgers:\n  - { name: third, ingesters: [a], spoolBytes: 2097152 }');

  it('shuts out who is gone at once, lets in who is new, and keeps streams and everybody else', async () => {
    const changed = parsePolicy(CHANGED, 'everseal.yaml');
    const before = (await streamsOf('provisioner-deploy')).info('FRAMES_main');
    const gone = as('verifier-v2').closed();
    writeFileSync(path.join(dir, 'nats', 'nats.conf'), await configOf(changed, nats.port));
    nats.reload();
    await gone;
    const closed = [...connections].filter(([, connection]) => connection.isClosed()).map(([name]) => name);
    expect(closed).toEqual(['verifier-v2']);
    await expect(connectAs(identityOf(POLICY.domain, 'verifier', 'v2'))).rejects.toThrow(/Authorization Violation/i);
    const outcomes = (await provisionStreams(as('provisioner-deploy'), changed)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['created', 'unchanged', 'unchanged', 'unchanged', 'differs', 'unchanged']);
    const after = await (await streamsOf('provisioner-deploy')).info('FRAMES_main');
    expect([after.created, after.state.last_seq]).toEqual([(await before).created, (await before).state.last_seq]);

    // A sealer that is new has its way into the system ledger at once: its account was there before.
    const sealer = await connectAs(identityOf(POLICY.domain, 'sealer', 's3'));
    const first = await sealer.request('audit.submit.system.sealer-s3', 'event', { timeout: 3_000 });
    expect(first.string()).toBe('ingest-b');
    await sealer.close();

    as('ingest-a').subscribe('audit.submit.third.*', {
      queue: 'ingest',
      callback: (_error, message) => void message.respond('receipt'),
    });
    await as('ingest-a').flush();
    // nats-server 2.15.1: the imports of an account that is new with a reload work from the next reload on.
    nats.reload();
    const demo = await connectAs(identityOf(POLICY.domain, 'producer', 'demo'));
    const submit = () => demo.request('audit.submit.third.demo', 'event', { timeout: 1_000 });
    const answered = async (): Promise<boolean> => {
      const answer = await submit().catch(() => null);
      return answer?.string() === 'receipt';
    };
    await waitUntil(answered, { what: 'a receipt for demo' });
    await demo.close();
  });

  it('ends the connection of a stolen certificate when the generation of its name is raised, and lets in the next', async () => {
    const { domain } = POLICY;
    const stolen = await pki.ensureClient({ ...identityOf(domain, 'ops', 'ops'), folder: 'stolen' });
    const thief = await connect(optionsOf(stolen, '_INBOX_ops-ops'));
    const raised = parsePolicy(CHANGED.replace('name: ops }', 'name: ops, generation: 2 }'), 'everseal.yaml');
    const ended = thief.closed();
    writeFileSync(path.join(dir, 'nats', 'nats.conf'), await configOf(raised, nats.port));
    nats.reload();
    await ended;
    await expect(connect(optionsOf(stolen, '_INBOX_ops-ops'))).rejects.toThrow(/Authorization Violation/i);
    const next = await connectAs(identityOf(domain, 'ops', 'ops', 2));
    // The same account and rights as before.
    const info = await next.request('JSA.STREAM.INFO.ALERTS', '', { timeout: 3_000 });
    expect(info.string()).toContain('"ALERTS"');
    await next.close();
  });

  const streamsOf = async (commonName: string) => (await jetstreamManager(as(commonName), { checkAPI: false })).streams;
});
