import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  formatTimestamp,
  operatorKeyName,
  parseAnnouncement,
  signGapOrder,
  type SigningKey,
} from '@everseal/audit-core';
import { listGaps } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { TestPostgres } from '@everseal/testing';
import { DOMAIN, KEYS, ORIGIN, testKey, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { buildAnnouncement } from './announce.js';
import { messageOf } from './checked-frames.fixture.js';
import type { Sealed, SealerParts } from './sealing.js';
import { Sealing } from './sealing.fixture.js';

let server: TestPostgres;
let sealing: Sealing;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  sealing = await Sealing.create(server, `gaps${databases++}`);
});
afterEach(() => sealing.close());
afterAll(() => server.stop());

/** Frames of specs are old enough for any bound but none at all. */
const AT_ONCE = { gapAfterMs: 1_000 };

/** What an outsider finds: all of it good, these newest frames, and so many frames in all. */
async function expectSealed(heads: Readonly<Record<string, number>>, frames: number): Promise<void> {
  const report = await sealing.report();
  expect(report.findings).toEqual([]);
  expect([report.heads, report.frames]).toEqual([heads, frames]);
}

async function gaps(): Promise<string[]> {
  const rows = await listGaps(sealing.pool, sealing.ledgerId);
  return rows.map(({ ingester, first, last, cause }) => `${ingester} ${first}-${last} ${cause}`);
}

/** An ingester that answers for these frames from when it is told to. */
function holding(frames: readonly MadeFrame[]): { answers: boolean; asked: number[]; resend: SealerParts['resend'] } {
  const spool = {
    answers: false,
    asked: [] as number[],
    resend: (_: string, number: number): Promise<Buffer | null> => {
      spool.asked.push(number);
      const made = frames.find(({ frame }) => frame.number === number);
      return Promise.resolve(spool.answers && made ? messageOf(made).data : null);
    },
  };
  return spool;
}

function order(first: number, last: number, key: SigningKey = KEYS.operator, origin = ORIGIN): string {
  return signGapOrder({ origin, ingester: 'a', first, last, time: formatTimestamp(Date.now()) }, key);
}

