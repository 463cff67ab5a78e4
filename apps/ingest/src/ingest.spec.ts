/** One ingester on a real broker: receipts, duplicates, backpressure, readiness. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { equalHash, leafHash, openFrame, ZERO_HASH } from '@everseal/audit-core';
import { heartbeatSubject, nudgeSubject, resendSubject } from '@everseal/policy';
import { GatedProxy } from '@everseal/testing';
import { KEYS, ORIGIN } from './announced-log.fixture.js';
import { event, IngestLab, type LaneFrame, type RunningIngest } from './ingest.fixture.js';

let lab: IngestLab;
const running: RunningIngest[] = [];
const proxies: GatedProxy[] = [];

beforeAll(async () => {
  lab = await IngestLab.start();
});
afterAll(() => lab.stop());
afterEach(async () => {
  await Promise.all(running.splice(0).map((ingest) => ingest.stop()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});

async function start(limits: object = {}, server = lab.nats.server): Promise<RunningIngest> {
  const settings = await lab.settings('a', 'spool-a', limits, server);
  const ingest = await lab.run('a', settings);
  running.push(ingest);
  await ingest.ready();
  return ingest;
}

async function startBehindProxy(limits: object = {}): Promise<{ ingest: RunningIngest; proxy: GatedProxy }> {
  const proxy = await GatedProxy.start(lab.nats.port);
  proxies.push(proxy);
  return { ingest: await start(limits, proxy.server), proxy };
}

let next = 0;
const fresh = (): string => `ev-${(next += 1)}`;

/** Sends them at once and gives the answers in order. */
async function eventsInLane(): Promise<string[]> {
  const frames = await lab.frames();
  return frames.flatMap(({ events }) => events);
}

const timesIn = (entries: string[], id: string): number =>
  entries.filter((entry) => entry.includes(`"id":"${id}"`)).length;

describe('a receipt', () => {
  it('proves each request of many that come at once, and the frames form one chain', async () => {
    await start();
    const billing = await lab.producer();
    const orders = await lab.producer('orders');
    const before = (await lab.frames()).length;
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        const events = Array.from({ length: 1 + (i % 7) }, () => event(fresh(), { text: 'ü'.repeat(i) }));
        return (i % 2 === 0 ? billing : orders).accepted(...events);
      }),
    );
    const frames = await lab.frames();
    expect(frames.length).toBeGreaterThan(before);
    let last: LaneFrame | null = null;
    for (const found of frames) {
      expect(found.frame.number).toBe((last?.frame.number ?? 0) + 1);
      expect(equalHash(found.frame.previous, last === null ? ZERO_HASH : leafHash(last.message.note))).toBe(true);
      expect(found.frame.accepted >= (last?.frame.accepted ?? '')).toBe(true);
      last = found;
    }
  });

  it('comes for each form of a request, and for the largest ones', async () => {
    await start();
    const orders = await lab.producer('orders');
    const lines = [event(fresh()), event(fresh())];
    const answer = await orders.send(`${lines.join('\r\n')}\r\n`, { 'content-type': 'application/x-ndjson' });
    if (!('receipt' in answer)) throw new Error(answer.refusal.message);
    orders.verify(answer.receipt, lines);
    const large = Array.from({ length: 8 }, () => event(fresh(), 'x'.repeat(61_000)));
    await orders.accepted(...large);
    await orders.accepted(...Array.from({ length: 512 }, () => event(fresh())));
  });

  it('is dated by a clock that never goes back', async () => {
    const ingest = await start();
    const billing = await lab.producer();
    const first = billing.verify(await billing.accepted(event('clock-1')), [event('clock-1')]);
    ingest.now = () => Date.now() - 60_000;
    const second = billing.verify(await billing.accepted(event('clock-2')), [event('clock-2')]);
    expect(second.accepted).toBe(first.accepted);
  });

  it('is not given while the PubAck is missing; the frame is kept, and the repeated request gets its receipt', async () => {
    const { ingest, proxy } = await startBehindProxy({ waitMs: 300, ackTimeoutMs: 1_500 });
    const billing = await lab.producer();
    const text = event(fresh());
    proxy.shut('toServer');
    const waiting = billing.send(text);
    await waitUntil(() => ingest.lines.some((line) => line.includes('looking at the lane')), { what: 'doubt' });
    proxy.open('toServer');
    await expect(waiting).resolves.toMatchObject({ refusal: { code: 'unavailable', retryAfterMs: 300 } });
    await ingest.ready();
    await billing.accepted(text);
    expect(timesIn(await eventsInLane(), JSON.parse(text).id)).toBe(1);
  });

  it('comes from the lane when only the PubAck was lost', async () => {
    const { ingest, proxy } = await startBehindProxy({ waitMs: 8_000, ackTimeoutMs: 400 });
    const billing = await lab.producer();
    const text = event(fresh());
    proxy.shut('toServer');
    const waiting = billing.accepted(text);
    const { newest } = ingest.intake.spool;
    await waitUntil(() => ingest.intake.spool.newest.number > newest.number, { what: 'spooled' });
    proxy.shut('toClient');
    proxy.open('toServer');
    await waitUntil(() => ingest.lines.some((line) => line.includes('looking at the lane')), { what: 'doubt' });
    proxy.open('toClient');
    await waiting;
    expect(timesIn(await eventsInLane(), JSON.parse(text).id)).toBe(1);
  });
});

