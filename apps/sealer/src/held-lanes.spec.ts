import { describe, expect, it } from '@jest/globals';
import { sha256 } from '@everseal/audit-core';
import type { WaitingFrame } from '@everseal/ledger-store';
import { LogWriter, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { checkedOf, messageOf } from './checked-frames.fixture.js';
import { HeldLanes, MOST_VERSIONS, type FetchHeld } from './held-lanes.js';
import type { CheckedFrame } from './open-block.js';

const any = (): boolean => true;
const none: FetchHeld = () => Promise.reject(new Error('the database was asked'));

/** Frames 1 to n of ingester a. */
function frames(count: number): MadeFrame[] {
  const log = new LogWriter();
  return Array.from({ length: count }, () => log.frame('a', ['{}']));
}
const hold = (held: HeldLanes, made: MadeFrame): boolean =>
  held.hold(checkedOf(made), messageOf(made, made.frame.number));

/** The database: rows that were taken out for a transaction, given back when they are asked for. */
function database(rows: readonly WaitingFrame[], made: readonly MadeFrame[]): FetchHeld {
  return (ingester, number) => {
    const wanted = rows.filter((row) => row.ingester === ingester && row.number === number);
    return Promise.resolve(wanted.map((row) => checkedOf(made.find(({ hash }) => hash.equals(row.hash))!)));
  };
}

describe('held lanes', () => {
  it('give a row for every held frame to the next transaction, once', () => {
    const held = new HeldLanes([]);
    const [, second, third] = frames(3) as [MadeFrame, MadeFrame, MadeFrame];
    expect(hold(held, third)).toBe(true);
    expect(hold(held, second)).toBe(true);
    expect(hold(held, third)).toBe(true); // a replay: held already
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
    const held = new HeldLanes([]);
    const [, second] = frames(2) as [MadeFrame, MadeFrame];
    const message = messageOf(second);
    held.hold(checkedOf(second), message);
    message.data.fill(0);
    expect(held.takeUnstored()[0]!.bytes.equals(messageOf(second).data)).toBe(true);
  });

  it('find a frame in memory until its row is written, and in the database afterwards', async () => {
    const made = frames(3);
    const held = new HeldLanes([]);
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
    const held = new HeldLanes([...rows, { ...rowOf(made[2]!), reason: 'custody.forged' }]);
    expect(held.first('a')).toBe(2);
    expect(await held.find('a', 2, any, database(rows, made))).toMatchObject({ frame: { number: 2 } });
    expect(await held.find('a', 3, any, database(rows, made))).toBeNull();
    held.forget('a', 2);
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

    const held = new HeldLanes([]);
    expect(hold(held, falseOne) && hold(held, trueOne)).toBe(true);
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
    const held = new HeldLanes([]);
    const versions = Array.from({ length: MOST_VERSIONS + 1 }, (_, i) =>
      log.frame('a', [`{"n":${i}}`], { number: 7, previous: sha256(Buffer.from('x')) }),
    );
    expect(versions.map((made) => hold(held, made))).toEqual([...Array(MOST_VERSIONS).fill(true), false]);
    expect(held.takeUnstored()).toHaveLength(MOST_VERSIONS);
    expect(hold(held, versions[0]!)).toBe(true); // held already, and still
  });

  it('forget what their lane has passed, and only that lane', () => {
    const log = new LogWriter();
    const held = new HeldLanes([]);
    for (const ingester of ['a', 'b'] as const) {
      for (let i = 0; i < 5; i++) hold(held, log.frame(ingester, ['{}']));
    }
    held.forget('a', 3);
    expect([held.first('a'), held.first('b')]).toEqual([4, 1]);
    held.forget('a', 99);
    expect([held.first('a'), held.waiting()]).toEqual([null, ['b']]);
  });

  it('quarantine a message with its verdict: as the frame it is, or as bytes nobody could read', () => {
    const held = new HeldLanes([]);
    const [made] = frames(1) as [MadeFrame];
    const garbage = { sequence: 8, subject: 'audit.frames.main.b', time: '', data: Buffer.from('garbage') };
    held.quarantine(messageOf(made, 7), 'custody.conflict', checkedOf(made));
    held.quarantine(garbage, 'custody.forged', null);
    expect(held.takeUnstored()).toEqual([
      { ...rowOf(made), sequence: 7, bytes: messageOf(made).data, reason: 'custody.conflict' },
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
});

function rowOf({ frame, hash }: MadeFrame): Omit<WaitingFrame, 'bytes'> & { bytes: Buffer } {
  const { ingester, number } = frame;
  return { ingester, number, hash, sequence: number, bytes: Buffer.alloc(0), reason: null };
}
