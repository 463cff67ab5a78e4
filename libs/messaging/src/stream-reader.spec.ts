import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { waitUntil } from '@everseal/local';
import { RawNats } from '@everseal/testing';
import { LabBroker, PolicyBroker } from './broker.fixture.js';
import type { NatsLink } from './connect.js';
import { LanePublisher } from './lane-publisher.js';
import { FramesReader, StreamReader } from './stream-reader.js';

const LANE = 'audit.frames.main.a';
const MANY = { maxMessages: 1000, maxBytes: 64 * 1024 * 1024 };

/** Bytes that tell their number. */
const content = (number: number, length: number) => Buffer.alloc(length, `frame ${number};`);

describe('FramesReader, as the sealer', () => {
  let broker: PolicyBroker;
  let reader: FramesReader;
  let publisher: LanePublisher;
  let last = 0;

  beforeAll(async () => {
    broker = await PolicyBroker.start();
    reader = new FramesReader(await broker.link('sealer', 's1'), 'main');
    publisher = new LanePublisher(await broker.link('ingest', 'a'), 'FRAMES_main', LANE);
  });
  afterAll(() => broker.stop());

  async function publish(count: number, length: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const result = await publisher.publishFrame(content(last + 1, length), {
        expectedLastSubjectSequence: last,
        timeoutMs: 5_000,
      });
      expect(result).toEqual({ outcome: 'stored', sequence: last + 1 });
      last += 1;
    }
  }
  const sequences = (messages: { sequence: number }[]) => messages.map(({ sequence }) => sequence);

  it('finds an empty stream empty', async () => {
    expect(await reader.readFrom(1, MANY)).toEqual([]);
    expect(await reader.get(1)).toBeNull();
    expect(await reader.info()).toMatchObject({ name: 'FRAMES_main', messages: 0, firstSequence: 0, lastSequence: 0 });
  });

  it('reads what was stored, byte for byte and in order', async () => {
    await publish(20, 1000);
    const messages = await reader.readFrom(1, MANY);
    expect(sequences(messages)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    for (const { sequence, subject, time, data } of messages) {
      expect(data.equals(content(sequence, 1000))).toBe(true);
      expect(subject).toBe(LANE);
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    }
  });

  it('keeps to the limits of a batch and goes on from any sequence', async () => {
    expect(sequences(await reader.readFrom(5, { ...MANY, maxMessages: 3 }))).toEqual([5, 6, 7]);
    // The message that reaches the bytes is in it; headers count too.
    expect((await reader.readFrom(1, { ...MANY, maxBytes: 3000 })).length).toBeLessThanOrEqual(3);
    expect(sequences(await reader.readFrom(20, { ...MANY, maxBytes: 1 }))).toEqual([20]);
    expect(await reader.readFrom(21, MANY)).toEqual([]);
    expect(await reader.readFrom(5000, MANY)).toEqual([]);
  });

  it('reads many batches at once without mixing them up', async () => {
    const starts = Array.from({ length: 20 }, (_, i) => i + 1);
    const batches = await Promise.all(starts.map((start) => reader.readFrom(start, { ...MANY, maxMessages: 2 })));
    expect(batches.map(sequences)).toEqual(starts.map((start) => (start === 20 ? [20] : [start, start + 1])));
  });

  it('gives one message by sequence, and the newest of a lane to who may ask', async () => {
    expect((await reader.get(7))?.data.equals(content(7, 1000))).toBe(true);
    const verifier = new FramesReader(await broker.link('verifier', 'v1'), 'main');
    expect((await verifier.lastBySubject(LANE))?.sequence).toBe(20);
    expect(await verifier.lastBySubject('audit.frames.main.b')).toBeNull();
  });

  it('hands over a gap at the front as it is: the first sequence is above the one asked for', async () => {
    await publish(8, 700_000);
    const state = await reader.info();
    expect(state.lastSequence).toBe(28);
    expect(state.firstSequence).toBeGreaterThan(20);
    const messages = await reader.readFrom(1, MANY);
    expect(messages[0]?.sequence).toBe(state.firstSequence);
    expect(messages.at(-1)?.sequence).toBe(28);
    expect(messages.every(({ sequence, data }) => data.equals(content(sequence, 700_000)))).toBe(true);
    expect(await reader.get(1)).toBeNull();
  });

  it('knows the stream by more than its name', async () => {
    const state = await reader.info();
    expect(state).toMatchObject({ deleted: 0, lost: 0, epoch: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(state.created).toMatch(/^2\d{3}-/);
    expect(state.config).toMatchObject({ discard: 'old', deny_purge: true });
    expect(state.bytes).toBeGreaterThan(state.messages * 700_000);
  });

  it('says that a stream is not there', async () => {
    // To this account a ledger without crossings does not exist at all.
    const link = await broker.link('sealer', 's1');
    await expect(new FramesReader(link, 'other').info()).rejects.toMatchObject({ code: 'nats.forbidden' });
  });
});

describe('StreamReader against what a stream or a server could say', () => {
  let lab: LabBroker;
  let link: NatsLink;

  beforeAll(async () => {
    lab = await LabBroker.start();
    link = await lab.link();
    const manager = await jetstreamManager(link.nc);
    await manager.streams.add({ name: 'S', subjects: ['s.>'], allow_direct: true });
  });
  afterAll(() => lab.stop());

  it('takes a stored message for a message, whatever its publisher made it look like', async () => {
    const poses: MsgHdrs[] = [
      headers(204, 'EOB'),
      headers(404, 'Message Not Found'),
      headers(503, 'no responders'),
      headers(408, 'Empty Request'),
      headers(),
    ];
    for (const pose of poses) {
      for (const [name, value] of [
        ['Nats-Stream', 'OTHER'],
        ['Nats-Sequence', '999'],
        ['Nats-Last-Sequence', '998'],
        ['Nats-Subject', 's.other'],
        ['Nats-Num-Pending', '0'],
      ] as const) {
        pose.set(name, value);
      }
      await link.nc.request('s.pose', '', { headers: pose, timeout: 2_000 });
    }
    const bare = headers(503, 'no responders');
    await link.nc.request('s.bare', '', { headers: bare, timeout: 2_000 });
    const reader = new StreamReader(link, 'S', { apiPrefix: '$JS.API', timeoutMs: 2_000 });
    const messages = await reader.readFrom(1, MANY);
    expect(messages.map(({ sequence, subject }) => [sequence, subject])).toEqual([
      [1, 's.pose'],
      [2, 's.pose'],
      [3, 's.pose'],
      [4, 's.pose'],
      [5, 's.pose'],
      [6, 's.bare'],
    ]);
    expect(await reader.lastBySubject('s.bare')).toMatchObject({ sequence: 6 });
    expect(await reader.get(1)).toMatchObject({ sequence: 1, subject: 's.pose' });
  });

  it.each([
    ['a line feed in a value', 'NATS/1.0\r\nA: 1\nB: 2\r\n\r\n'],
    ['a space in a name', 'NATS/1.0\r\na b: 1\r\n\r\n'],
    ['no name', 'NATS/1.0\r\n: x\r\n\r\n'],
    ['no line end', 'NATS/1.0 and so on'],
    ['bytes that are no UTF-8', Buffer.from([...Buffer.from('NATS/1.0\r\nA: '), 0xff, 0xfe, 13, 10, 13, 10])],
    ['nothing', ''],
  ])('reads a stored message whose headers no client would send: %s', async (_what, block) => {
    const raw = await RawNats.open(lab.nats.port, await lab.certificate(), '_INBOX_lab.raw');
    const reader = new StreamReader(link, 'S', { apiPrefix: '$JS.API', timeoutMs: 2_000 });
    const { lastSequence } = await reader.info();
    raw.publish('s.raw', block, 'odd');
    await waitUntil(async () => (await reader.info()).lastSequence > lastSequence, { what: 'the message' });
    await link.nc.request('s.raw', 'even', { timeout: 2_000 });
    const messages = await reader.readFrom(lastSequence + 1, MANY);
    expect(messages.map(({ data }) => data.toString())).toEqual(['odd', 'even']);
    raw.close();
  });

  it('says that a stream is not there', async () => {
    const reader = new StreamReader(link, 'NONE', { apiPrefix: '$JS.API' });
    await expect(reader.info()).rejects.toMatchObject({ code: 'stream.not-found', detail: 10_059 });
    await expect(reader.readFrom(1, MANY)).rejects.toMatchObject({ code: 'nats.no-responders' });
  });

  it('does not take an answer of another kind for a state', async () => {
    const answers = ['', '[]', '{}', '{"config":{}}', '{"config":{"name":"S"},"state":{"messages":-1}}'];
    let next = 0;
    const subscription = link.nc.subscribe('ODD.STREAM.INFO.S', {
      callback: (_error, message) => void message.respond(answers[next++] ?? ''),
    });
    const reader = new StreamReader(link, 'S', { apiPrefix: 'ODD' });
    for (const _ of answers) await expect(reader.info()).rejects.toMatchObject({ code: 'answer.malformed' });
    subscription.unsubscribe();
  });

  describe("somebody else's answer", () => {
    /** One question's answer: messages of a stream by sequence and subject, or 404. */
    type Said = { sequence: number; subject?: string }[];

    /** A server that answers the first question with `first` and every further one with `then`. */
    async function told<T>(first: Said, then: Said, question: (reader: StreamReader) => Promise<T>) {
      let asked = 0;
      const subscription = link.nc.subscribe('ASTRAY.DIRECT.GET.S.>', {
        callback: (_error, message) => answer(message),
      });
      const batches = link.nc.subscribe('ASTRAY.DIRECT.GET.S', { callback: (_error, message) => answer(message) });
      const answer = (message: Msg): void => {
        const said = asked++ === 0 ? first : then;
        if (said.length === 0) return void message.respond('', { headers: headers(404, 'Message Not Found') });
        let last = 0;
        for (const { sequence, subject = 'x' } of said) {
          const all = headers();
          all.set('Nats-Stream', 'S');
          all.set('Nats-Subject', subject);
          all.set('Nats-Sequence', String(sequence));
          all.set('Nats-Last-Sequence', String(last));
          last = sequence;
          message.respond('x', { headers: all });
        }
        const end = headers(204, 'EOB');
        end.set('Nats-Last-Sequence', String(last));
        message.respond('', { headers: end });
      };
      try {
        return [await question(new StreamReader(link, 'S', { apiPrefix: 'ASTRAY', timeoutMs: 500 })), asked];
      } finally {
        subscription.unsubscribe();
        batches.unsubscribe();
      }
    }

    const from3 = async (reader: StreamReader) => (await reader.readFrom(3, MANY)).map(({ sequence }) => sequence);
    const get3 = async (reader: StreamReader) => (await reader.get(3))?.sequence ?? null;
    const newest = async (reader: StreamReader) => (await reader.lastBySubject('lane.a'))?.sequence ?? null;

    it.each<[string, Said, Said, (reader: StreamReader) => Promise<unknown>, unknown, number]>([
      ['control: a batch that begins where it was asked is not asked for again', [{ sequence: 3 }], [], from3, [3], 1],
      ['"nothing there" for a batch', [], [{ sequence: 3 }, { sequence: 4 }], from3, [3, 4], 2],
      ['a batch that begins later', [{ sequence: 9 }], [{ sequence: 3 }, { sequence: 9 }], from3, [3, 9], 2],
      ['a batch that begins later, after one that begins earlier', [{ sequence: 4 }], [{ sequence: 9 }], from3, [4], 2],
      ['control: a stream that has nothing there', [], [], from3, [], 2],
      ['control: a ring that begins later', [{ sequence: 5 }], [{ sequence: 5 }], from3, [5], 2],
      ['another message', [{ sequence: 9 }], [{ sequence: 3 }], get3, 3, 2],
      ['"nothing there" for one message', [], [{ sequence: 3 }], get3, 3, 2],
      ['control: a message that is not there', [], [], get3, null, 2],
      ['"nothing there" for the newest of a subject', [], [{ sequence: 8, subject: 'lane.a' }], newest, 8, 2],
      ['control: a subject without a message', [], [], newest, null, 2],
      ['control: the newest of a subject is asked for once', [{ sequence: 8, subject: 'lane.a' }], [], newest, 8, 1],
    ])('%s', async (_what, first, then, question, expected, questions) => {
      expect(await told(first, then, question)).toEqual([expected, questions]);
    });

    it('the newest message of another subject is none of this one', async () => {
      const other = [{ sequence: 8, subject: 'lane.b' }];
      await expect(told(other, other, newest)).rejects.toMatchObject({ code: 'answer.astray', fate: 'retry' });
    });

    it('the state of another stream is none of this one. Control: its own is', async () => {
      const state = (name: string) =>
        JSON.stringify({
          created: '2026-01-01T00:00:00Z',
          config: { name },
          state: { messages: 0, bytes: 0, first_seq: 0, last_seq: 0 },
        });
      const none = JSON.stringify({ error: { code: 404, err_code: 10_059, description: 'stream not found' } });
      let answers: string[] = [];
      const subscription = link.nc.subscribe('ASTRAY.STREAM.INFO.S', {
        callback: (_error, message) => void message.respond(answers.shift() ?? ''),
      });
      const reader = new StreamReader(link, 'S', { apiPrefix: 'ASTRAY' });
      const info = (...said: string[]) => ((answers = said), reader.info());
      await expect(info(state('T'), state('T'))).rejects.toMatchObject({ code: 'answer.astray', fate: 'retry' });
      await expect(info(none, none)).rejects.toMatchObject({ code: 'stream.not-found' });
      expect(await info(state('S'))).toMatchObject({ name: 'S' });
      expect(await info(state('T'), state('S'))).toMatchObject({ name: 'S' });
      expect(await info(none, state('S'))).toMatchObject({ name: 'S' });
      subscription.unsubscribe();
    });
  });

  describe('a batch that does not hang together', () => {
    type Line = { sequence?: number; last: number; end?: true; stream?: string };

    /** Answers one DIRECT.GET with the given lines, as a server would. */
    async function answered(lines: Line[], limits = MANY) {
      const subscription = link.nc.subscribe('FAKE.DIRECT.GET.S', {
        callback: (_error, message) => lines.forEach((line) => respond(message, line)),
      });
      const reader = new StreamReader(link, 'S', { apiPrefix: 'FAKE', timeoutMs: 300 });
      try {
        return (await reader.readFrom(1, limits)).map(({ sequence }) => sequence);
      } finally {
        subscription.unsubscribe();
      }
    }

    function respond(message: Msg, { sequence, last, end, stream = 'S' }: Line): void {
      const all = end === true ? headers(204, 'EOB') : headers();
      if (sequence !== undefined) {
        all.set('Nats-Stream', stream);
        all.set('Nats-Sequence', String(sequence));
      }
      all.set('Nats-Last-Sequence', String(last));
      message.respond('x', { headers: all });
    }

    it('control: the same lines, whole, are a batch', async () => {
      const lines = [
        { sequence: 1, last: 0 },
        { sequence: 2, last: 1 },
        { last: 2, end: true },
      ] as const;
      expect(await answered([...lines])).toEqual([1, 2]);
      // Sequences that the server skips are what it has; only the chain of the batch must hold.
      expect(
        await answered([
          { sequence: 4, last: 0 },
          { sequence: 9, last: 4 },
          { last: 9, end: true },
        ]),
      ).toEqual([4, 9]);
    });

    it.each<[string, Line[]]>([
      [
        'the first message is missing',
        [
          { sequence: 2, last: 1 },
          { last: 2, end: true },
        ],
      ],
      [
        'one in the middle is missing',
        [
          { sequence: 1, last: 0 },
          { sequence: 3, last: 2 },
          { last: 3, end: true },
        ],
      ],
      [
        'the last one is missing',
        [
          { sequence: 1, last: 0 },
          { last: 2, end: true },
        ],
      ],
      [
        'one comes twice',
        [
          { sequence: 1, last: 0 },
          { sequence: 1, last: 0 },
          { last: 1, end: true },
        ],
      ],
      [
        'the order goes back',
        [
          { sequence: 5, last: 0 },
          { sequence: 4, last: 5 },
          { last: 4, end: true },
        ],
      ],
      [
        'a message before the one asked for',
        [
          { sequence: 0, last: 0 },
          { last: 0, end: true },
        ],
      ],
    ])('%s', async (_what, lines) => {
      await expect(answered(lines)).rejects.toMatchObject({ code: 'batch.broken', fate: 'retry' });
    });

    it('a message of another stream', async () => {
      const lines = [
        { sequence: 1, last: 0, stream: 'T' },
        { last: 1, end: true as const },
      ];
      await expect(answered(lines)).rejects.toMatchObject({ code: 'answer.astray', fate: 'retry' });
    });

    it('more messages than asked for', async () => {
      const lines = [
        { sequence: 1, last: 0 },
        { sequence: 2, last: 1 },
        { last: 2, end: true as const },
      ];
      await expect(answered(lines, { ...MANY, maxMessages: 1 })).rejects.toMatchObject({ code: 'batch.broken' });
    });

    it('no end mark: a time-out, and nothing is handed over', async () => {
      await expect(answered([{ sequence: 1, last: 0 }])).rejects.toMatchObject({ code: 'nats.timeout' });
    });
  });
});