describe('a frame that does not come', () => {
  it('is declared lost once it was asked for and the bound has passed; other lanes never wait', async () => {
    const [a, b] = [sealing.frames('a', 4), sealing.frames('b', 2)];
    const spool = holding([]);
    sealing.start({ ...AT_ONCE, resend: spool.resend });
    await sealing.publish(a[0]!, a[3]!, b[0]!, b[1]!);
    await sealing.sealedUpTo({ a: 4, b: 2 });
    expect(spool.asked[0]).toBe(2);
    expect(await gaps()).toEqual(['a 2-3 lost']);
    await expectSealed({ a: 4, b: 2 }, 4);
    expect(sealing.alertCodes).toEqual(['custody.gap']);
  });

  it('is waited for before the bound, and while it was not asked for (controls)', async () => {
    const [a, b] = [sealing.frames('a', 3), sealing.frames('b', 1)];
    const spool = holding([]);
    sealing.start({ resend: spool.resend });
    await sealing.publish(a[0]!, a[2]!);
    await waitUntil(() => spool.asked.length >= 2, { what: 'two questions' });
    await sealing.stop();
    expect([await gaps(), await sealing.heads()]).toEqual([[], { a: 1 }]);

    let asked = 0;
    let turns = 0;
    sealing.start({ ...AT_ONCE, resend: () => (asked++, new Promise(() => {})), onTurn: () => turns++ });
    await waitUntil(() => asked === 1, { what: 'a question without an answer' });
    await sealing.publish(b[0]!);
    await sealing.sealedUpTo({ a: 1, b: 1 });
    // With nothing to do a turn is a second, as a look is.
    const since = turns;
    await waitUntil(() => turns >= since + 4, { what: 'some looks' });
    expect(await gaps()).toEqual([]);
  });

  it('is not declared lost while it may stand on the stream, unread; control: by the same looks, once all is read', async () => {
    const [a, b] = [sealing.frames('a', 3), sealing.frames('b', 2)];
    sealing.start();
    await sealing.publish(a[0]!, a[2]!);
    await sealing.cursorAt(2);
    await sealing.stop();
    await sealing.publish(a[1]!, b[1]!);
    const spool = holding([]);
    const gated = sealing.broker.reader;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    let turns = 0;
    sealing.start({
      ...AT_ONCE,
      resend: spool.resend,
      onTurn: () => turns++,
      reader: Object.assign(Object.create(gated) as typeof gated, {
        readFrom: async (...args: Parameters<typeof gated.readFrom>) => {
          await gate;
          return gated.readFrom(...args);
        },
      }),
    });
    await waitUntil(() => spool.asked.length >= 2 && turns >= 5, { what: 'looks after a question' });
    expect(await gaps()).toEqual([]);
    open();
    await sealing.sealedUpTo({ a: 3, b: 2 });
    expect(await gaps()).toEqual(['b 1-1 lost']);
  });

  it('is not declared lost by a clock that is ahead; control: by the same clock, when Postgres agrees', async () => {
    const spool = holding([]);
    const now = Date.now();
    sealing.writer.clock = now;
    const a = sealing.frames('a', 3);
    const ahead = 9 * 60_000;
    sealing.start({ gapAfterMs: 5 * 60_000, resend: spool.resend, now: () => Date.now() + ahead });
    await sealing.publish(a[0]!, a[2]!);
    await waitUntil(() => spool.asked.length >= 2, { what: 'two questions' });
    expect(await gaps()).toEqual([]);
    await sealing.stop();
    sealing.start({ gapAfterMs: 1_000, resend: spool.resend });
    await sealing.sealedUpTo({ a: 3 });
    expect(await gaps()).toEqual(['a 2-2 lost']);
  });

  it('pays its debt when it comes late, in any order and once, from the stream or resent', async () => {
    const a = sealing.frames('a', 6);
    const spool = holding(a);
    const blocks: Sealed[] = [];
    sealing.start({ ...AT_ONCE, resend: spool.resend, onSealed: (sealed) => blocks.push(sealed) });
    await sealing.publish(a[0]!, a[5]!);
    await sealing.sealedUpTo({ a: 6 });
    expect(await gaps()).toEqual(['a 2-5 lost']);
    expect(await announcedDebts(blocks.at(-1)!)).toEqual([[2, 5]]);

    await sealing.publish(a[2]!, a[2]!);
    await waitUntil(async () => (await sealing.report()).frames === 3, { what: 'frame 3 sealed' });
    expect(await announcedDebts(blocks.at(-1)!)).toEqual([
      [2, 2],
      [4, 5],
    ]);
    spool.answers = true;
    await waitUntil(async () => (await sealing.report()).frames === 6, { what: 'every debt paid', timeoutMs: 30_000 });
    expect(await announcedDebts(blocks.at(-1)!)).toEqual([]);
    await waitUntil(() => sealing.alertCodes.length === 0, { what: 'every alert cleared' });

    const sequences = await sealing.publish(...a.slice(1, 5));
    await sealing.cursorAt(sequences.at(-1)!);
    await expectSealed({ a: 6 }, 6);
    expect(sealing.alertCodes).toEqual([]);
  });

  it('pays its debt after a restart, which learns of it from the log', async () => {
    const a = sealing.frames('a', 5);
    const spool = holding(a);
    sealing.start({ ...AT_ONCE, resend: spool.resend });
    await sealing.publish(a[0]!, a[4]!);
    await sealing.sealedUpTo({ a: 5 });
    await sealing.publish(a[2]!);
    await waitUntil(async () => (await sealing.report()).frames === 3, { what: 'frame 3 sealed' });
    await sealing.stop();
    spool.answers = true;
    const sealer = sealing.start({ resend: spool.resend });
    await waitUntil(async () => (await sealing.report()).frames === 5, { what: 'every debt paid', timeoutMs: 30_000 });
    await expectSealed({ a: 5 }, 5);
    expect((await sealer.gaps()).gaps).toMatchObject([{ ingester: 'a', first: 2, last: 4, cause: 'lost', open: [] }]);
  });

  it('does not pay with another frame of its number; the true one still may', async () => {
    const a = sealing.frames('a', 3);
    const { number, previous, accepted } = a[1]!.frame;
    const twin = sealing.writer.frame('a', ['{"other":1}'], { number, previous, accepted });
    sealing.start({ ...AT_ONCE, resend: holding([]).resend });
    await sealing.publish(a[0]!, a[2]!);
    await sealing.sealedUpTo({ a: 3 });
    const [sequence] = await sealing.publish(twin);
    await sealing.cursorAt(sequence!);
    await expectSealed({ a: 3 }, 2);
    expect(sealing.alertCodes).toContain('custody.conflict');
    await sealing.publish(a[1]!);
    await waitUntil(async () => (await sealing.report()).frames === 3, { what: 'the debt paid' });
    await expectSealed({ a: 3 }, 3);
  });
});

