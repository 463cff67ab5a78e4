import { describe, expect, it } from '@jest/globals';
import {
  encodeFrameMessage,
  formatFrameText,
  leafHash,
  NOTE_KEY,
  sha256,
  signFrame,
  SigningKey,
  signNote,
  type Frame,
} from '@everseal/audit-core';
import type { StoredMessage } from '@everseal/messaging';
import { genesisKeys, KEYS, LogWriter, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { checkedOf, messageOf, subjectOf } from './checked-frames.fixture.js';
import { checkFrame, type FrameCheck } from './frame-check.js';

const check = (message: StoredMessage, origin = ORIGIN): FrameCheck =>
  checkFrame(message, origin, genesisKeys(), subjectOf);
const verdict = (message: StoredMessage): string => {
  const result = check(message);
  return result.ok ? 'ok' : result.verdict;
};
const withData = (message: StoredMessage, data: Buffer): StoredMessage => ({ ...message, data });

function made(): { log: LogWriter; frame: Frame; message: StoredMessage; entries: Buffer[]; note: Buffer } {
  const log = new LogWriter();
  const { frame, entries, note, ...rest } = log.frame('a', ['{"n":1}', '{"n":2}', '{"n":3}']);
  return { log, frame, entries, note, message: messageOf({ frame, entries, note, ...rest }, 5) };
}

describe('checking a message of the stream', () => {
  it('takes a genuine frame as it is', () => {
    const log = new LogWriter();
    const frame = log.frame('a', ['{"n":1}', '{"n":2}']);
    const message = messageOf(frame, 5);
    const before = Buffer.from(message.data);
    expect(check(message)).toEqual({ ok: true, checked: checkedOf(frame, 5) });
    expect(message.data.equals(before)).toBe(true);
  });

  it('does not hold on to the read buffer for the note', () => {
    const { message, note } = made();
    const result = check(message);
    message.data.fill(0, 0, 4 + note.length);
    expect(result.ok && result.checked.note.equals(note)).toBe(true);
    expect(result.ok && result.checked.hash.equals(leafHash(note))).toBe(true);
  });

  it('says forged for what no ingest key in force has signed', () => {
    const { frame, entries, message, log } = made();
    const by = (note: string): string => verdict(withData(message, encode(Buffer.from(note), entries)));
    const revoked = SigningKey.fromSeed(KEYS.a.name, sha256(Buffer.from('an older key of a')), NOTE_KEY);
    expect(by(signFrame(frame, revoked))).toBe('custody.forged');
    // The key of b, which is in force, under the name of a.
    const stolen = KEYS.b;
    expect(by(signNote(formatFrameText(frame), [stolen]))).toBe('custody.forged');
    // Another ledger of the same domain, signed by the true key.
    const elsewhere = signFrame({ ...frame, origin: 'audit.example.com/orders' }, KEYS.a);
    expect(by(elsewhere)).toBe('custody.forged');
    // A signature line more, by a key in force: it would change the leaf hash without the key of a.
    const note = signFrame(frame, KEYS.a);
    expect(by(note + signNote('x\n', [KEYS.b]).split('\n\n')[1]!)).toBe('custody.forged');
    // An old genuine note of another kind.
    expect(by(log.genesis.toString())).toBe('custody.forged');
    expect(by(note)).toBe('ok');
  });

  it('says forged for a genuine frame of a on the subject of b', () => {
    const { message } = made();
    expect(verdict({ ...message, subject: subjectOf('b') })).toBe('custody.forged');
  });

  it('says altered for a genuine note over other events', () => {
    const { note, entries, message } = made();
    const over = (changed: readonly Buffer[]): string => verdict(withData(message, encode(note, changed)));
    const bitten = Buffer.from(entries[1]!);
    bitten[bitten.length - 3]! ^= 1;
    expect(over([entries[0]!, bitten, entries[2]!])).toBe('custody.altered');
    expect(over([entries[1]!, entries[0]!, entries[2]!])).toBe('custody.altered');
    expect(over(entries.slice(0, 2))).toBe('custody.altered');
    expect(over([...entries, entries[2]!])).toBe('custody.altered');
    // A note in the place of an event (an old key set, a frame): the grammar refuses it.
    expect(over([entries[0]!, note, entries[2]!])).toBe('custody.altered');
    expect(over(entries)).toBe('ok');
  });

  it("tells genuine frames that can never be sealed from what was altered or is nobody's", () => {
    const { frame, message, note, entries } = made();
    const former = SigningKey.fromSeed(KEYS.a.name, sha256(Buffer.from('an older key of a')), NOTE_KEY);
    const unsealable = (of: StoredMessage): string | null => {
      const result = checkFrame(of, ORIGIN, genesisKeys(), subjectOf, [former.verifier]);
      return result.ok ? 'ok' : (result.unsealable?.cause ?? null);
    };
    const old = Buffer.from(signFrame(frame, former));
    expect(unsealable(withData(message, encode(old, entries)))).toBe('key-revoked');
    expect(unsealable(withData(message, encode(old, entries.slice(1))))).toBeNull();
    expect(unsealable({ ...withData(message, encode(old, entries)), subject: subjectOf('b') })).toBeNull();
    expect(check(withData(message, encode(old, entries)))).toMatchObject({ ok: false, unsealable: null });

    const broken = new LogWriter().rawFrame('a', [Buffer.from('no event')]);
    expect(unsealable(messageOf(broken))).toBe('malformed');
    expect(unsealable(withData(message, encode(note, [Buffer.from('no event')])))).toBeNull();
    expect(unsealable({ ...messageOf(broken), subject: subjectOf('b') })).toBeNull();
    expect(unsealable(message)).toBe('ok');
  });

  it('says forged for bytes that are no frame message, and never throws', () => {
    const { message } = made();
    for (const data of [Buffer.alloc(0), Buffer.from('garbage'), Buffer.alloc(786_433), Buffer.alloc(64, 0xff)]) {
      expect(verdict(withData(message, data))).toBe('custody.forged');
    }
  });

  it('finds every flipped bit of every byte of a message', () => {
    const { message } = made();
    for (let at = 0; at < message.data.length; at++) {
      const data = Buffer.from(message.data);
      data[at]! ^= 1 << (at % 8);
      expect([at, verdict(withData(message, data))]).not.toEqual([at, 'ok']);
    }
  });
});

function encode(note: Buffer, entries: readonly Buffer[]): Buffer {
  return Buffer.from(encodeFrameMessage(note, [...entries]));
}
