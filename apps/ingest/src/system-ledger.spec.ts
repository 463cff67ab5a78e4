/**
 * An ingester that serves the system ledger, on a real broker: services are its producers, each for itself alone. Here
 * ledger `main` is the system ledger, served by ingester b.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { identityOf, submitSubject } from '@everseal/policy';
import { RawNats } from '@everseal/testing';
import { DOMAIN } from './announced-log.fixture.js';
import { event, IngestLab, Producer, type RunningIngest } from './ingest.fixture.js';

const POLICY = `
domain: audit.example.com
ledgers:
  - { name: main, ingesters: [a, b], spoolBytes: 4194304 }
  - { name: other, ingesters: [a], spoolBytes: 1048576 }
systemLedger: main
producers:
  - { name: billing, ledgers: [other], sources: ['*'] }
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;

const sourceOf = (service: string): string => `everseal:audit.example.com/${service}`;

let lab: IngestLab;
let ingest: RunningIngest;
beforeAll(async () => {
  lab = await IngestLab.start(POLICY);
  ingest = await lab.run('b', await lab.settings('b', 'spool-b'));
  await ingest.ready();
});
afterAll(async () => {
  await ingest?.stop();
  await lab?.stop();
});

async function as(service: 'ingest' | 'sealer' | 'verifier', name: string): Promise<Producer> {
  return new Producer(await lab.link(service, name), `${service}-${name}`);
}

describe('the system ledger at ingest', () => {
  it('takes events of sealer, verifier, and of an ingester that is another one', async () => {
    for (const [service, name] of [
      ['sealer', 's1'],
      ['verifier', 'v1'],
      ['ingest', 'a'],
    ] as const) {
      // prettier-ignore
      const producer = await as(service, name);
      const receipt = await producer.accepted(event('alert-1', {}, sourceOf(`${service}/${name}`)));
      expect(receipt.count).toBe(1);
    }
  });

  it('ignores a sibling whose reply subject is longer said back than it came, and stays connected', async () => {
    const raw = await RawNats.open(
      lab.nats.port,
      await lab.nats.pki.ensureClient(identityOf(DOMAIN, 'ingest', 'a')),
      '_INBOX_ingest-a.raw',
    );
    const subject = submitSubject('main', 'ingest-a');
    raw.publish(subject, 'NATS/1.0\r\n\r\n', 'nonsense', `_INBOX_ingest-a.${'\xff'.repeat(2_000)}`);
    // From the same connection, so that it comes behind.
    expect(await raw.ask(subject, 'NATS/1.0\r\n\r\n', 'nonsense')).toContain('request.malformed');
    await ingest.link.nc.flush();
    expect([ingest.link.connected, ingest.link.counts.disconnects]).toEqual([true, 0]);
    raw.close();
  });

  it('gives the same receipt when the same bytes come again, and refuses others under their id', async () => {
    const producer = await as('verifier', 'v1');
    const own = (data: unknown): string => event('alert-2', data, sourceOf('verifier/v1'));
    expect(await producer.accepted(own(1))).toEqual(await producer.accepted(own(1)));
    expect(await producer.send(own(2))).toMatchObject({ refusal: { code: 'event.conflict' } });
  });

  it.each([sourceOf('sealer/s1'), sourceOf('verifier/v10'), sourceOf('verifier/v'), 'anything'])(
    'refuses source %s from verifier v1',
    async (source) => {
      const answer = await (await as('verifier', 'v1')).send(event('alert-3', {}, source));
      expect(answer).toMatchObject({ refusal: { code: 'event.forbidden', position: 0 } });
    },
  );
});
