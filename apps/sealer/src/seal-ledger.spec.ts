import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { heldFrames, readHead, waitingFrames } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { serve, type BatchLimits, type StoredMessage, type StreamReader } from '@everseal/messaging';
import { createLogger, RetryLater } from '@everseal/process';
import { TestPostgres } from '@everseal/testing';
import type { MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { askFrame } from './ask.js';
import { messageOf, subjectOf } from './checked-frames.fixture.js';
import type { SealerParts } from './sealing.js';
import { Sealing } from './sealing.fixture.js';

const RESEND = 'audit.resend.main.a';

let server: TestPostgres;
let sealing: Sealing;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  sealing = await Sealing.create(server, `seal${databases++}`);
});
afterEach(() => sealing.close());
afterAll(() => server.stop());

/** What an outsider finds: all of it good, these newest frames, and so many events. */
async function expectSealed(heads: Readonly<Record<string, number>>, frames: number): Promise<void> {
  const report = await sealing.report();
  expect(report.findings).toEqual([]);
  expect([report.heads, report.frames, report.events]).toEqual([heads, frames, 2 * frames]);
}

describe('sealing', () => {
  it('seals what comes, frames of two ingesters as they are interleaved, and goes on after a restart', async () => {
    const [a, b] = [sealing.frames('a', 4), sealing.frames('b', 3)];
    sealing.start();
    await sealing.publish(a[0]!, b[0]!, a[1]!, b[1]!);
    await sealing.sealedUpTo({ a: 2, b: 2 });
    await sealing.stop();
    await sealing.publish(b[2]!, a[2]!);
    sealing.start();
    await sealing.publish(a[3]!);
    await sealing.sealedUpTo({ a: 4, b: 3 });
    await expectSealed({ a: 4, b: 3 }, 7);
    expect(sealing.alertCodes).toEqual([]);
  });

  it('holds back only the lane that misses a frame, and seals what it held once the frame is there', async () => {
    const [a, b] = [sealing.frames('a', 4), sealing.frames('b', 3)];
    sealing.start();
    await sealing.publish(b[0]!, a[0]!, a[2]!, b[1]!, a[3]!, b[2]!);
    await sealing.sealedUpTo({ a: 1, b: 3 });
    await sealing.cursorAt(6);
    expect(sealing.alertCodes).toEqual(['custody.gap']);
    await expectSealed({ a: 1, b: 3 }, 4);
    await sealing.publish(a[1]!);
    await sealing.sealedUpTo({ a: 4, b: 3 });
    await expectSealed({ a: 4, b: 3 }, 7);
    expect(sealing.alertCodes).toEqual([]);
  });

  it('gives a sign of life with every frame that is freed, however many there are', async () => {
    const a = sealing.frames('a', 30);
    const signs: ('turn' | 'fetched')[] = [];
    sealing.start({
      onTurn: () => signs.push('turn'),
      subjectOf: (ingester) => {
        signs.push('fetched');
        return subjectOf(ingester);
      },
    });
    await sealing.publish(...a.slice(1));
    await sealing.cursorAt(29);
    signs.length = 0;
    await sealing.publish(a[0]!);
    await sealing.sealedUpTo({ a: 30 });
    const runs = signs
      .join(' ')
      .split('turn')
      .map((run) => run.split('fetched').length - 1);
    // A turn between each two of them; without, the longest run is of all: over a hundred.
    expect(runs.filter((run) => run > 0)).toHaveLength(29);
    expect(Math.max(...runs)).toBeLessThan(10);
  });

  it('keeps what it held over a restart', async () => {
    const a = sealing.frames('a', 3);
    sealing.start();
    await sealing.publish(a[2]!, a[1]!);
    await sealing.cursorAt(2);
    await sealing.stop();
    await sealing.publish(a[0]!);
    sealing.start();
    await sealing.sealedUpTo({ a: 3 });
    await expectSealed({ a: 3 }, 3);
  });

  it('seals at a graceful stop what it has read, and does not wait for the block to be due', async () => {
    const [first, second] = sealing.frames('a', 2);
    const reader = hooked(sealing.broker.reader);
    const handedOver = new Promise<void>((resolve) => {
      reader.beforeRead = (from) => Promise.resolve(from === 2 ? resolve() : undefined);
    });
    sealing.start({ reader });
    await sealing.publish(first!);
    await sealing.sealedUpTo({ a: 1 });
    await sealing.publish(second!);
    await handedOver;
    await sealing.stop();
    await expectSealed({ a: 2 }, 2);
  });

  it('seals a message that comes twice once: in one block, after its block, and while it is held', async () => {
    const a = sealing.frames('a', 4);
    sealing.start();
    await sealing.publish(a[0]!, a[0]!, a[1]!);
    await sealing.sealedUpTo({ a: 2 });
    await sealing.publish(a[0]!, a[3]!, a[3]!, a[1]!);
    await sealing.cursorAt(7);
    await sealing.publish(a[2]!, a[2]!, a[3]!);
    await sealing.cursorAt(10);
    await expectSealed({ a: 4 }, 4);
    expect(sealing.alertCodes).toEqual([]);
  });

  it('seals a held frame whose turn comes while the transaction that holds it is still under way', async () => {
    const [a, b] = [sealing.frames('a', 2), sealing.frames('b', 2)];
    const checked: string[] = [];
    const sealer = sealing.start({
      subjectOf: (ingester) => {
        checked.push(ingester);
        return subjectOf(ingester);
      },
    });
    await sealing.publish(b[0]!);
    await sealing.sealedUpTo({ b: 1 });
    const blocking = await sealing.store.superuser();
    await blocking.query('BEGIN; SELECT 1 FROM everseal.ledger_head FOR UPDATE');
    // In this order: were a[1] read alone, the cursor would be moved without a block, and wait for the row as well.
    await sealing.publish(b[1]!, a[1]!);
    await waitUntil(() => commitWaits(), { what: 'a commit under way' });
    let settled = false;
    const settling = sealer.settled().then(() => (settled = true));
    const before = checked.length;
    await sealing.publish(a[0]!);
    await waitUntil(() => checked.length > before, { what: 'a look at frame 1' });
    // Control: the frame whose turn it is stands nowhere but in the transaction; whoever does not wait misses it.
    expect(await heldFrames(sealing.pool, sealing.ledgerId, 'a', 2, 9)).toEqual([]);
    expect(settled).toBe(false);
    await blocking.query('ROLLBACK');
    await blocking.end();
    await settling;
    await sealing.sealedUpTo({ a: 2, b: 2 });
    await expectSealed({ a: 2, b: 2 }, 4);
  });

  it('reads a stream that was replaced with a block open from its first message, and seals nothing twice', async () => {
    const [a, b] = [sealing.frames('a', 3), sealing.frames('b', 1)];
    const { broker } = sealing;
    const reader = hooked(broker.reader);
    sealing.start({ reader });
    // Frame 1 is handed over and the next batch asked for at once: that is when another stream stands there.
    reader.beforeRead = async (from) => {
      if (from === 0) return;
      reader.beforeRead = null;
      await broker.replaceStream();
      await sealing.publish(b[0]!, a[0]!, a[1]!, a[2]!);
    };
    await sealing.publish(a[0]!);
    await sealing.sealedUpTo({ a: 3, b: 1 });
    await expectSealed({ a: 3, b: 1 }, 4);
    expect(sealing.alertCodes).toEqual(['stream.replaced']);
    const { cursor } = await readHead(sealing.pool, sealing.ledgerId);
    expect(cursor).toMatchObject({ created: (await broker.reader.info()).created });
  });

  it('puts aside a frame that does not fit, and goes on with the one that does', async () => {
    const [first] = sealing.frames('a', 1) as [MadeFrame];
    const { number, previous } = first.frame;
    const twin = sealing.writer.frame('a', ['{"other":1}'], { number, previous });
    sealing.writer.heads.set('a', { number: 1, hash: first.hash });
    const [second] = sealing.frames('a', 1) as [MadeFrame];
    sealing.start();
    await sealing.publish(first, twin);
    await sealing.broker.publish(subjectOf('a'), Buffer.from('no frame at all'));
    await sealing.publish(second);
    await sealing.sealedUpTo({ a: 2 });
    await expectSealed({ a: 2 }, 2);
    expect(sealing.alertCodes.toSorted()).toEqual(['custody.conflict', 'custody.forged']);
  });

  it('tells a flood of what it puts aside in a line and a count', async () => {
    const lines: object[] = [];
    const log = createLogger('sealer', 's1', 'silent');
    log.warn = (fields: object) => void lines.push(fields);
    sealing.start({ log });
    for (let i = 1; i <= 50; i++) await sealing.broker.publish(subjectOf('a'), Buffer.from(`no frame at all, ${i}`));
    await sealing.publish(...sealing.frames('a', 1));
    await sealing.sealedUpTo({ a: 1 });
    await sealing.stop();
    const told = lines.flatMap((line) => ('leftOut' in line ? [Number(line.leftOut)] : 'sequence' in line ? [1] : []));
    // A slow machine may begin another ten seconds.
    expect(told.length).toBeLessThan(8);
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(50);
  });

  it('seals nothing before the head is confirmed; control: the same frame is sealed once it is', async () => {
    const [first] = sealing.frames('a', 1) as [MadeFrame];
    await sealing.publish(first);
    let asked = 0;
    let confirmed = false;
    sealing.start({
      confirmHead: () => {
        asked++;
        return confirmed ? Promise.resolve() : Promise.reject(new RetryLater('head.unconfirmed', 'nobody answers'));
      },
    });
    await waitUntil(() => asked >= 3, { what: 'three attempts' });
    expect((await readHead(sealing.pool, sealing.ledgerId)).height).toBe(-1);
    confirmed = true;
    await sealing.sealedUpTo({ a: 1 });
  });
});

