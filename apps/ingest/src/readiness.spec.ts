/** When ingest accepts and when it does not: the proofs it asks for, and backpressure. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { waitUntil } from '@everseal/local';
import { MessagingError } from '@everseal/messaging';
import { GatedProxy } from '@everseal/testing';
import { genesis, KEYS } from './announced-log.fixture.js';
import { event, IngestLab, type RunningIngest } from './ingest.fixture.js';

const labs: IngestLab[] = [];
const running: RunningIngest[] = [];

async function newLab(...args: Parameters<typeof IngestLab.start>): Promise<IngestLab> {
  const lab = await IngestLab.start(...args);
  labs.push(lab);
  return lab;
}

async function run(lab: IngestLab, limits: object = {}): Promise<RunningIngest> {
  const ingest = await lab.run('a', await lab.settings('a', 'spool-a', limits));
  running.push(ingest);
  return ingest;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((ingest) => ingest.stop()));
  await Promise.all(labs.splice(0).map((lab) => lab.stop()));
});

/** Nobody serves the subject: no ingester has subscribed. */
async function isUnserved(lab: IngestLab): Promise<boolean> {
  const producer = await lab.producer();
  return producer.send(event('unserved')).then(
    () => false,
    (error) => error instanceof MessagingError && error.code === 'nats.no-responders',
  );
}

const reason = (ingest: RunningIngest, what: RegExp) =>
  waitUntil(() => ingest.reasons.find((text) => what.test(text)), { what: String(what) });

describe('ingest does not accept', () => {
  it('from a broker that acknowledges before it syncs', async () => {
    const lab = await newLab(undefined, (config) => config.replace('sync_interval: always', 'sync_interval: "2m"'));
    const ingest = await run(lab);
    expect(await reason(ingest, /^broker: NATS server n1 acknowledges before it syncs/)).toContain(
      'set jetstream.sync',
    );
    await reason(ingest, /^main: lane: the lane is not resolved: NATS server n1 acknowledges before it syncs/);
    await waitUntil(() => ingest.reasons.length === 2, { what: 'nothing else that is not as it should be' });
    expect(await isUnserved(lab)).toBe(true);
  });

  it('from a broker that came back without syncing, not even what it was to store when it went. Control: once it syncs', async () => {
    let isLax = false;
    const lab = await newLab(undefined, (config) =>
      isLax ? config.replace('sync_interval: always', 'sync_interval: "2m"') : config,
    );
    const proxy = await GatedProxy.start(lab.nats.port);
    try {
      const ingest = await lab.run('a', await lab.settings('a', 'spool-a', {}, proxy.server));
      running.push(ingest);
      await ingest.ready();
      const { commit } = ingest.service['intakes'][0]!;
      const producer = await lab.producer();
      proxy.shut('toServer');
      producer.send(event('held')).catch(() => undefined);
      await waitUntil(() => commit.unanswered.length === 1, { what: 'a frame on its way' });
      isLax = true;
      await lab.nats.restart();
      proxy.cut();
      proxy.open('toServer');
      await reason(ingest, /^main: lane: the lane is not resolved: NATS server n1 acknowledges before it syncs/);
      expect([commit.unanswered.length, (await lab.frames()).length]).toEqual([1, 0]);

      isLax = false;
      await lab.nats.restart();
      proxy.cut();
      await waitUntil(() => commit.unanswered.length === 0, { what: 'the frame stored', timeoutMs: 25_000 });
      await waitUntil(async () => (await lab.frames()).length === 1, { what: 'the frame in the lane' });
    } finally {
      await proxy.stop();
    }
  }, 60_000);

  it('from a broker with another max_payload', async () => {
    const lab = await newLab(undefined, (config) => config.replace('max_payload: 1048576', 'max_payload: 2097152'));
    await reason(await run(lab), /^broker: NATS takes messages of 2097152 bytes/);
    expect(await isUnserved(lab)).toBe(true);
  });

  it('into a stream that is not as the policy says', async () => {
    const lab = await newLab();
    // The stream was provisioned for another age than the policy now says.
    Object.assign(lab.policy.ledgers[0]?.frames ?? {}, { maxAgeMs: 3_600_000 });
    await reason(await run(lab), /^main: stream: stream FRAMES_main differs from the policy: max_age is/);
    expect(await isUnserved(lab)).toBe(true);
  });

  it('without its own key in the newest key set, and does once a newer set names it', async () => {
    const lab = await newLab();
    const first = genesis({ ingest: [KEYS.b.verifier] });
    writeFileSync(lab.file('genesis.note'), first);
    const ingest = await run(lab);
    await reason(ingest, /^main: keys: the newest key set of main does not name audit.example.com\/ingest\/a/);
    expect(await isUnserved(lab)).toBe(true);
    lab.log.addKeys(genesis());
    await lab.announce(lab.log.announcement([]));
    await ingest.ready();
    await (await lab.producer()).accepted(event('1'));
    await ingest.stop();
    running.splice(0);
    // The newer set is remembered.
    await (await run(lab)).ready();
  });

  it('with a clock that is far behind what it signed', async () => {
    const lab = await newLab();
    const ingest = await run(lab);
    await ingest.ready();
    await (await lab.producer()).accepted(event('1'));
    ingest.now = () => Date.now() - 3_600_000;
    ingest.service['intakes'][0]?.lookAgain();
    await reason(ingest, /^main: clock: the clock is 36\d\d s behind the newest frame/);
    await waitUntil(() => isUnserved(lab), { what: 'no subscription' });
    ingest.now = Date.now;
    ingest.service['intakes'][0]?.lookAgain();
    await ingest.ready();
  });

  it('while the broker is away, and goes on by itself when it is back', async () => {
    const lab = await newLab();
    const ingest = await run(lab);
    await ingest.ready();
    const producer = await lab.producer();
    const receipts = new Map<string, unknown>();
    let isSending = true;
    const sending = (async () => {
      for (let i = 0; isSending; i += 1) {
        const text = event(`e${i}`);
        await producer.accepted(text).then(
          (receipt) => receipts.set(text, receipt),
          () => new Promise((resolve) => setTimeout(resolve, 50)),
        );
      }
    })();
    await waitUntil(() => receipts.size > 20, { what: 'some receipts' });
    await lab.nats.restart('SIGKILL');
    expect(ingest.reasons.length).toBeGreaterThan(0);
    await ingest.ready();
    const before = receipts.size;
    await waitUntil(() => receipts.size > before + 20, { what: 'more receipts', timeoutMs: 20_000 });
    isSending = false;
    await sending;
    const events = (await lab.frames()).flatMap((frame) => frame.events);
    // Each exactly once: what was sent again after a lost answer found its first frame.
    for (const text of receipts.keys()) expect(events.filter((entry) => entry.includes(text))).toHaveLength(1);
  });
});

