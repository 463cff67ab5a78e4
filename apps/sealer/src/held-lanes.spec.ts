import { describe, expect, it } from '@jest/globals';
import { sha256, ZERO_HASH as NO_HASH } from '@everseal/audit-core';
import type { WaitingRow } from '@everseal/ledger-store';
import { LogWriter, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { checkedOf, messageOf } from './checked-frames.fixture.js';
import { HeldLanes, MOST_VERSIONS, type FetchHeld, type Holding } from './held-lanes.js';
import { KeptBytes } from './kept-bytes.js';
import type { CheckedFrame } from './open-block.js';

const any = (): boolean => true;
const none: FetchHeld = () => Promise.reject(new Error('the database was asked'));

/** Frames 1 to n of ingester a. */
function frames(count: number): MadeFrame[] {
  const log = new LogWriter();
  return Array.from({ length: count }, () => log.frame('a', ['{}']));
}
const hold = (held: HeldLanes, made: MadeFrame): Holding =>
  held.hold(checkedOf(made), messageOf(made, made.frame.number));

/** Lanes over these rows of the database, of a ledger that has sealed nothing yet. */
const lanesOver = (rows: readonly WaitingRow[], most = { held: 1_000_000 }): HeldLanes =>
  new HeldLanes(rows, () => 0, most);

/** The database: rows that were taken out for a transaction, given back when they are asked for. */
function database(
  rows: readonly Pick<WaitingRow, 'ingester' | 'number' | 'hash'>[],
  made: readonly MadeFrame[],
): FetchHeld {
  return (ingester, number) => {
    const wanted = rows.filter((row) => row.ingester === ingester && row.number === number);
    return Promise.resolve(wanted.map((row) => checkedOf(made.find(({ hash }) => hash.equals(row.hash))!)));
  };
}

describe('held lanes', () => {
  it('give a row for every held frame to the next transaction, once', () => {
    const held = lanesOver([]);
    const [, second, third] = frames(3) as [MadeFrame, MadeFrame, MadeFrame];
    expect(hold(held, third)).toBe('held');
    expect(hold(held, second)).toBe('held');
    expect(hold(held, third)).toBe('held'); // a replay: held already
    const rows = held.takeUnstored();
    expect(rows.map(({ number, sequence, reason }) => [number, sequence, reason])).toEqual([
      [3, 3, null],
      [2, 2, null],
    ]);
    expect(rows[0]!.bytes.equals(messageOf(third).data)).toBe(true);
    expect(rows[0]!.hash).toEqual(third.hash);
    expect(held.takeUnstored()).toEqual([]);
    expect(held.first('a')).toBe(2);
    expect(held.waiting()).toEqual(['a']);
  });

  it('keep their own copy of the bytes: a message is a view of a read buffer', () => {
    const held = lanesOver([]);
    const [, second] = frames(2) as [MadeFrame, MadeFrame];
    const message = messageOf(second);
    held.hold(checkedOf(second), message);
    message.data.fill(0);
    expect(held.takeUnstored()[0]!.bytes.equals(messageOf(second).data)).toBe(true);
  });

  it('find a frame in memory until its row is written, and in the database afterwards', async () => {
    const made = frames(3);
    const held = lanesOver([]);
    hold(held, made[1]!);
    expect(await held.find('a', 2, any, none)).toMatchObject({ frame: { number: 2 } });
    const rows = held.takeUnstored();
    await expect(held.find('a', 2, any, none)).rejects.toThrow('the database was asked');
    expect(await held.find('a', 2, any, database(rows, made))).toMatchObject({ frame: { number: 2 } });
    // Rows that are not good any more are not given back.
    expect(await held.find('a', 2, any, () => Promise.resolve([]))).toBeNull();
  });

  it('go on from what the database holds after a restart, without what is quarantined', async () => {
    const made = frames(4);
    const rows = [2, 4].map((number) => rowOf(made[number - 1]!));
    const held = lanesOver([...rows, { ...rowOf(made[2]!), reason: 'custody.forged' }]);
    expect(held.first('a')).toBe(2);
    expect(await held.find('a', 2, any, database(rows, made))).toMatchObject({ frame: { number: 2 } });
    expect(await held.find('a', 3, any, database(rows, made))).toBeNull();
    held.forget('a', 2, made[1]!.hash);
    expect(held.first('a')).toBe(4);
  });

  it('do not let a false frame that came first keep the true one out', async () => {
    const log = new LogWriter();
    const first = log.frame('a', ['{}']);
    const falseOne = log.frame('a', ['{"false":1}'], { number: 3, previous: sha256(Buffer.from('x')) });
    log.heads.set('a', { number: 1, hash: first.hash });
    const second = log.frame('a', ['{}']);
    const trueOne = log.frame('a', ['{}']);
    const continues = ({ frame }: CheckedFrame): boolean => frame.previous.equals(second.hash);

    const held = lanesOver([]);
    expect([hold(held, falseOne), hold(held, trueOne)]).toEqual(['held', 'held']);
    expect((await held.find('a', 3, continues, none))?.hash).toEqual(trueOne.hash);
    const rows = held.takeUnstored();
    expect(rows).toHaveLength(2);
    const fetch = database(rows, [falseOne, trueOne]);
    expect((await held.find('a', 3, continues, fetch))?.hash).toEqual(trueOne.hash);
    // Control: without the question, the one that came first.
    expect((await held.find('a', 3, any, fetch))?.hash).toEqual(falseOne.hash);
  });

  it('hold only so many frames of one number', () => {
    const log = new LogWriter();
    const held = lanesOver([]);
    const versions = Array.from({ length: MOST_VERSIONS + 1 }, (_, i) =>
      log.frame('a', [`{"n":${i}}`], { number: 7, previous: sha256(Buffer.from('x')) }),
    );
    expect(versions.map((made) => hold(held, made))).toEqual([
      ...Array<Holding>(MOST_VERSIONS).fill('held'),
      'versions',
    ]);
    expect(held.takeUnstored()).toHaveLength(MOST_VERSIONS);
    expect(hold(held, versions[0]!)).toBe('held'); // held already, and still
  });

  it('forget what their lane has passed, and only that lane', () => {
    const log = new LogWriter();
    const held = lanesOver([]);
    for (const ingester of ['a', 'b'] as const) {
      for (let i = 0; i < 5; i++) hold(held, log.frame(ingester, ['{}']));
    }
    held.forget('a', 3, NO_HASH);
    expect([held.first('a'), held.first('b')]).toEqual([4, 1]);
    held.forget('a', 99, NO_HASH);
    expect([held.first('a'), held.waiting()]).toEqual([null, ['b']]);
  });

  it('cost the same a message however many a lane holds: somebody may send far ahead', () => {
    const ahead = 10_000;
    const row = rowOf(frames(1)[0]!);
    const held = lanesOver(Array.from({ length: ahead }, (_, i) => ({ ...row, number: ahead - i + 1 })));
    const began = performance.now();
    for (let i = 0; i < ahead; i++) held.first('a');
    // The lane has come there, and everything is freed, one after another.
    for (let number = 2; held.first('a') === number; number++) held.forget('a', number, NO_HASH);
    expect(held.first('a')).toBeNull();
    // Some milliseconds; a walk over the lane each time takes many seconds.
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('quarantine a message with its verdict: as the frame it is, or as bytes nobody could read', () => {
    const held = lanesOver([]);
    const [made] = frames(1) as [MadeFrame];
    const garbage = { sequence: 8, subject: 'audit.frames.main.b', time: '', data: Buffer.from('garbage') };
    held.quarantine(messageOf(made, 7), 'custody.conflict', checkedOf(made));
    held.quarantine(garbage, 'custody.forged', null);
    expect(held.takeUnstored()).toEqual([
      {
        ingester: 'a',
        number: 1,
        hash: made.hash,
        sequence: 7,
        bytes: messageOf(made).data,
        reason: 'custody.conflict',
      },
      {
        ingester: 'b',
        number: 0,
        hash: sha256(garbage.data),
        sequence: 8,
        bytes: garbage.data,
        reason: 'custody.forged',
      },
    ]);
    expect(held.waiting()).toEqual([]); // no lane waits for it
  });

  it('name no ingester after a subject that names none', () => {
    const held = lanesOver([]);
    for (const token of ['', 'A', 'x'.repeat(100), 'ü']) {
      held.quarantine(
        { sequence: 1, subject: `audit.frames.main.${token}`, time: '', data: Buffer.from('x') },
        'r',
        null,
      );
    }
    expect(held.takeUnstored().map(({ ingester }) => ingester)).toEqual(['?', '?', '?', '?']);
  });
});

describe('the bytes of a lane', () => {
  const made = frames(6);
  const size = messageOf(made[2]!).data.length + 340;

  it('are bounded: what is too much is not held, but the lane waits until it has come there', () => {
    const held = lanesOver([], { held: 2 * size + 20 });
    expect(made.slice(2).map((frame) => hold(held, frame))).toEqual(['held', 'held', 'full', 'full']);
    expect(held.takeUnstored().map(({ number }) => number)).toEqual([3, 4]);
    // Another lane has its own.
    expect(hold(held, new LogWriter().frame('b', ['{}'], { number: 7, previous: made[0]!.hash }))).toBe('held');
    for (const number of [1, 2, 3, 4, 5]) {
      held.forget('a', number, made[number - 1]!.hash);
      expect([number, held.passedByTo('a'), held.waiting().includes('a')]).toEqual([number, 6, true]);
    }
    held.forget('a', 6, made[5]!.hash);
    expect([held.passedByTo('a'), held.waiting()]).toEqual([0, ['b']]);
    // Control: with the room, all of them are held.
    const roomy = lanesOver([], { held: 4 * size + 20 });
    expect(made.slice(2).map((frame) => hold(roomy, frame))).toEqual(['held', 'held', 'held', 'held']);
  });

  it('are given back by what is sealed, and by nothing else: nobody deletes the other frames of a number', () => {
    const other = new LogWriter().frame('a', ['{}'], { number: 3, previous: sha256(Buffer.from('x')) });
    for (const [sealed, next] of [
      [made[2]!, 'held'],
      [made[5]!, 'full'],
    ] as const) {
      const held = lanesOver([], { held: 2 * size + 20 });
      expect([hold(held, made[2]!), hold(held, other), hold(held, made[3]!)]).toEqual(['held', 'held', 'full']);
      held.forget('a', 3, sealed.hash);
      expect(hold(held, made[4]!)).toBe(next);
    }
  });

  it('are counted from the database after a restart, those included that their lane has passed', () => {
    const rows = [2, 3].map((number) => ({ ...rowOf(made[number - 1]!), size: size - 340 }));
    const held = new HeldLanes(rows, () => 2, { held: 2 * size + 20 });
    expect([held.first('a'), hold(held, made[3]!)]).toEqual([3, 'full']);
    const other = new HeldLanes(rows.slice(1), () => 2, { held: 2 * size + 20 }); // control
    expect([other.first('a'), hold(other, made[3]!)]).toEqual([3, 'held']);
  });

  it('in quarantine are bounded as well, a lane each', () => {
    const held = new HeldLanes([], () => 0, { held: 1, quarantined: 2_000 });
    const keep = (lane: string, length: number): boolean =>
      held.quarantine(
        { sequence: 1, subject: `audit.frames.main.${lane}`, time: '', data: Buffer.alloc(length) },
        'custody.forged',
        null,
      );
    expect([keep('a', 1_000), keep('a', 1_000), keep('a', 100), keep('b', 1_000)]).toEqual([true, false, true, true]);
    expect(held.takeUnstored()).toHaveLength(3);
    // Larger than a row takes: it would be refused together with the block of its transaction.
    const roomy = new HeldLanes([], () => 0, { held: 1, quarantined: 10_000_000 });
    const huge = { sequence: 1, subject: 'audit.frames.main.a', time: '', data: Buffer.alloc(1_048_577) };
    expect(roomy.quarantine(huge, 'custody.forged', null)).toBe(false);
    expect(roomy.quarantine({ ...huge, data: Buffer.alloc(1_048_576) }, 'custody.forged', null)).toBe(true);
  });
});

describe('kept bytes', () => {
  it('of any number of names are bounded in all: names come from subjects', () => {
    const kept = new KeptBytes(10_000);
    let bytes = 0;
    for (let i = 0; i < 10_000; i++) if (kept.take(`n${i}`, 9_000)) bytes += 9_000;
    expect(bytes).toBeLessThanOrEqual(257 * 10_000);
  });
});

function rowOf({ frame, hash }: MadeFrame): WaitingRow {
  const { ingester, number } = frame;
  return { ingester, number, hash, sequence: number, size: 0, reason: null };
}
