/** The client with its outbox, against a real broker and a real ingest; and producers that are killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { GatedProxy, temporaryFolder } from '@everseal/testing';
import { buildSources } from '../../../apps/ingest/src/build-source.fixture.js';
import { KEYS } from '../../../apps/ingest/src/announced-log.fixture.js';
import { event, IngestLab, type RunningIngest } from '../../../apps/ingest/src/ingest.fixture.js';
import type { AuditEvent } from './audit-event.js';
import { Clients, optionsOf, timesInLane } from './client.fixture.js';
import type { ClientOptions } from './client-options.js';
import type { EversealError } from './everseal-error.js';
import type { Proof } from './proof.js';

const NOWHERE = { servers: 'tls://localhost:1', connectWithinMs: 0 } as const;
const INGEST_KEYS = [KEYS.a.verifier];
const built = temporaryFolder('client-build');
let lab: IngestLab;
let ingest: RunningIngest;
let proxy: GatedProxy;
let folders = 0;
const clients = new Clients(() => lab);
const children: ProducerProcess[] = [];

beforeAll(async () => {
  buildSources(built.path, 'ingest');
  writeFileSync(path.join(built.path, 'producer.mjs'), PRODUCER);
  lab = await IngestLab.start();
  proxy = await GatedProxy.start(lab.nats.port);
  ingest = await lab.run('a', await lab.settings('a', 'spool-a'));
  await ingest.ready();
}, 60_000);
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
  proxy.open('toClient');
  proxy.open('toServer');
  await clients.close();
});
afterAll(async () => {
  await ingest.stop();
  await ingest.link.close();
  await proxy.stop();
  await lab.stop();
  built.remove();
});

const outbox = (): { folder: string } => ({ folder: lab.file(`outbox-${(folders += 1)}`) });
const approval = (id: string): AuditEvent => ({ id, action: 'invoice.approve', actor: { id: 'alice' } });
const failureOf = (call: Promise<unknown>): Promise<EversealError | null> =>
  call.then(
    () => null,
    (error: EversealError) => error,
  );

/** Connects with the options of its argument; for each line of its input it records an event, and says what came of it. */
const PRODUCER = `
import { createInterface } from 'node:readline';
import { connect } from './libs/client/src/index.js';
const client = await connect(JSON.parse(process.argv[2]));
console.log('connected');
const until = process.argv[3];
for await (const id of createInterface({ input: process.stdin })) {
  client.record({ id, action: 'invoice.approve', actor: { id: 'alice' } }, { until })
    .then(({ state }) => console.log(state, id), (error) => console.log(error.code, id));
}
`;

class ProducerProcess {
  output = '';

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (this.output += String(data)));
  }

  static async start(options: ClientOptions, until: 'kept' | 'receipt'): Promise<ProducerProcess> {
    const main = path.join(built.path, 'producer.mjs');
    const child = spawn(process.execPath, [main, JSON.stringify(options), until], { stdio: ['pipe', 'pipe', 'pipe'] });
    const started = new ProducerProcess(child);
    children.push(started);
    await started.says('connected');
    return started;
  }

  record(id: string): void {
    this.child.stdin?.write(`${id}\n`);
  }

  async says(text: string): Promise<void> {
    await waitUntil(() => this.output.includes(text), { what: `"${text}" from the producer`, timeoutMs: 15_000 }).catch(
      () => {
        throw new Error(`not said: ${text}; but: ${this.output}`);
      },
    );
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}

describe('a producer that is killed', () => {
  it('before its events have left: the next start sends them, once. Control: without an outbox they are lost', async () => {
    const options = await optionsOf(lab, { servers: proxy.server, outbox: outbox() });
    const producer = await ProducerProcess.start(options, 'kept');
    const { outbox: _, ...without } = options;
    const control = await ProducerProcess.start(without, 'receipt');
    proxy.shut('toServer');
    for (const id of ['killed-1', 'killed-2', 'killed-3']) producer.record(id);
    await producer.says('kept killed-3');
    control.record('control-1');
    await Promise.all([producer.kill(), control.kill()]);
    proxy.cut();
    proxy.open('toServer');
    expect(await timesInLane(lab, '"killed-')).toBe(0);

    await ProducerProcess.start(options, 'kept');
    await ProducerProcess.start(without, 'receipt');
    await waitUntil(async () => (await timesInLane(lab, '"killed-')) === 3, { what: 'what was kept' });
    for (const id of [1, 2, 3]) expect(await timesInLane(lab, `"killed-${id}"`)).toBe(1);
    expect(await timesInLane(lab, '"control-1"')).toBe(0);
  });

  it('after they were sealed and before it knew: the next start gets the receipts, and nothing is doubled. Control', async () => {
    const options = await optionsOf(lab, { servers: proxy.server, outbox: outbox() });
    const producer = await ProducerProcess.start(options, 'kept');
    proxy.shut('toClient');
    for (const id of ['sealed-1', 'sealed-2', 'sealed-3', 'sealed-4']) producer.record(id);
    await waitUntil(async () => (await timesInLane(lab, '"sealed-')) === 4, { what: 'the events in the lane' });
    await producer.kill();
    proxy.cut();
    proxy.open('toClient');

    const proofs: Proof[] = [];
    const client = await clients.make({ ...options, onReceipt: (proof) => void proofs.push(proof) });
    expect(client.kept).toBe(4);
    expect(await client.flush()).toBe(true);
    expect(proofs.map(({ id }) => id).sort()).toEqual([1, 2, 3, 4].map((n) => `sealed-${n}`));
    for (const proof of proofs) proof.verify(INGEST_KEYS);
    expect(await timesInLane(lab, '"sealed-')).toBe(4);
    await client.close();
    expect((await clients.make(options)).kept).toBe(0);

    // Control: put together with new events, as one request, it would have been sealed once more.
    const billing = await lab.producer();
    await billing.accepted(proofs[0]!.event.toString(), event('new-company'));
    expect(await timesInLane(lab, '"sealed-')).toBe(5);
  });
});

