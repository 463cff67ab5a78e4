/** The client against a real nats-server and a real ingest, with a proxy that loses what it is told to lose. */
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createPrivateKey } from 'node:crypto';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { formatRefusal, ingestKeyName, NOTE_KEY, SigningKey } from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { identityOf } from '@everseal/policy';
import { GatedProxy } from '@everseal/testing';
import { connect as connectBare, type NatsConnection } from '@nats-io/transport-node';
import { readReceipts } from '../../../apps/cli/src/receipt-files.js';
import { DOMAIN, genesis, KEYS } from '../../../apps/ingest/src/announced-log.fixture.js';
import { event, IngestLab, type RunningIngest } from '../../../apps/ingest/src/ingest.fixture.js';
import type { AuditEvent } from './audit-event.js';
import { Clients, optionsOf, scriptedIngest, timesInLane } from './client.fixture.js';
import { connect } from './client.js';
import type { EversealError } from './everseal-error.js';
import { Proof } from './proof.js';
import type { Recorded } from './recorder.js';
import type { SomeFailed } from './some-failed.js';

let lab: IngestLab;
let ingest: RunningIngest | null = null;
let proxy: GatedProxy;
const clients = new Clients(() => lab);
const INGEST_KEYS = [KEYS.a.verifier, KEYS.b.verifier];
let serial = 0;

beforeAll(async () => {
  lab = await IngestLab.start();
  proxy = await GatedProxy.start(lab.nats.port);
});
afterEach(async () => {
  proxy.open('toClient');
  proxy.open('toServer');
  await clients.close();
});
afterAll(async () => {
  await ingest?.stop();
  await ingest?.link.close();
  await proxy.stop();
  await lab.stop();
});

/** The one ingest of most tests; those that script one of their own put it away first. */
async function realIngest(): Promise<RunningIngest> {
  ingest ??= await lab.run('a', await lab.settings('a', 'spool-a'));
  await ingest.ready();
  return ingest;
}
async function noIngest(): Promise<void> {
  await ingest?.stop();
  await ingest?.link.close();
  ingest = null;
}

const approval = (id = `approve-${(serial += 1)}`): AuditEvent & { id: string } => ({
  id,
  action: 'invoice.approve',
  actor: { id: 'alice' },
  target: { id: 'invoice-42' },
  outcome: 'success',
});
const failureOf = (call: Promise<unknown>): Promise<EversealError> =>
  call.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: EversealError) => error,
  );
const proofOf = (recorded: Recorded): Proof => {
  if (recorded.state !== 'receipted') throw new Error(`not receipted: ${recorded.state}`);
  return recorded.proof;
};

