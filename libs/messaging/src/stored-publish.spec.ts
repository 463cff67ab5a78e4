import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { jetstreamManager } from '@nats-io/jetstream';
import { LabBroker, PolicyBroker } from './broker.fixture.js';
import type { NatsLink } from './connect.js';
import { LanePublisher } from './lane-publisher.js';
import { publishDurable, publishStored, WRONG_LAST_SEQUENCE } from './stored-publish.js';
import { FramesReader, StreamReader } from './stream-reader.js';

const LANE = 'audit.frames.main.a';
const bytes = Buffer.from('frame');

describe('LanePublisher, as ingest', () => {
  let broker: PolicyBroker;
  let link: NatsLink;
  let lane: LanePublisher;
  let frames: FramesReader;

  beforeAll(async () => {
    broker = await PolicyBroker.start();
    link = await broker.link('ingest', 'a');
    lane = new LanePublisher(link, 'FRAMES_main', LANE);
    frames = new FramesReader(link, 'main');
  });
  afterAll(() => broker.stop());

  const publish = (after: number, timeoutMs = 5_000, data: Buffer = bytes) =>
    lane.publishFrame(data, { expectedLastSubjectSequence: after, timeoutMs });

  it('stores a frame behind the one before, and nowhere else', async () => {
    expect(await publish(0)).toEqual({ outcome: 'stored', sequence: 1 });
    // A repeat of what is stored, a frame that skips one, one that goes back: all refused, none stored.
    for (const after of [0, 2, 7]) {
      expect(await publish(after)).toMatchObject({ outcome: 'rejected', errCode: WRONG_LAST_SEQUENCE });
    }
    expect(await publish(1)).toEqual({ outcome: 'stored', sequence: 2 });
    expect((await frames.info()).messages).toBe(2);
  });

  it('control: without the expectation a repeat is stored again', async () => {
    const again = await publishStored(link, LANE, bytes, { stream: 'FRAMES_main', timeoutMs: 5_000 });
    expect(again).toEqual({ outcome: 'stored', sequence: 3 });
    expect((await frames.info()).messages).toBe(3);
  });

  it('does not depend on what other lanes do', async () => {
    const other = new LanePublisher(await broker.link('ingest', 'b'), 'FRAMES_main', 'audit.frames.main.b');
    const options = { expectedLastSubjectSequence: 0, timeoutMs: 5_000 };
    expect(await other.publishFrame(bytes, options)).toEqual({ outcome: 'stored', sequence: 4 });
    expect(await publish(3)).toEqual({ outcome: 'stored', sequence: 5 });
  });

  it('is rejected on a lane that is not its own', async () => {
    const wrong = new LanePublisher(link, 'FRAMES_main', 'audit.frames.main.b');
    const result = await wrong.publishFrame(bytes, { expectedLastSubjectSequence: 4, timeoutMs: 5_000 });
    expect(result).toMatchObject({ outcome: 'rejected', errCode: null });
  });

  it('is unknown within the time allowed when the server does not answer; the stream tells afterwards', async () => {
    broker.nats.process.kill('SIGSTOP');
    try {
      expect(await publish(5, 300, Buffer.from('slow'))).toMatchObject({ outcome: 'unknown' });
    } finally {
      broker.nats.process.kill('SIGCONT');
    }
    // It was under way all along: stored after the publisher gave up.
    const stored = await waitUntil(
      async () => {
        const last = await frames.lastBySubject(LANE);
        return last?.sequence === 6 && last;
      },
      { what: 'the late frame' },
    );
    expect(stored.data.toString()).toBe('slow');
    // Sent again on the old expectation it is refused, so there is one copy whatever the publisher does.
    expect(await publish(5, 5_000, Buffer.from('slow'))).toMatchObject({ errCode: WRONG_LAST_SEQUENCE });
  });

  it('is unknown at once when the connection breaks, and while there is none', async () => {
    broker.nats.process.kill('SIGSTOP');
    const inFlight = publish(6, 60_000);
    broker.nats.process.kill('SIGKILL');
    expect(await inFlight).toMatchObject({ outcome: 'unknown', reason: expect.stringContaining('broke') });
    expect(await publish(6, 60_000)).toMatchObject({ outcome: 'unknown', reason: expect.stringContaining('not sent') });
    await broker.nats.restart();
    await waitUntil(() => link.connected, { what: 'connected again' });
    const last = await frames.lastBySubject(LANE);
    expect(await publish(last?.sequence ?? 0)).toMatchObject({ outcome: 'stored' });
  });

  it('reaches the streams of the sealer and of alerts the same way', async () => {
    const sealer = await broker.link('sealer', 's1');
    const options = { timeoutMs: 5_000 };
    expect(await publishDurable(sealer, 'audit.announce.main', bytes, { stream: 'ANNOUNCEMENTS', ...options })).toBe(1);
    const reader = new StreamReader(sealer, 'ANNOUNCEMENTS');
    expect((await reader.lastBySubject('audit.announce.main'))?.data.toString()).toBe('frame');
    const alert = publishDurable(sealer, 'audit.alerts.entry.altered', bytes, { stream: 'ALERTS', ...options });
    expect(await alert).toBe(1);
  });
});