describe('the outbox of a client', () => {
  it('is enough for a call that says so, and at the deadline for every other; all is sent when the way is free', async () => {
    const place = outbox();
    const away = await clients.make({ ...NOWHERE, outbox: place });
    expect(await away.record(approval('kept-1'), { until: 'kept' })).toEqual({ state: 'kept', id: 'kept-1' });
    expect(await away.record(approval('kept-2'), { withinMs: 200 })).toEqual({ state: 'kept', id: 'kept-2' });
    expect([away.kept, await away.flush({ withinMs: 100 })]).toEqual([2, false]);
    await away.close();

    const client = await clients.make({ outbox: place });
    expect(await client.flush()).toBe(true);
    expect([await timesInLane(lab, '"kept-1"'), await timesInLane(lab, '"kept-2"')]).toEqual([1, 1]);
    expect(client.counts.receipted).toBe(2);
  });

  it('that is full keeps nothing more: closed rejects, open drops, and what can be sent is sent', async () => {
    const problems: string[] = [];
    const onProblem = (error: Error): void => void problems.push((error as EversealError).code);
    const small = { ...outbox(), mostBytes: 300 };
    const away = await clients.make({ ...NOWHERE, outbox: small, onProblem });
    await away.record(approval('fits'), { until: 'kept' });
    expect(await failureOf(away.record(approval('closed'), { withinMs: 100 }))).toMatchObject({
      code: 'client.deadline',
      isUnknown: false,
    });
    expect(await away.record(approval('open'), { withinMs: 100, failure: 'open' })).toMatchObject({ state: 'dropped' });
    expect([away.counts.unkept, away.counts.dropped, problems]).toEqual([2, 1, ['outbox.full']]);

    const tiny = await clients.make({ outbox: { ...outbox(), mostBytes: 10 } });
    expect(await tiny.record(approval('sent'))).toMatchObject({ state: 'receipted' });
  });

  it('belongs to one client', async () => {
    const place = outbox();
    await clients.make({ outbox: place });
    expect(await failureOf(clients.make({ outbox: place }))).toMatchObject({ code: 'outbox.locked' });
  });

  it('does not ask for ever what is refused: it is set aside with the reason', async () => {
    const place = outbox();
    const refused: string[] = [];
    const client = await clients.make({ outbox: place, onRefused: ({ id }) => void refused.push(id) });
    const foreign = Buffer.from(event('foreign', {}, '/somewhere'));
    expect(await client.record(foreign, { until: 'kept' })).toEqual({ state: 'kept', id: 'foreign' });
    expect(await client.flush()).toBe(true);
    expect(refused).toEqual(['foreign']);
    const [line] = readFileSync(path.join(place.folder, 'refused.ndjson'), 'utf8').split('\n');
    expect(JSON.parse(line!)).toMatchObject({ code: 'event.forbidden', event: foreign.toString() });
  });

  it('does not forget an event whose proof could not be kept', async () => {
    const place = outbox();
    const problems: string[] = [];
    const client = await clients.make({
      outbox: place,
      onReceipt: () => Promise.reject(new Error('no room for the proof')),
      onProblem: ({ message }) => void problems.push(message),
    });
    const first = await client.record(approval('proof'));
    expect([client.kept, problems]).toEqual([1, ['no room for the proof']]);
    await client.close();
    const proofs: Proof[] = [];
    const again = await clients.make({ outbox: place, onReceipt: (proof) => void proofs.push(proof) });
    await again.flush();
    expect(proofs).toEqual([(first as { proof: Proof }).proof]);
    expect(await timesInLane(lab, '"proof"')).toBe(1);
  });

  it('without one, asking for it is refused', async () => {
    const client = await clients.make();
    expect(await failureOf(client.record(approval('x'), { until: 'kept' }))).toMatchObject({ code: 'client.settings' });
  });
});