describe('a repeated request', () => {
  it('gets the same receipt, in whole or in part, also after a restart', async () => {
    const ingest = await start();
    const billing = await lab.producer();
    const events = Array.from({ length: 5 }, () => event(fresh()));
    const first = await billing.accepted(...events);
    expect(await billing.accepted(...events)).toEqual(first);
    const part = await billing.accepted(...events.slice(1, 3));
    expect(part).toMatchObject({ frame: first.frame, first: first.first + 1, count: 2 });
    await ingest.stop();
    running.splice(0);
    await start();
    expect(await billing.accepted(...events)).toEqual(first);
    const all = await eventsInLane();
    expect(events.map((text) => timesIn(all, JSON.parse(text).id))).toEqual([1, 1, 1, 1, 1]);
  });

  it('joins the first one while that still waits, in the queue or in its frame', async () => {
    const { ingest, proxy } = await startBehindProxy({ waitMs: 10_000, ackTimeoutMs: 10_000 });
    const billing = await lab.producer();
    const events = Array.from({ length: 4 }, () => event(fresh()));
    const texts = Array.from({ length: 3 }, () => event(fresh()));
    proxy.shut('toServer');
    const first = billing.accepted(...events);
    await waitUntil(() => ingest.intake.commit.unanswered.length > 0, { what: 'a frame under way' });
    const others = texts.map((text) => billing.accepted(text));
    await waitUntil(() => ingest.intake.commit.unanswered.length === 2, { what: 'the next frame' });
    const queued = event(fresh());
    const waiting = [billing.accepted(queued), billing.accepted(queued)];
    const again = [billing.accepted(...events), billing.accepted(...events.slice(2)), billing.accepted(texts[0] ?? '')];
    await waitUntil(() => ingest.followers === 4, { what: 'four that wait with others' });
    proxy.open('toServer');
    expect(await again[0]).toEqual(await first);
    expect(await again[2]).toEqual(await others[0]);
    expect((await again[1])?.first).toBe((await first).first + 2);
    expect(await waiting[1]).toEqual(await waiting[0]);
    expect(timesIn(await eventsInLane(), JSON.parse(queued).id)).toBe(1);
  });

  it('with other bytes is a conflict, logged with both hashes, and takes nothing in', async () => {
    const ingest = await start();
    const billing = await lab.producer();
    const id = fresh();
    await billing.accepted(event(id));
    const before = (await eventsInLane()).length;
    const answer = await billing.sendBatch([event(fresh()), event(id, { amount: 2 })]);
    expect(answer).toMatchObject({ refusal: { code: 'event.conflict', position: 1, retryAfterMs: null } });
    const twice = await billing.sendBatch([event('twin'), event('twin', { amount: 2 })]);
    expect(twice).toMatchObject({ refusal: { code: 'event.conflict', position: 1 } });
    expect((await eventsInLane()).length).toBe(before);
    const line = ingest.lines.map((text) => JSON.parse(text)).find(({ eventId }) => eventId === id);
    expect(line).toMatchObject({
      code: 'event.conflict',
      producer: 'billing',
      known: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(line.known).not.toBe(line.sent);
    await billing.accepted(event('twin'));
  });

  it('of another producer, source or id is a new event', async () => {
    await start();
    const billing = await lab.producer();
    const orders = await lab.producer('orders');
    const id = fresh();
    await billing.accepted(event(id));
    await orders.accepted(event(id, 1));
    await billing.accepted(event(id, 2, '/billing/eu'));
    await billing.accepted(event(`${id}x`, 3));
    expect(timesIn(await eventsInLane(), id)).toBe(3);
  });

  it('that mixes old and new events is accepted as a whole, and found again as a whole', async () => {
    await start();
    const billing = await lab.producer();
    const [old, first, second] = [event(fresh()), event(fresh()), event(fresh())];
    await billing.accepted(old);
    const receipt = await billing.accepted(first, old, second);
    expect(await billing.accepted(first, old, second)).toEqual(receipt);
    const all = await eventsInLane();
    // Twice in the lane: the index marks the later copy.
    expect([old, first, second].map((text) => timesIn(all, JSON.parse(text).id))).toEqual([2, 1, 1]);
    const self = event(fresh());
    const doubled = await billing.accepted(self, self);
    expect(await billing.accepted(self, self)).toEqual(doubled);
  });
});

describe('ingest tells others', () => {
  it('of its newest frame in the heartbeat, signed, and of each frame by a nudge', async () => {
    const ingest = await start();
    const verifier = await lab.link('verifier', 'v1');
    const sealer = await lab.link('sealer', 's1');
    const beats: string[] = [];
    let nudges = 0;
    verifier.nc.subscribe(heartbeatSubject('ingest', 'a'), {
      callback: (_, message) => void beats.push(message.string()),
    });
    sealer.nc.subscribe(nudgeSubject('main'), { callback: () => void (nudges += 1) });
    await Promise.all([verifier.nc.flush(), sealer.nc.flush()]);
    await (await lab.producer()).accepted(event(fresh()));
    await waitUntil(() => nudges > 0, { what: 'a nudge' });
    await ingest.stop();
    running.splice(0);
    await waitUntil(() => beats.length > 0, { what: 'the last heartbeat' });
    const { frames } = JSON.parse(beats.at(-1) ?? '{}') as { frames: string[] };
    const newest = (await lab.frames()).at(-1)?.frame;
    expect(openFrame(frames[0] ?? '', [KEYS.a.verifier], ORIGIN)).toEqual(newest);
  });

  it('of a frame that the sealer asks for again, byte for byte', async () => {
    const ingest = await start();
    await (await lab.producer()).accepted(event(fresh()));
    const sealer = await lab.link('sealer', 's1');
    const ask = async (body: string): Promise<Buffer> =>
      Buffer.from((await sealer.inbox.ask(resendSubject('main', 'a'), body, { timeoutMs: 2_000 })).data);
    const newest = (await lab.frames()).at(-1);
    expect(await ask(`{"number":${newest?.frame.number}}`)).toEqual(newest?.message.bytes);
    expect(await ask('{"number":1000000}')).toHaveLength(0);
    expect((await ask('{"number":-1}')).toString()).toContain('resend.number');
    expect(ingest.failures).toEqual([]);
  });
});
