import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DevPki, startNatsServer, type NatsProcess } from '@everseal/local';
import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { DEPLOY, identityOf } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import type { Policy } from './policy.js';
import { provisionStreams, type ProvisionedStream } from './provision.js';
import { renderNats } from './render-nats.js';
import { compareStream, epochOf } from './stream-difference.js';
import { expectedStreams } from './streams.js';

const policyText = (maxAgeMs: number): string => `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a], spoolBytes: 1048576, frames: { maxAgeMs: ${maxAgeMs} } }]
producers: []
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
broker: { alertBytes: 4194304 }
`;

const policyWith = (maxAgeMs: number): Policy => parsePolicy(policyText(maxAgeMs), 'everseal.yaml');

const POLICY = policyWith(300_000);

let dir: string;
let nats: NatsProcess;
let connection: NatsConnection;
let manager: JetStreamManager;

const outcomes = (results: ProvisionedStream[]): string[] => results.map(({ outcome }) => outcome);

async function configOf(stream: string): Promise<StreamConfig> {
  return (await manager.streams.info(stream)).config;
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-provision-'));
  const pki = await DevPki.open(path.join(dir, 'pki'));
  const server = await pki.ensureServer('nats');
  const options = { ...server, serverName: 'n1', port: -1, storeDir: path.join(dir, 'jetstream') };
  nats = await startNatsServer({ dir: path.join(dir, 'nats'), config: renderNats(POLICY, options) });
  const identity = identityOf(POLICY.domain, 'provisioner', DEPLOY);
  const { certFile, keyFile, caFile } = await pki.ensureClient(identity);
  connection = await connect({
    servers: `localhost:${nats.port}`,
    tls: { certFile, keyFile, caFile, handshakeFirst: true },
    inboxPrefix: identity.inboxPrefix ?? '',
    reconnect: false,
  });
  manager = await jetstreamManager(connection, { checkAPI: false });
});

afterAll(async () => {
  await connection?.close();
  await nats?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('provisionStreams', () => {
  it('creates each stream once, whoever is first, as expected and with an epoch, and leaves it alone from then on', async () => {
    const [created, second] = await Promise.all([
      provisionStreams(connection, POLICY),
      provisionStreams(connection, POLICY),
    ]);
    expect(created.map(({ name }) => name)).toEqual(['FRAMES_main', 'ANNOUNCEMENTS', 'ALERTS']);
    for (const [i, { outcome }] of created.entries()) {
      expect([outcome, second[i]?.outcome].sort()).toEqual(['created', 'unchanged']);
    }
    for (const expected of expectedStreams(POLICY)) {
      const config = await configOf(expected.name);
      expect(compareStream(expected, { ...config })).toEqual([]);
      expect(epochOf({ ...config })).toMatch(/^[0-9a-f-]{36}$/);
    }
    const again = await provisionStreams(connection, POLICY);
    expect(outcomes(again)).toEqual(['unchanged', 'unchanged', 'unchanged']);
    expect(again.map(({ epoch }) => epoch)).toEqual(created.map(({ epoch }) => epoch));
  });

  it('reports a stream that differs and does not touch it, until it is named', async () => {
    const before = await configOf('FRAMES_main');
    const changed = policyWith(360_000);
    const [frames] = await provisionStreams(connection, changed, { update: ['ALERTS'] });
    expect(frames).toMatchObject({ name: 'FRAMES_main', outcome: 'differs' });
    expect(frames?.differences).toEqual([{ field: 'max_age', expected: '360000000000', actual: '300000000000' }]);
    expect(await configOf('FRAMES_main')).toEqual(before);

    const updated = await provisionStreams(connection, changed, { update: ['FRAMES_main'] });
    expect(outcomes(updated)).toEqual(['updated', 'unchanged', 'unchanged']);
    expect(updated[0]?.epoch).toBe(frames?.epoch);
    expect((await configOf('FRAMES_main')).max_age).toBe(360_000_000_000);
  });

  it('sees what somebody else with update rights changed, each as its own difference', async () => {
    const config = await configOf('ALERTS');
    await manager.streams.update('ALERTS', {
      ...config,
      max_msgs: 5,
      discard: 'new',
      metadata: { by: 'hand' },
    });
    const [, , alerts] = await provisionStreams(connection, policyWith(360_000));
    expect(alerts?.outcome).toBe('differs');
    expect(alerts?.epoch).toBeNull();
    expect(alerts?.differences.map(({ field }) => field).sort()).toEqual([
      'discard',
      'max_msgs',
      'metadata.by',
      'metadata.epoch',
    ]);
  });

  it('is held to the streams of the policy the server was rendered from', async () => {
    const other = parsePolicy(policyText(300_000).replace('name: main', 'name: second'), 'everseal.yaml');
    await expect(provisionStreams(connection, other)).rejects.toThrow(/Permissions Violation/);
  });

  it('cannot delete or purge', async () => {
    await expect(manager.streams.delete('ALERTS')).rejects.toThrow(/Permissions Violation/);
    await expect(manager.streams.purge('ALERTS')).rejects.toThrow(/Permissions Violation/);
  });
});