describe('a frame that the stream has lost', () => {
  /** An ingester that holds these frames and answers for them over NATS. @returns the numbers that it was asked for */
  function holding(...frames: MadeFrame[]): number[] {
    const asked: number[] = [];
    serve(sealing.broker.link, RESEND, {
      handler: ({ data }) => {
        const { number } = JSON.parse(data.toString()) as { number: number };
        asked.push(number);
        const made = frames.find(({ frame }) => frame.number === number);
        return Promise.resolve(made ? messageOf(made).data : Buffer.alloc(0));
      },
      logger: createLogger('ingest', 'a', 'silent'),
      onFault: (error) => {
        throw error;
      },
    });
    return asked;
  }
  const resend: SealerParts['resend'] = (_, number) => askFrame(sealing.broker.link, RESEND, number);

  it('is asked for and sealed in its place; control: without asking, its lane waits', async () => {
    const a = sealing.frames('a', 5);
    const [, second, third] = await sealing.publish(...a);
    await sealing.broker.deleteMessage(second!);
    await sealing.broker.deleteMessage(third!);
    const asked = holding(...a);
    sealing.start();
    await sealing.sealedUpTo({ a: 1 });
    await sealing.cursorAt(5);
    expect([sealing.alertCodes, asked]).toEqual([['stream.lost', 'custody.gap'], []]);
    await sealing.stop();

    sealing.start({ resend });
    await sealing.sealedUpTo({ a: 5 });
    expect(asked).toEqual([2, 3]);
    await expectSealed({ a: 5 }, 5);
    await waitUntil(() => sealing.alertCodes.length === 0, { what: 'every alert cleared' });
  });

  it('is not sealed when what comes instead is another one, and is asked for again', async () => {
    const a = sealing.frames('a', 3);
    sealing.writer.heads.set('a', { number: 1, hash: a[0]!.hash });
    const altered = messageOf(a[1]!).data;
    altered[altered.length - 2]! ^= 1;
    const answers = [Buffer.from('rubbish'), altered, messageOf(a[2]!).data, messageOf(a[1]!).data];
    let asked = 0;
    await sealing.publish(a[0]!, a[2]!);
    sealing.start({ resend: () => Promise.resolve(answers[Math.min(asked++, 3)]!) });
    await sealing.sealedUpTo({ a: 3 }, 20_000);
    expect(asked).toBe(4);
    await expectSealed({ a: 3 }, 3);
    expect(sealing.alertCodes).toEqual(['custody.forged', 'custody.altered']);
  });

  it('brings back what its lane could not hold meanwhile, too; control: with the room, all of it is held', async () => {
    const a = sealing.frames('a', 6);
    const b = sealing.frames('b', 5);
    const held = async (ingester: string): Promise<number[]> =>
      (await waitingFrames(sealing.pool, sealing.ledgerId))
        .filter((row) => row.ingester === ingester)
        .map(({ number }) => number);
    let answers = false;
    const asked = holding(...a);
    sealing.start({
      heldBytes: 3 * (messageOf(a[2]!).data.length + 340) + 100,
      resend: (ingester, number) => (answers ? resend(ingester, number) : Promise.resolve(null)),
    });
    await sealing.publish(a[0]!, ...a.slice(2));
    await sealing.cursorAt(5);
    expect(await held('a')).toEqual([3, 4, 5]);
    answers = true;
    await sealing.sealedUpTo({ a: 6 });
    expect(asked).toEqual([2, 6]);
    await expectSealed({ a: 6 }, 6);
    await sealing.stop();

    sealing.start();
    await sealing.publish(...b.slice(1));
    await sealing.cursorAt(9);
    expect(await held('b')).toEqual([2, 3, 4, 5]);
  });

  it('is missed when it was the newest one, because a heartbeat names it', async () => {
    const a = sealing.frames('a', 2);
    const [, second] = await sealing.publish(...a);
    await sealing.broker.deleteMessage(second!);
    const asked = holding(...a);
    const sealer = sealing.start({ resend });
    await sealing.sealedUpTo({ a: 1 });
    expect(asked).toEqual([]); // control: nothing on the stream tells of it
    sealer.hear('a', Buffer.from(JSON.stringify({ frames: [a[1]!.note.toString()] })));
    await sealing.sealedUpTo({ a: 2 }, 20_000);
    expect(asked).toEqual([2]);
    await expectSealed({ a: 2 }, 2);
    await waitUntil(() => sealing.alertCodes.length === 0, { what: 'every alert cleared' });
  });
});

