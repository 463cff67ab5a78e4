/**
 * The rendered config on three servers with R3 streams, every identity on a server of its own choice: what crosses
 * accounts also crosses servers, and one publish still stores and goes out live.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DevPki, freePort, startNatsServer, waitUntil, type NatsProcess } from '@everseal/local';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { identitiesOf } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import { provisionStreams } from './provision.js';
import { renderNats, type NatsTlsFiles } from './render-nats.js';

const POLICY = parsePolicy(
  `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a, b], spoolBytes: 1048576 }]
producers: [{ name: billing, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
replicas: 3
broker: { alertBytes: 4194304 }
`,
  'everseal.yaml',
);

let dir: string;
const servers: NatsProcess[] = [];
const connections = new Map<string, NatsConnection>();
const as = (commonName: string): NatsConnection => {
  const connection = connections.get(commonName);
  if (connection === undefined) throw new Error(`nobody is called ${commonName}`);
  return connection;
};

/** One certificate for all three ends of the routes, its own root. */
function routeCertificate(): NatsTlsFiles {
  const [certFile, keyFile] = ['cert', 'key'].map((name) => path.join(dir, `route-${name}.pem`)) as [string, string];
  const extensions = ['subjectAltName=IP:127.0.0.1', 'extendedKeyUsage=serverAuth,clientAuth'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=route',
    ]
      .concat(extensions.flatMap((extension) => ['-addext', extension]))
      .concat('-keyout', keyFile, '-out', certFile),
    { stdio: 'ignore' },
  );
  return { certFile, keyFile, caFile: certFile };
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-cluster-'));
  const pki = await DevPki.open(path.join(dir, 'pki'));
  const own = await pki.ensureServer('nats');
  const ports = [await freePort(), await freePort(), await freePort()];
  const routes = ports.map((port) => `127.0.0.1:${port}`);
  const tls = routeCertificate();
  const configs = ports.map((port, i) =>
    renderNats(POLICY, {
      ...own,
      serverName: `n${i}`,
      port: -1,
      storeDir: path.join(dir, `jetstream-${i}`),
      cluster: { name: 'everseal', port, routes, ...tls },
    }),
  );
  servers.push(
    ...(await Promise.all(configs.map((config, i) => startNatsServer({ dir: path.join(dir, `nats-${i}`), config })))),
  );
  const identities = identitiesOf(POLICY).filter(({ account }) => account !== null);
  for (const [i, identity] of identities.entries()) {
    const { certFile, keyFile, caFile } = await pki.ensureClient(identity);
    const options = {
      servers: `localhost:${servers[i % 3]?.port}`,
      tls: { certFile, keyFile, caFile, handshakeFirst: true },
      inboxPrefix: identity.inboxPrefix ?? '',
      ignoreClusterUpdates: true,
      reconnect: false,
    };
    connections.set(identity.commonName, await connect(options));
  }
  const provision = () => provisionStreams(as('provisioner-deploy'), POLICY).catch(() => null); // no leader elected yet
  const streams = await waitUntil(provision, { what: 'a JetStream leader', timeoutMs: 20_000, everyMs: 250 });
  expect(new Set(streams.flatMap(({ differences }) => differences))).toEqual(new Set());
}, 60_000);

afterAll(async () => {
  await Promise.all([...connections.values()].map((connection) => connection.close()));
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(dir, { recursive: true, force: true });
});

it('needs a cluster for more than one replica', () => {
  const files = { certFile: 'c', keyFile: 'k', caFile: 'r' };
  expect(() => renderNats(POLICY, { ...files, serverName: 'n', storeDir: 's' })).toThrow('3 replicas');
});

it('stores, answers, reads and goes live across servers', async () => {
  const publisher = (commonName: string) => jetstream(as(commonName), { apiPrefix: 'JSA' });
  const heard: string[] = [];
  const hear = (commonName: string, subject: string, queue?: string) =>
    as(commonName).subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (_error, message) => {
        heard.push(`${commonName} ${message.subject}`);
        if (queue !== undefined || subject.includes('.resend.')) message.respond(commonName);
      },
    });
  hear('ingest-b', 'audit.submit.main.*', 'ingest');
  hear('ingest-b', 'audit.resend.main.b');
  const live = ['ingest-a audit.announce.main', 'ops-ops audit.announce.main', 'verifier-v1 audit.announce.main'];
  for (const [commonName, subject] of live.map((one) => one.split(' ') as [string, string])) hear(commonName, subject);
  hear('ops-ops', 'audit.alerts.*.*.*');
  const ask = async (commonName: string, subject: string) =>
    (
      await as(commonName)
        .request(subject, '', { timeout: 1_000 })
        .catch(() => null)
    )?.string();
  // Interest spreads between servers by and by; once it has, everything is as on one server.
  await waitUntil(async () => (await ask('producer-billing', 'audit.submit.main.billing')) === 'ingest-b', {
    what: 'a receipt',
  });
  await waitUntil(async () => (await ask('sealer-s1', 'audit.resend.main.b')) === 'ingest-b', { what: 'a frame' });

  const lane = { expect: { streamName: 'FRAMES_main', lastSubjectSequence: 0 } };
  expect(await publisher('ingest-a').publish('audit.frames.main.a', 'frame', lane)).toMatchObject({ seq: 1 });
  expect(await publisher('ingest-b').publish('audit.frames.main.b', 'frame', lane)).toMatchObject({ seq: 2 });
  for (const reader of ['ingest-a', 'sealer-s1', 'verifier-v1']) {
    const { direct } = await jetstreamManager(as(reader), { apiPrefix: 'JSA', checkAPI: false });
    const read = async (): Promise<boolean> => {
      const seen: number[] = [];
      for await (const { seq } of await direct.getBatch('FRAMES_main', { seq: 1, batch: 10 })) seen.push(seq);
      return seen.join() === '1,2';
    };
    await waitUntil(() => read().catch(() => false), { what: `both frames, read by ${reader}` }); // a replica may lag
  }

  heard.length = 0;
  expect(await publisher('sealer-s1').publish('audit.announce.main', 'newest')).toMatchObject({
    stream: 'ANNOUNCEMENTS',
  });
  expect(await publisher('verifier-v1').publish('audit.alerts.log.forked', 'alert')).toMatchObject({
    stream: 'ALERTS',
  });
  const expected = [...live, 'ops-ops audit.alerts.verifier.log.forked'].sort();
  await waitUntil(() => heard.length >= expected.length, { what: 'everybody hearing' });
  expect(heard.sort()).toEqual(expected);
});
