import { describe, expect, it } from '@jest/globals';
import { formatTimestamp, sha256, type Hash } from '@everseal/audit-core';
import { LogWriter, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { Lanes, type Place } from './lanes.js';

type SealedHash = Parameters<Lanes['place']>[2];
const nothing: SealedHash = () => Promise.resolve(null);
const place = (lanes: Lanes, { frame, hash }: Pick<MadeFrame, 'frame' | 'hash'>, known = nothing): Promise<Place> =>
  lanes.place(frame, hash, known);

/** A writer whose ingester a has these frames, all of them sealed. */
function sealed(count: number): { log: LogWriter; lanes: Lanes; frames: MadeFrame[] } {
  const log = new LogWriter();
  const lanes = new Lanes(new Map());
  const frames = Array.from({ length: count }, (_, i) => {
    const made = log.frame('a', [`{"n":${i}}`]);
    lanes.advance(made.frame, made.hash, 2 + 2 * i, 'its note');
    return made;
  });
  return { log, lanes, frames };
}

describe('lanes', () => {
  it('take the first frame of an ingester, and then one after another', async () => {
    const log = new LogWriter();
    const lanes = new Lanes(new Map());
    for (let number = 1; number <= 5; number++) {
      const made = log.frame('a', ['{}']);
      expect(made.frame.number).toBe(number);
      expect(await place(lanes, made)).toBe('next');
      lanes.advance(made.frame, made.hash, number, 'its note');
    }
    expect(lanes.head('a')).toMatchObject({ number: 5, position: 5 });
    expect(lanes.head('b')).toBeUndefined();
  });

  it('do not mix: a frame of b has nothing to do with the frames of a', async () => {
    const { log, lanes } = sealed(3);
    expect(await place(lanes, log.frame('b', ['{}']))).toBe('next');
  });

  it('skip exactly the frame that is sealed, the newest and older ones', async () => {
    const { lanes, frames } = sealed(3);
    const asked: number[] = [];
    const older = (_: string, number: number): Promise<Hash> => {
      asked.push(number);
      return Promise.resolve(frames[number - 1]!.hash);
    };
    for (const made of frames) expect(await place(lanes, made, older)).toBe('sealed');
    expect(asked).toEqual([1, 2]); // the newest is known without asking
  });

  it('say conflict for a sealed number with other bytes; control: the sealed bytes are skipped', async () => {
    const { lanes, frames } = sealed(3);
    for (const first of [frames[0]!, frames[2]!]) {
      const stored = (): Promise<Hash> => Promise.resolve(first.hash);
      const other = { frame: first.frame, hash: sha256(Buffer.from('other')) };
      expect(await place(lanes, other, stored)).toBe('conflict');
      expect(await place(lanes, first, stored)).toBe('sealed');
    }
    // None of its number is sealed: whether it is owed is not known here.
    expect(await place(lanes, frames[0]!)).toBe('late');
  });

  it('hold what is ahead, whatever it continues', async () => {
    const { log, lanes } = sealed(1);
    log.frame('a', ['{}']);
    const third = log.frame('a', ['{}']);
    expect(await place(lanes, third)).toBe('ahead');
    expect(await place(new Lanes(new Map()), third)).toBe('ahead');
  });

  it('say conflict for the next number that does not continue the lane', async () => {
    const { log, lanes, frames } = sealed(2);
    const { hash: previous, accepted } = lanes.head('a')!;
    const early = formatTimestamp(Date.parse(accepted) - 1);
    const third = (over: object): MadeFrame => log.frame('a', ['{}'], { number: 3, previous, accepted, ...over });
    expect(await place(lanes, third({ previous: frames[0]!.hash }))).toBe('conflict');
    expect(await place(lanes, third({ accepted: early }))).toBe('conflict');
    // Control: the true hash, and the very time of the frame before.
    expect(await place(lanes, third({}))).toBe('next');
  });

  it('start at frame 1 and nowhere else', () => {
    const { log } = sealed(1);
    const lanes = new Lanes(new Map());
    expect(lanes.continues(log.frame('a', ['{}']).frame)).toBe(false); // frame 2
    expect(lanes.continues(log.frame('b', ['{}']).frame)).toBe(true);
  });

  it('give a snapshot that does not move on', () => {
    const { log, lanes } = sealed(1);
    const snapshot = lanes.snapshot();
    const { frame, hash } = log.frame('a', ['{}']);
    lanes.advance(frame, hash, 99, 'its note');
    expect(snapshot.get('a')?.number).toBe(1);
    expect(lanes.snapshot().get('a')?.number).toBe(2);
  });
});