describe('a gap that is closed for good', () => {
  it('holds frames that their ingester made so that they can never be sealed; control: one of them altered is lost', async () => {
    const { writer } = sealing;
    const [first] = sealing.frames('a', 1);
    const [broken, second] = [brokenFrame(), brokenFrame()];
    const [last] = sealing.frames('a', 1);
    const b = sealing.frames('b', 3);
    sealing.start({ ...AT_ONCE, resend: holding([]).resend });
    await sealing.publish(first!, broken, second, last!);
    await sealing.sealedUpTo({ a: 4 });
    expect(await gaps()).toEqual(['a 2-3 malformed']);

    const altered = messageOf(b[1]!).data;
    altered[altered.length - 2]! ^= 1;
    await sealing.publish(b[0]!);
    await sealing.broker.publish('audit.frames.main.b', altered);
    await sealing.publish(b[2]!);
    await sealing.sealedUpTo({ a: 4, b: 3 });
    expect(await gaps()).toEqual(['a 2-3 malformed', 'b 2-2 lost']);
    await sealing.publish(b[1]!);
    await waitUntil(async () => (await sealing.report()).frames === 5, { what: 'the debt paid' });
    await expectSealed({ a: 4, b: 3 }, 5);
    expect(writer.heads.get('a')?.number).toBe(4);
  });

  /** A frame over an event that is none: signed, and under its own root. */
  function brokenFrame(): MadeFrame {
    return sealing.writer.rawFrame('a', [Buffer.from('no event')]);
  }
});

describe("an operator's order", () => {
  it('seals a gap before the bound, once, and is kept in the database when it is answered', async () => {
    const a = sealing.frames('a', 4);
    const sealer = sealing.start({ resend: () => new Promise(() => {}) });
    await sealing.publish(a[0]!, a[3]!);
    await sealing.cursorAt(2);
    expect((await sealer.gaps()).lanes).toMatchObject([{ ingester: 'a', first: 2, last: 3, asked: 0 }]);
    await sealer.declare(order(2, 3));
    expect([await gaps(), await sealing.heads()]).toEqual([['a 2-3 lost'], { a: 4 }]);
    await expect(sealer.declare(order(2, 3))).rejects.toMatchObject({ code: 'gap-order.lane' });
    await expectSealed({ a: 4 }, 2);
  });

  it.each([
    ['of somebody else', () => order(2, 3, testKey(operatorKeyName(DOMAIN, 'other'))), 'note.line-key'],
    ['for other frames than the lane waits for', () => order(2, 2), 'gap-order.lane'],
    ['for another ledger', () => order(2, 3, KEYS.operator, 'audit.example.com/other'), 'gap-order.ledger'],
    ['with a changed number', () => order(2, 3).replace('\n2\n3\n', '\n2\n4\n'), 'note.signature'],
    ['that is none', () => 'declare it', 'note.end'],
  ])('%s is refused, and sealing goes on', async (_, made, code) => {
    const [a, b] = [sealing.frames('a', 4), sealing.frames('b', 1)];
    const sealer = sealing.start({ resend: () => new Promise(() => {}) });
    await sealing.publish(a[0]!, a[3]!);
    await sealing.cursorAt(2);
    await expect(sealer.declare(made())).rejects.toMatchObject({ code });
    await sealing.publish(b[0]!);
    await sealing.sealedUpTo({ a: 1, b: 1 });
    expect(await gaps()).toEqual([]);
  });

  it('is not taken by a sealer that stands by', async () => {
    const sealer = sealing.start();
    await sealing.publish(sealing.frames('a', 1)[0]!);
    await sealing.sealedUpTo({ a: 1 });
    await sealing.stop();
    await expect(sealer.declare(order(1, 1))).rejects.toMatchObject({ code: 'sealer.standby' });
  });
});

describe('a database that does not say what the log says of gaps', () => {
  const UPDATE = {
    'another range': 'UPDATE everseal.gap SET last = 3 WHERE first = 2',
    'another record': 'UPDATE everseal.gap SET position = position + 1',
    'a gap that never was': "INSERT INTO everseal.gap VALUES (1, 'b', 1, 1, 'lost', 1)",
  };
  it.each(Object.entries(UPDATE))('%s stops the sealer at its start', async (_, sql) => {
    const a = sealing.frames('a', 5);
    sealing.start({ ...AT_ONCE, resend: holding([]).resend });
    await sealing.publish(a[0]!, a[4]!);
    await sealing.sealedUpTo({ a: 5 });
    await sealing.stop();
    sealing.start();
    await sealing.stop(); // control: it starts
    expect(sealing.stopped).toBeNull();
    await sealing.store.sql(`ALTER TABLE everseal.gap DISABLE TRIGGER USER; ${sql}`);
    sealing.start();
    await waitUntil(() => sealing.stopped !== null, { what: 'the sealer stopped' });
    expect(sealing.stopped).toMatchObject({ code: expect.stringMatching(/^head\.(?:gap|damaged)$/) });
  });
});

/** What the announcement over a block says is owed by ingester a. */
async function announcedDebts(sealed: Sealed): Promise<readonly unknown[]> {
  const { heads } = parseAnnouncement(await buildAnnouncement(sealed, 'note'));
  return heads.find(({ ingester }) => ingester === 'a')!.debts;
}