describe('backpressure', () => {
  let lab: IngestLab;
  beforeAll(async () => {
    lab = await IngestLab.start();
  });
  afterAll(() => lab.stop());

  it('comes from the bound of the spool, and goes when a cosigned checkpoint covers the frames', async () => {
    const ingest = await run(lab);
    await ingest.ready();
    const orders = await lab.producer('orders');
    let sent = 0;
    const large = (): string[] => Array.from({ length: 8 }, () => event(`large-${(sent += 1)}`, 'x'.repeat(60_000)));
    let refusal: unknown = null;
    for (let i = 0; i < 20 && refusal === null; i += 1) {
      const answer = await orders.sendBatch(large());
      if ('refusal' in answer) refusal = answer.refusal;
    }
    expect(refusal).toMatchObject({ code: 'unavailable', retryAfterMs: 2_000 });
    expect(ingest.intake.spool.bytes).toBeLessThanOrEqual(4_194_304);

    const frames = await lab.frames();
    const indexes = frames.map(({ message }) => lab.log.add(message.note));
    const last = frames.at(-1)?.frame.number ?? 0;
    const head = { ingester: 'a', number: last, index: indexes.at(-1) ?? 0 };
    // Neither without a cosignature nor with one of a stranger: the spool keeps what is not proven.
    await lab.announce(lab.log.announcement([head], { verifier: null }));
    await waitUntil(() => ingest.lines.some((line) => line.includes('announcement.cosignature')), {
      what: 'a warning',
    });
    expect(ingest.intake.spool.covered.number).toBe(0);
    await lab.announce(lab.log.announcement([head]));
    await waitUntil(() => ingest.intake.spool.covered.number === last, { what: 'release' });
    expect(ingest.intake.spool.bytes).toBe(0);
    await orders.accepted(...large());
  });

  it('comes from the age of the oldest frame', async () => {
    const ingest = await run(lab, { clockSkewMs: 1_000_000_000 });
    await ingest.ready();
    const orders = await lab.producer('orders');
    await orders.accepted(event('old', 1));
    ingest.now = () => Date.now() + 1_209_600_000 / 4 + 1_000;
    expect(await orders.sendBatch([event('new', 1)])).toMatchObject({ refusal: { code: 'unavailable' } });
    // A repeat is refused, too: it costs as much as any other request.
    ingest.now = () => Date.now() + 1_209_600_000 / 4 - 60_000;
    await orders.accepted(event('new', 1));
  });
});