describe('a recorded event', () => {
  it('comes back with a proof of its own that others can check, and read from a file', async () => {
    await realIngest();
    const client = await clients.make();
    const sent = approval();
    const proof = proofOf(await client.record(sent));
    expect(proof.verify(INGEST_KEYS)).toMatchObject({ ingester: 'a', origin: client.origin });
    expect(JSON.parse(proof.event.toString())).toMatchObject({
      id: sent.id,
      source: '/billing',
      type: 'invoice.approve',
      data: { actor: { id: 'alice' }, action: 'invoice.approve', target: { id: 'invoice-42' }, outcome: 'success' },
    });
    expect(await timesInLane(lab, proof.event.toString())).toBe(1);

    const file = lab.file('proofs.ndjson');
    proof.appendTo(file);
    expect(readReceipts(file)).toMatchObject([{ place: file, producer: 'billing', receipt: proof.receipt }]);
    expect(Proof.parse(readFileSync(file, 'utf8').trimEnd())).toEqual(proof);
  });

  it('leaves in full requests when many are recorded at once, each with a receipt for itself alone', async () => {
    await realIngest();
    const client = await clients.make();
    const recorded = await client.recordMany(Array.from({ length: 1_500 }, () => approval()));
    for (const one of recorded.slice(500, 530)) {
      expect(proofOf(one).receipt.count).toBe(1);
      proofOf(one).verify(INGEST_KEYS);
    }
    expect(new Set(recorded.map(({ id }) => id)).size).toBe(1_500);
    expect(client.counts).toMatchObject({ receipted: 1_500, attempts: 3, retries: 0 });
  });

  it('that is bad fails alone and is not sent', async () => {
    await realIngest();
    const client = await clients.make();
    const large: AuditEvent = { action: 'upload', context: { file: 'x'.repeat(61_440) } };
    const repeated = Buffer.from(event('twice').replace('"source"', '"id":"2","source"'));
    const failed = (await failureOf(client.recordMany([approval(), large, repeated, approval()]))) as SomeFailed;
    expect(failed.outcomes.map((one) => ('state' in one ? one.state : one.code))).toEqual([
      'receipted',
      'request.too-large',
      'event.invalid',
      'receipted',
    ]);
    expect([failed.isUnknown, client.counts.attempts]).toEqual([false, 1]);
  });

  it('that ingest refuses fails alone; the others of its request are sealed once. Control: as one request none is', async () => {
    await realIngest();
    const client = await clients.make();
    const known = approval();
    await client.record(known);
    const others = [approval(), approval(), approval()];
    const foreign = Buffer.from(event('foreign', {}, '/somewhere'));
    const batch = [others[0]!, { ...known, reason: 'other bytes' }, others[1]!, foreign, others[2]!];
    const failed = (await failureOf(client.recordMany(batch))) as SomeFailed;
    expect(failed.outcomes.map((one) => ('state' in one ? one.state : [one.code, one.isUnknown]))).toEqual([
      'receipted',
      ['event.conflict', false],
      'receipted',
      ['event.forbidden', false],
      'receipted',
    ]);
    for (const { id } of others) expect(await timesInLane(lab, `"${id}"`)).toBe(1);

    const billing = await lab.producer();
    const answer = await billing.sendBatch([event('control-good'), event('control', {}, '/somewhere')]);
    expect(answer).toMatchObject({ refusal: { code: 'event.forbidden', position: 1 } });
    expect(await timesInLane(lab, 'control-good')).toBe(0);
  });
});

describe('an answer that does not come', () => {
  it('is asked for again with the same bytes: the event is sealed once. Control: as a new event, twice', async () => {
    await realIngest();
    const client = await clients.make({ servers: proxy.server });
    const sent = approval('lost-answer');
    proxy.shut('toClient');
    const call = client.record(sent);
    await waitUntil(async () => (await timesInLane(lab, '"lost-answer"')) === 1, { what: 'the event in the lane' });
    // What the broker has said so far is lost with the connection.
    proxy.cut();
    proxy.open('toClient');
    proofOf(await call).verify(INGEST_KEYS);
    expect(client.counts.retries).toBeGreaterThan(0);
    expect(await timesInLane(lab, '"lost-answer"')).toBe(1);

    const { id: _, ...nameless } = sent;
    proxy.shut('toClient');
    const marked = { ...nameless, reason: 'control of a lost answer' };
    const first = failureOf(client.record(marked, { withinMs: 700 }));
    await waitUntil(async () => (await timesInLane(lab, marked.reason)) === 1, { what: 'the event in the lane' });
    expect(await first).toMatchObject({ code: 'client.deadline', isUnknown: true });
    proxy.cut();
    proxy.open('toClient');
    await client.record(marked);
    expect(await timesInLane(lab, marked.reason)).toBe(2);
  });

  it('because there is no ingest says that nothing is in the log, and succeeds when there is one', async () => {
    await noIngest();
    const client = await clients.make();
    expect(await failureOf(client.record(approval(), { withinMs: 300 }))).toMatchObject({
      code: 'client.deadline',
      isUnknown: false,
    });
    const call = client.record(approval('late'));
    await realIngest();
    proofOf(await call);
  });

  it('because the broker was killed under load costs nothing: all receipted, each sealed once', async () => {
    await realIngest();
    const client = await clients.make();
    const calls: Promise<Recorded>[] = [];
    for (let i = 0; i < 40; i += 1) {
      if (i === 15) await Promise.all([lab.nats.restart(), waitUntil(() => !client.connected, { what: 'the break' })]);
      for (let n = 0; n < 20; n += 1) calls.push(client.record(approval(`load-${i}-${n}`)));
      if (i < 15) await calls[calls.length - 1];
    }
    for (const recorded of await Promise.all(calls)) proofOf(recorded);
    const lane = (await lab.frames()).flatMap(({ events }) => events).filter((text) => text.includes('"load-'));
    expect(lane).toHaveLength(800);
    expect(new Set(lane.map((text) => /load-\d+-\d+/.exec(text)?.[0])).size).toBe(800);
    expect(client.counts.connections).toBe(2);
  });

  it('does not last longer because the clock is set back. Control: with the pauses of the library alone it does', async () => {
    const clock = jest.spyOn(Date, 'now');
    const right = (): number => performance.timeOrigin + performance.now();
    clock.mockImplementation(() => right() + 3_600_000);
    try {
      const client = await clients.make();
      await waitUntil(() => client.connected, { what: 'the connection', timeoutMs: 20_000 });
      const control = await bareConnection();
      let isControlBack = false;
      void (async () => {
        for await (const { type } of control.status()) isControlBack ||= type === 'reconnect';
      })();
      clock.mockImplementation(right);
      await Promise.all([lab.nats.restart(), waitUntil(() => !client.connected, { what: 'the break' })]);
      await waitUntil(() => client.connected, { what: 'the next connection', timeoutMs: 20_000 });
      expect(client.counts.connections).toBe(2);
      // Its pauses are far shorter than the client's.
      expect(isControlBack).toBe(false);
      await control.close();
    } finally {
      clock.mockRestore();
    }
  }, 60_000);
});