describe('a clock that is set by hours between two looks at Postgres', () => {
  it.each([
    { by: '59 minutes', ms: 59 * 60_000, stops: true },
    { by: '9 minutes, the control', ms: 9 * 60_000, stops: false },
  ])('dates no block when it is set ahead by $by', async ({ ms, stops }) => {
    const [first, second] = sealing.frames('a', 2) as [MadeFrame, MadeFrame];
    let set = 0;
    sealing.start({ now: () => Date.now() + set });
    await sealing.publish(first);
    await sealing.sealedUpTo({ a: 1 });
    set = ms;
    await sealing.publish(second);
    if (stops) {
      await waitUntil(() => sealing.stopped !== null, { what: 'the sealer stopped' });
      expect(sealing.stopped).toMatchObject({ code: 'clock.ahead' });
    } else await sealing.sealedUpTo({ a: 2 });
    await expectSealed({ a: stops ? 1 : 2 }, stops ? 1 : 2);
  });
});

/** Whether a transaction of the sealer waits for the head row. */
async function commitWaits(): Promise<boolean> {
  const [row] = await sealing.store.sql(
    `SELECT count(*)::int AS waiting FROM pg_stat_activity
     WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE 'UPDATE ledger_head SET height%'`,
  );
  return row?.waiting === 1;
}

interface HookedReader extends StreamReader {
  /** Runs before a batch is asked for; `from` is the sequence of the cursor, 0 at the first message. */
  beforeRead: ((from: number) => Promise<void>) | null;
}

function hooked(reader: StreamReader): HookedReader {
  let first = true;
  const hookedReader = Object.assign(Object.create(reader) as HookedReader, {
    beforeRead: null as HookedReader['beforeRead'],
    readFrom: async (sequence: number, limits: BatchLimits): Promise<StoredMessage[]> => {
      const from = first ? 0 : sequence;
      await hookedReader.beforeRead?.(from);
      const messages = await reader.readFrom(sequence, limits);
      if (messages.length > 0) first = false;
      return messages;
    },
  });
  return hookedReader;
}
