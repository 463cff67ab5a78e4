/**
 * On a real nats-server with the rendered config: what strangers, thieves and the provisioner do is heard by a verifier and handed to the
 * system ledger, a flood as a count. The control: a verifier of a policy without a system ledger has no way to hear it.
 */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil, DevPki } from '@everseal/local';
import { connectNats, type NatsLink } from '@everseal/messaging';
import { BROKER_SAYS, identityOf, parsePolicy, provisionStreams, renderNats, type Service } from '@everseal/policy';
import { parseEndpoint, scan } from '@everseal/tls-posture';
import { temporaryFolder, TestNats, type TemporaryFolder } from '@everseal/testing';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { recordBrokerEvents, type BrokerEvents } from './broker-events.js';
import { MOST_FACTS } from './broker-tally.js';
import { OwnScans } from './own-scans.js';

const TEXT = `
domain: audit.example.com
ledgers:
  - { name: main, ingesters: [a], spoolBytes: 1048576 }
  - { name: system, ingesters: [a], spoolBytes: 1048576 }
systemLedger: system
producers: [{ name: billing, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
broker: { alertBytes: 4194304 }
`;
const POLICY = parsePolicy(TEXT, 'everseal.yaml');
const DOMAIN = POLICY.domain;
const WITHIN = { timeoutMs: 60_000 };
const FLOOD = 100;

interface Event {
  data: {
    actor: { id: string };
    action: string;
    target: { id: string };
    outcome: string;
    reason: string;
    address: string;
    count: number;
    scan?: true;
  };
}

let folder: TemporaryFolder;
let nats: TestNats;
let link: NatsLink;
let recording: BrokerEvents;
const events: Event['data'][] = [];
let handedOver = 0;
const ownScans = new OwnScans();

const logger = { info: () => {}, warn: () => {}, error: () => {} };

async function optionsOf(service: Service, name: string, pki = nats.pki) {
  const identity = identityOf(DOMAIN, service, name);
  const { certFile, keyFile, caFile } = await pki.ensureClient(identity);
  const { commonName, inboxPrefix } = identity;
  return { name: commonName, tls: { certFile, keyFile, caFile }, inboxPrefix: inboxPrefix! };
}

async function as(service: Service, name: string, pki?: DevPki): Promise<NatsConnection> {
  const { tls, ...rest } = await optionsOf(service, name, pki);
  return connect({ servers: nats.server, reconnect: false, ...rest, tls: { ...tls, handshakeFirst: true } });
}

beforeAll(async () => {
  folder = temporaryFolder('broker-events');
  nats = await TestNats.start({
    folder,
    config: ({ listen, storeDir, server }) =>
      renderNats(POLICY, { ...server, serverName: 'n1', storeDir }).replace(/^listen: .*$/m, `listen: "${listen}"`),
  });
  const verifier = await optionsOf('verifier', 'v1');
  link = await connectNats({ ...verifier, servers: [nats.server], logger, onClosed: () => {} });
  recording = recordBrokerEvents({
    verifier: `${DOMAIN}/verifier/v1`,
    link,
    ledger: {
      seal: (event) => {
        handedOver++;
        events.push((JSON.parse(event.toString()) as Event).data);
        return true;
      },
    },
    ownScans,
    now: Date.now,
    windowMs: 200,
    onFault: (error) => {
      throw error;
    },
  });
  await link.nc.flush();
}, 120_000);

afterAll(async () => {
  await recording?.stop();
  await link?.close();
  await nats?.stop();
  folder?.remove();
});

async function heard(what: string, is: (event: Event['data']) => boolean): Promise<Event['data']> {
  await waitUntil(() => events.some(is), { what, ...WITHIN });
  return events.find(is)!;
}

const uri = (service: Service, name: string): string => identityOf(DOMAIN, service, name).uri;