/** A connection of the same producer as the library makes it, with pauses of some milliseconds. */
async function bareConnection(): Promise<NatsConnection> {
  const { tls } = await optionsOf(lab);
  return connectBare({
    servers: lab.nats.server,
    tls: { ...tls, handshakeFirst: true },
    inboxPrefix: identityOf(DOMAIN, 'producer', 'billing').inboxPrefix!,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 10,
    reconnectJitter: 1,
    reconnectJitterTLS: 1,
  });
}

describe('answers of an ingest that is told what to say', () => {
  it('`unavailable` is asked again, the same bytes, until there is a receipt', async () => {
    await noIngest();
    const busy = { code: 'unavailable', message: 'full', position: null, retryAfterMs: 20 } as const;
    const script = await scriptedIngest(lab, ({ number }) => (number < 4 ? busy : KEYS.a));
    const client = await clients.make();
    const recorded = await client.recordMany([approval(), approval()]);
    recorded.forEach((one) => proofOf(one).verify(INGEST_KEYS));
    expect(script.bodies).toHaveLength(4);
    for (const body of script.bodies) expect(body.equals(script.bodies[0]!)).toBe(true);
    expect(client.counts).toMatchObject({ attempts: 4, retries: 3, receipted: 2 });
    await script.stop();
  });

  it('`unavailable` until the deadline is not known, neither success nor failure', async () => {
    await noIngest();
    const busy = { code: 'unavailable', message: 'full', position: null, retryAfterMs: 20 } as const;
    const script = await scriptedIngest(lab, () => busy);
    const client = await clients.make();
    const error = await failureOf(client.record(approval(), { withinMs: 300 }));
    expect(error).toMatchObject({ code: 'client.deadline', isUnknown: true });
    expect(error.message).toMatch(/unavailable: full/);
    await script.stop();
  });

  it('a receipt by a key that the trust file does not name is not believed. Control: with its key it is', async () => {
    await noIngest();
    const forger = SigningKey.fromSeed(ingestKeyName(DOMAIN, 'a'), Buffer.alloc(32, 99), NOTE_KEY);
    const script = await scriptedIngest(lab, () => forger);
    const problems: string[] = [];
    const onProblem = (error: Error): void => void problems.push((error as EversealError).code);
    const trustFile = lab.file('trusted.note');
    writeFileSync(trustFile, genesis());
    const client = await clients.make({ onProblem, trustFile });
    expect(await failureOf(client.record(approval(), { withinMs: 400 }))).toMatchObject({
      code: 'client.unverified',
      isUnknown: true,
    });
    expect(client.counts.receipted).toBe(0);
    expect(client.counts.unverified).toBeGreaterThan(0);
    expect(problems).toEqual(['client.unverified']);

    // Put there while the client runs: taken up without a restart.
    writeFileSync(trustFile, genesis({ ingest: [forger.verifier, KEYS.b.verifier] }));
    proofOf(await client.record(approval())).verify([forger.verifier]);
    await script.stop();
  });

  it('a request that is refused for one event goes on as its neighbours before and behind, in their order', async () => {
    await noIngest();
    const conflict = { code: 'event.conflict', message: 'event 2: no', position: 2, retryAfterMs: null } as const;
    const script = await scriptedIngest(lab, ({ number }) => (number === 1 ? null : number === 2 ? conflict : KEYS.a));
    const client = await clients.make({ answerWithinMs: 200 });
    const events = [1, 2, 3, 4, 5].map((n) => approval(`cut-${n}`));
    const failed = (await failureOf(client.recordMany(events))) as SomeFailed;
    expect(failed.outcomes.map((one) => ('state' in one ? one.state : [one.code, one.isUnknown]))).toEqual([
      'receipted',
      'receipted',
      ['event.conflict', true],
      'receipted',
      'receipted',
    ]);
    const all = events.map(({ id }) => id);
    expect(script.requests).toEqual([all, all, all.slice(0, 2), all.slice(3)]);
    await script.stop();
  });

  it('a request keeps its events when one of its calls has given up', async () => {
    await noIngest();
    const script = await scriptedIngest(lab, ({ number }) => (number < 3 ? null : KEYS.a));
    const client = await clients.make({ answerWithinMs: 300 });
    const short = failureOf(client.record(approval('short'), { withinMs: 100 }));
    const long = client.record(approval('long'));
    expect(await short).toMatchObject({ code: 'client.deadline', isUnknown: true });
    proofOf(await long).verify(INGEST_KEYS);
    expect(script.requests).toEqual(Array.from({ length: 3 }, () => ['short', 'long']));
    await script.stop();
  });

  it('a refusal after an attempt that nobody answered is no certainty', async () => {
    await noIngest();
    const refusal = { code: 'event.forbidden', message: 'no', position: null, retryAfterMs: null } as const;
    const script = await scriptedIngest(lab, ({ number }) => (number === 1 ? null : refusal));
    const client = await clients.make({ answerWithinMs: 200 });
    expect(await failureOf(client.record(approval()))).toMatchObject({ code: 'event.forbidden', isUnknown: true });
    expect(await failureOf(client.record(approval()))).toMatchObject({ code: 'event.forbidden', isUnknown: false });
    await script.stop();
  });

  it('an answer to somebody else settles nothing: the event is sent again. Control: the same refusal of this request does', async () => {
    await noIngest();
    const conflict = { code: 'event.conflict', message: 'no', position: 0, retryAfterMs: null } as const;
    const astray = formatRefusal(conflict, Buffer.from('the request of another producer'));
    const script = await scriptedIngest(lab, ({ number }) =>
      number === 1 ? astray : number === 2 ? KEYS.a : conflict,
    );
    const client = await clients.make();
    proofOf(await client.record(approval())).verify(INGEST_KEYS);
    expect(script.requests).toHaveLength(2);
    expect(await failureOf(client.record(approval()))).toMatchObject({ code: 'event.conflict', isUnknown: false });
    expect(script.requests).toHaveLength(3);
    await script.stop();
  });

  it('what waits in memory is bounded, and more is refused at once', async () => {
    await noIngest();
    const client = await clients.make({ mostWaitingBytes: 2_000, withinMs: 1_000 });
    const calls = Array.from({ length: 30 }, () => failureOf(client.record(approval())));
    const codes = (await Promise.all(calls)).map(({ code, isUnknown }) => `${code} ${isUnknown}`);
    expect(new Set(codes)).toEqual(new Set(['client.deadline false', 'client.overloaded false']));
    expect(codes.filter((code) => code.startsWith('client.deadline')).length).toBeLessThan(12);
  });

  it('fail-open drops, counts and tells; fail-closed rejects', async () => {
    await noIngest();
    const dropped: (string | null)[] = [];
    const client = await clients.make({ failure: 'open', withinMs: 200, onDropped: ({ id }) => void dropped.push(id) });
    const [lost, bad] = await Promise.all([client.record(approval('open')), client.record({ action: '' })]);
    expect(lost).toMatchObject({ state: 'dropped', id: 'open', error: { code: 'client.deadline', isUnknown: false } });
    expect(bad).toMatchObject({ state: 'dropped', id: null, error: { code: 'event.invalid' } });
    expect([client.counts.dropped, dropped.sort()]).toEqual([2, [null, 'open'].sort()]);
    expect(await failureOf(client.record(approval(), { failure: 'closed' }))).toMatchObject({
      code: 'client.deadline',
    });
  });
});

