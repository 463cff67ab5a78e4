import { describe, expect, it } from '@jest/globals';
import { NOTE_KEY, sha256, SigningKey, type KeySet } from '@everseal/audit-core';
import { DOMAIN, genesisKeys, KEYS, LogWriter, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { HeardFrames } from './heard-frames.js';

const KEYS_IN_FORCE = genesisKeys();
const beat = (...frames: unknown[]): Buffer => Buffer.from(JSON.stringify({ frames }));

/** Notes of frames 1 to n of ingester a. */
function notes(count: number): string[] {
  const log = new LogWriter();
  return Array.from({ length: count }, () => log.frame('a', ['{}']).note.toString());
}

/** A look after a heartbeat, by a clock that the caller moves; the lane of a stands at `head`. */
class Look {
  now = 0;
  readonly heard = new HeardFrames(ORIGIN, () => this.now);

  at(head: number, message?: Buffer, keys: KeySet = KEYS_IN_FORCE): string[] {
    if (message) this.heard.hear('a', message);
    return this.heard.look(keys, (ingester) => (ingester === 'a' ? head : 0));
  }

  /** What is missing once the stream has said, five seconds later, that it ends at 10, and was read up to there. */
  missing(sequence = 10, drainedAt = -Infinity): object {
    this.now += 5_000;
    this.heard.streamEndsAt(10);
    return this.missingAt(sequence, drainedAt);
  }

  missingAt(sequence: number, drainedAt = -Infinity): object {
    return Object.fromEntries(this.heard.missing({ sequence, drainedAt }));
  }
}

describe('a frame that was heard of', () => {
  it('is missing when the stream was read to where it ended five seconds later, and no longer once it has come', () => {
    const look = new Look();
    look.at(1, beat(notes(3)[2]));
    expect(look.missing()).toEqual({ a: 3 });
    expect(look.at(2)).toEqual([]);
    expect(look.missing()).toEqual({ a: 3 });
    expect(look.at(3)).toEqual(['a']);
    expect(look.missing()).toEqual({});
  });

  it('is not missing while it may be on its way, or while the stream is not read so far', () => {
    const look = new Look();
    look.at(1, beat(notes(2)[1]));
    look.now = 4_999;
    look.heard.streamEndsAt(10);
    expect(look.missingAt(10)).toEqual({});
    expect(look.missing(9)).toEqual({});
    expect(look.missing(10)).toEqual({ a: 2 }); // control
    look.heard.streamReplaced();
    expect(look.missingAt(10)).toEqual({});
  });

  it('is missing when the stream has nothing more, though it counts a message that was deleted at its end', () => {
    const look = new Look();
    look.at(1, beat(notes(2)[1]));
    expect(look.missing(9, 4_999)).toEqual({});
    expect(look.missingAt(9, 5_000)).toEqual({ a: 2 });
  });

  it('is not put off by the next heartbeat', () => {
    const look = new Look();
    const made = notes(3);
    look.at(1, beat(made[1]));
    look.now += 4_000;
    look.at(1, beat(made[2]));
    look.now += 1_000;
    look.heard.streamEndsAt(10);
    expect(look.missingAt(10)).toEqual({ a: 2 });
  });

  it('is none of this ledger, of another ingester, or one that its lane has reached', () => {
    const look = new Look();
    const [first] = notes(1);
    const other = new LogWriter().frame('b', ['{}']).note.toString();
    for (const message of [beat(), beat(other), beat(first)]) look.at(1, message);
    expect(look.missing()).toEqual({});
  });

  it('is one that a key in force of that ingester signed; control: the same note with that key', () => {
    const look = new Look();
    const [, second] = notes(2);
    const thief = SigningKey.fromSeed(`${DOMAIN}/ingest/a`, sha256(Buffer.from('thief')), NOTE_KEY);
    for (const keys of [[], [thief.verifier], [KEYS.b.verifier]]) {
      look.at(1, beat(second), { ...KEYS_IN_FORCE, ingest: keys });
      expect(look.missing()).toEqual({});
    }
    look.at(1, beat(second));
    expect(look.missing()).toEqual({ a: 2 });
  });

  it.each([
    ['nothing', ''],
    ['no object', '[]'],
    ['no text', '{"frames":[1]}'],
    ['no note', '{"frames":["x"]}'],
    ['more than a heartbeat may hold', `{"frames":["${'x'.repeat(70_000)}"]}`],
  ])('is not to be had from %s', (_, text) => {
    const look = new Look();
    look.at(0, Buffer.from(text));
    expect(look.missing()).toEqual({});
  });
});

describe('heartbeats', () => {
  it('of any number of names do not fill the memory', () => {
    const heard = new HeardFrames(ORIGIN, () => 0);
    const asked: string[] = [];
    const message = beat(notes(1)[0]);
    for (let i = 0; i < 100_000; i++) heard.hear(`n${i}`, message);
    heard.look(KEYS_IN_FORCE, (ingester) => (asked.push(ingester), 0));
    expect(asked.length).toBe(256);
  });
});
