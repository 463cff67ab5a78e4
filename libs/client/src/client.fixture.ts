/** A producer's place in an ingest lab: its certificate, its trust file, and an ingest that answers as it is told. */
import {
  encodeEventEntry,
  eventPrefix,
  formatRefusal,
  formatTimestamp,
  FrameTree,
  leafHash,
  parseSubmission,
  receiptWriter,
  signFrame,
  ZERO_HASH,
  type Refusal,
  type SigningKey,
} from '@everseal/audit-core';
import { identityOf, INGEST_QUEUE } from '@everseal/policy';
import type { Msg } from '@nats-io/transport-node';
import { DOMAIN, ORIGIN } from '../../../apps/ingest/src/announced-log.fixture.js';
import { type IngestLab } from '../../../apps/ingest/src/ingest.fixture.js';
import type { ClientOptions } from './client-options.js';
import { connect, type EversealClient } from './client.js';

export async function optionsOf(lab: IngestLab, change: Partial<ClientOptions> = {}): Promise<ClientOptions> {
  const { certFile, keyFile, caFile } = await lab.nats.pki.ensureClient(identityOf(DOMAIN, 'producer', 'billing'));
  return {
    servers: lab.nats.server,
    tls: { certFile, keyFile, caFile },
    trustFile: lab.file('genesis.note'),
    source: '/billing',
    ...change,
  };
}

/** Clients that a spec makes, closed after each test. */
export class Clients {
  private readonly open: EversealClient[] = [];

  constructor(private readonly lab: () => IngestLab) {}

  async make(change: Partial<ClientOptions> = {}): Promise<EversealClient> {
    const client = await connect(await optionsOf(this.lab(), change));
    this.open.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.open.splice(0).map((client) => client.close({ withinMs: 0 })));
  }
}

/** How often the lane holds an event with this text in it. */
export async function timesInLane(lab: IngestLab, text: string): Promise<number> {
  return (await lab.frames()).flatMap(({ events }) => events).filter((entry) => entry.includes(text)).length;
}

/** What a scripted ingest does with a request: answers with a receipt under this key, refuses, answers this, or says nothing. */
export type Answering = SigningKey | Refusal | Buffer | null;

/** Stands where ingest `a` stands, with its certificate, and answers requests one after the other as `script` says. */
export async function scriptedIngest(
  lab: IngestLab,
  script: (request: { number: number; ids: string[] }) => Answering,
): Promise<{ requests: string[][]; bodies: Buffer[]; stop: () => Promise<void> }> {
  const link = await lab.connect('ingest', 'a');
  const requests: string[][] = [];
  const bodies: Buffer[] = [];
  link.nc.subscribe('audit.submit.main.*', {
    queue: INGEST_QUEUE,
    callback: (error, message) => {
      if (error !== null) return;
      const body = Buffer.from(message.data);
      const { events } = parseSubmission(message.headers?.get('Content-Type'), body);
      requests.push(events.map(({ id }) => id));
      bodies.push(body);
      const answer = script({ number: requests.length, ids: requests.at(-1)! });
      if (answer === null) return;
      if (Buffer.isBuffer(answer)) message.respond(answer);
      else message.respond('code' in answer ? formatRefusal(answer, body) : receiptOf(message, body, answer));
    },
  });
  await link.nc.flush();
  return { requests, bodies, stop: () => link.close() };
}

function receiptOf(message: Msg, body: Buffer, key: SigningKey): Buffer {
  const { events } = parseSubmission(message.headers?.get('Content-Type'), body);
  const accepted = formatTimestamp(Date.now());
  const producer = message.subject.split('.').at(-1) as string;
  const prefix = eventPrefix(ORIGIN, producer, accepted);
  const leaves = events.map(({ start, end }) => leafHash(encodeEventEntry(prefix, body.subarray(start, end))));
  const tree = new FrameTree(leaves);
  const frame = { origin: ORIGIN, ingester: 'a', number: 1, previous: ZERO_HASH, count: leaves.length, accepted };
  const note = signFrame({ ...frame, root: tree.root }, key);
  return receiptWriter(note)(0, leaves.length, tree.proveRange(0, leaves.length));
}