describe('connecting', () => {
  it('says why it cannot, and does not wait when told so', async () => {
    const nowhere = await optionsOf(lab, { servers: 'tls://localhost:1', connectWithinMs: 300 });
    expect(await failureOf(connect(nowhere))).toMatchObject({ code: 'client.unreachable' });
    const client = await clients.make({ servers: 'tls://localhost:1', connectWithinMs: 0 });
    expect(client.connected).toBe(false);
  });

  it('takes nothing that does not fit together', async () => {
    const good = await optionsOf(lab);
    const service = await lab.nats.pki.ensureClient(identityOf(DOMAIN, 'ingest', 'a'));
    const other = await lab.nats.pki.ensureClient(identityOf('other.example.com', 'producer', 'billing'));
    for (const change of [
      { tls: service },
      { tls: other },
      { tls: { ...good.tls, keyFile: service.keyFile } },
      { trustFile: good.tls.caFile },
      { inFlight: 0 },
      { withinMs: 1.5 },
    ]) {
      expect(await failureOf(connect({ ...good, ...change }))).toMatchObject({ code: 'client.settings' });
    }
  });

  it('a certificate that the broker does not let send there is told at once', async () => {
    await realIngest();
    const { certFile, keyFile, caFile } = await lab.nats.pki.ensureClient(identityOf(DOMAIN, 'producer', 'nobody'));
    const stranger = await optionsOf(lab, { tls: { certFile, keyFile, caFile }, connectWithinMs: 500 });
    expect(await failureOf(connect(stranger))).toMatchObject({ code: 'client.unreachable' });
  });

  it('takes up a renewed certificate; what is under way is not lost', async () => {
    await realIngest();
    const { tls } = await optionsOf(lab);
    const mine = Object.fromEntries(
      Object.entries(tls).map(([name, file]) => [name, lab.file(`renewed-${path.basename(file)}`)]),
    ) as typeof tls;
    for (const name of ['certFile', 'keyFile', 'caFile'] as const) copyFileSync(tls[name], mine[name]);
    const client = await clients.make({ tls: mine });
    rmSync(tls.certFile);
    const again = await optionsOf(lab);
    createPrivateKey(readFileSync(again.tls.keyFile));
    copyFileSync(again.tls.certFile, `${mine.certFile}.new`);
    renameSync(`${mine.certFile}.new`, mine.certFile);
    await waitUntil(() => client.counts.connections === 2, {
      what: 'a connection with the new one',
      timeoutMs: 20_000,
    });
    proofOf(await client.record(approval()));
  });

  it('closing settles every call, and takes none afterwards', async () => {
    const client = await clients.make({ servers: 'tls://localhost:1', connectWithinMs: 0 });
    const call = failureOf(client.record(approval()));
    await client.close({ withinMs: 0 });
    expect(await call).toMatchObject({ code: 'client.closed', isUnknown: false });
    expect(await failureOf(client.record(approval()))).toMatchObject({ code: 'client.closed', isUnknown: false });
  });

  it('closing while a request is under way says that nobody knows', async () => {
    await noIngest();
    const silent = await scriptedIngest(lab, () => null);
    const client = await clients.make();
    const call = failureOf(client.record(approval()));
    await waitUntil(() => silent.requests.length === 1, { what: 'the request' });
    await client.close({ withinMs: 0 });
    expect(await call).toMatchObject({ code: 'client.closed', isUnknown: true });
    await silent.stop();
  });
});