describe('what the broker says about itself', () => {
  it('is who came and went, by the name of the certificate', async () => {
    const ops = await as('ops', 'ops');
    const mine = ({ actor }: Event['data']): boolean => actor.id === uri('ops', 'ops');
    expect(await heard('ops came', (event) => mine(event) && event.action === 'broker.connect')).toMatchObject({
      target: { id: 'OPS' },
      outcome: 'allowed',
      address: '127.0.0.1',
    });
    await ops.close();
    await heard('ops went', (event) => mine(event) && event.action === 'broker.disconnect');
  }, 120_000);

  it('is who was refused: a genuine certificate of nobody', async () => {
    await expect(as('sealer', 's9')).rejects.toThrow();
    const refused = await heard('the refusal', ({ action }) => action === 'broker.refuse');
    expect(refused).toMatchObject({ outcome: 'refused', address: '127.0.0.1' });
    expect(refused.reason).not.toBe('');
  }, 120_000);

  it('is who failed the handshake: a certificate of a foreign root', async () => {
    const foreign = await DevPki.open(path.join(folder.path, 'foreign'));
    await expect(as('sealer', 's1', foreign)).rejects.toThrow();
    await heard('the failed handshake', ({ reason }) => /TLS/i.test(reason));
  }, 120_000);

  it('is what changed through the JetStream API, and what was tried', async () => {
    const provisioner = await as('provisioner', 'deploy');
    await provisionStreams(provisioner, POLICY);
    const made = await heard(
      'the stream made',
      ({ action, target }) => action === 'broker.stream.create' && target.id === 'ALERTS',
    );
    expect(made).toMatchObject({ actor: { id: uri('provisioner', 'deploy') }, outcome: 'allowed' });
    const wrong = JSON.stringify({ name: 'ALERTS', subjects: ['audit.frames.main.*'] });
    await provisioner.request('$JS.API.STREAM.UPDATE.ALERTS', wrong, { timeout: 5_000 });
    await heard(
      'the update that failed',
      ({ action, outcome }) => action === 'broker.stream.update' && outcome === 'failed',
    );
    expect(events.some(({ action }) => action.includes('info'))).toBe(false);
    await provisioner.close();
  }, 120_000);

  it('is named as a scan of our own, as often as the scan connected, and never beyond that', async () => {
    const failures = (isScan: boolean): number =>
      events
        .filter(({ actor, scan: named }) => actor.id === 'unknown' && (named === true) === isScan)
        .reduce((sum, { count }) => sum + count, 0);
    const before = failures(false);
    let connections = 0;
    const opened = (from: string): void => {
      connections++;
      ownScans.opened(from, Date.now());
    };
    const endpoint = { ...parseEndpoint(`nats+tlsfirst://localhost:${nats.port}`), opened };
    const seen = await scan(endpoint, { roots: [], now: Date.now, patienceMs: 20_000 });
    expect(seen.nobody.outcome).toBe('refused');
    await heard('the scan', ({ scan: named }) => named === true);
    // Somebody else from the same address, twice as often as the scan: at most one of two can pass for it.
    for (let i = 0; i < 2 * connections; i++) await as('sealer', 's9').catch(() => {});
    const isTold = (): boolean => failures(false) - before >= connections;
    await waitUntil(isTold, { what: 'the others, by no name of ours', ...WITHIN });
    // A connection has a refusal and an end at most.
    expect(failures(true)).toBeLessThanOrEqual(2 * connections);
    expect(events.every(({ action, scan: named }) => named === undefined || action !== 'broker.connect')).toBe(true);
  }, 120_000);

  it('is a count when it is a flood', async () => {
    const before = handedOver;
    const refused = (): number =>
      events.filter(({ action }) => action === 'broker.refuse').reduce((sum, { count }) => sum + count, 0);
    const [start, began] = [refused(), performance.now()];
    for (let i = 0; i < FLOOD; i++) await as('sealer', 's9').catch(() => {});
    await waitUntil(() => refused() >= start + FLOOD, { what: 'every refusal counted', ...WITHIN });
    // What one window may hand over, for as many windows as there were; far fewer than one a refusal in fact.
    const windows = Math.ceil((performance.now() - began) / 200) + 1;
    expect(handedOver - before).toBeLessThanOrEqual(windows * (MOST_FACTS + 3));
    expect(events.some(({ action, count }) => action === 'broker.refuse' && count > 1)).toBe(true);
  }, 120_000);

  it('control: has no way to a verifier where there is no system ledger', () => {
    const without = renderNats(parsePolicy(TEXT.replace('systemLedger: system\n', ''), 'everseal.yaml'), {
      certFile: 'c',
      keyFile: 'k',
      caFile: 'a',
      serverName: 'n',
      storeDir: 's',
    });
    for (const subject of Object.values(BROKER_SAYS)) expect(without).not.toContain(subject);
  });
});