describe('publishStored against answers that prove nothing', () => {
  let lab: LabBroker;
  let link: NatsLink;
  beforeAll(async () => {
    lab = await LabBroker.start();
    link = await lab.link();
    const { streams } = await jetstreamManager(link.nc);
    await streams.add({ name: 'S', subjects: ['s.*'], max_msgs: 1, discard: 'new', duplicate_window: 60e9 });
  });
  afterAll(() => lab.stop());

  const publish = (subject: string, more: { stream?: string; headers?: Record<string, string> } = {}) =>
    publishStored(link, subject, bytes, { stream: 'S', timeoutMs: 2_000, ...more });

  it('is rejected by a stream of another name, and when there is none', async () => {
    expect(await publish('s.a', { stream: 'T' })).toMatchObject({ outcome: 'rejected', errCode: 10_060 });
    expect(await publish('nowhere')).toMatchObject({ outcome: 'rejected', errCode: null });
  });

  it('does not take "you have sent that before" for stored', async () => {
    const headers = { 'Nats-Msg-Id': '1' };
    expect(await publish('s.a', { headers })).toEqual({ outcome: 'stored', sequence: 1 });
    expect(await publish('s.a', { headers })).toMatchObject({ outcome: 'unknown' });
  });

  it('is rejected when the stream is full', async () => {
    expect(await publish('s.b')).toMatchObject({ outcome: 'rejected', errCode: 10_077 });
    await expect(publishDurable(link, 's.b', bytes, { stream: 'S', timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'publish.rejected',
      detail: 10_077,
      fate: 'retry',
    });
  });

  it('is rejected when it is larger than the server takes; control: one that just is not is sent', async () => {
    const sent = (size: number) =>
      publishStored(link, 's.large', Buffer.alloc(size), { stream: 'S', timeoutMs: 2_000 });
    expect(await sent(1_048_576)).toMatchObject({
      outcome: 'rejected',
      description: expect.stringContaining('max_payload'),
    });
    // The stream is full: the answer is the server's.
    expect(await sent(1_048_000)).toMatchObject({ outcome: 'rejected', errCode: 10_077 });
    await expect(
      publishDurable(link, 's.large', Buffer.alloc(1_048_576), { stream: 'S', timeoutMs: 2_000 }),
    ).rejects.toMatchObject({ code: 'publish.rejected', fate: 'retry' });
  });

  it.each([
    ['of another stream', '{"stream":"T","seq":1}'],
    ['without a sequence', '{"stream":"S"}'],
    ['with sequence 0', '{"stream":"S","seq":0}'],
    ['with a sequence that is no whole number', '{"stream":"S","seq":1.5}'],
    ['with a sequence beyond 2^53', '{"stream":"S","seq":9007199254740993}'],
    ['that is no object', '[1]'],
    ['that is no JSON', 'OK'],
    ['that is empty', ''],
  ])('is unknown after an answer %s', async (_what, answer) => {
    const impostor = link.nc.subscribe('fake', { callback: (_error, message) => void message.respond(answer) });
    expect(await publish('fake')).toMatchObject({ outcome: 'unknown' });
    await expect(publishDurable(link, 'fake', bytes, { stream: 'S', timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'publish.unknown',
    });
    impostor.unsubscribe();
  });

  it('is unknown when the sequence is not above the one it followed', async () => {
    const impostor = link.nc.subscribe('fake', {
      callback: (_error, message) => void message.respond('{"stream":"S","seq":7}'),
    });
    const lane = new LanePublisher(link, 'S', 'fake');
    const after = (expectedLastSubjectSequence: number) =>
      lane.publishFrame(bytes, { expectedLastSubjectSequence, timeoutMs: 2_000 });
    expect(await after(6)).toEqual({ outcome: 'stored', sequence: 7 });
    expect(await after(7)).toMatchObject({ outcome: 'unknown' });
    impostor.unsubscribe();
  });
});
