import { describe, expect, it } from '@jest/globals';
import { leafHash, sha256 } from './hash.js';
import {
  followKeySets,
  keySetOfNote,
  openKeyOrder,
  sealKeyOrder,
  signKeyOrder,
  type KeySetEntry,
} from './key-order.js';
import { openKeySet, signKeySet, type KeySet } from './key-set.js';
import { NOTE_KEY, SigningKey } from './key.js';
import { DOMAIN, genesisKeys, KEYS, ORIGIN, testKey } from './log.fixture.js';
import { ingestKeyName, operatorKeyName } from './names.js';
import { outcome } from '../vectors/vector-file.js';

const GENESIS = Buffer.from(signKeySet(genesisKeys(), KEYS.log, KEYS.operator));
const FIRST: KeySetEntry = { set: genesisKeys(), hash: leafHash(GENESIS) };
const newLogKey = (seed: string): SigningKey => SigningKey.fromSeed(ORIGIN, sha256(Buffer.from(seed)), NOTE_KEY);
const [LOG_2, LOG_3] = [newLogKey('second'), newLogKey('third')];

/** The set that follows, with these changes. */
function after(current: KeySetEntry, over: Partial<KeySet>): KeySet {
  return { ...current.set, previous: current.hash, time: '2026-02-01T00:00:00.000Z', ...over };
}

const NEXT = after(FIRST, { log: LOG_2.verifier });

describe('an order for a key set', () => {
  it('becomes with the line of the log key in force the entry that readers of the log take', () => {
    const order = signKeyOrder(NEXT, KEYS.operator);
    expect(openKeyOrder(order, FIRST)).toEqual(keySetOfNote(order));
    const { note, set } = sealKeyOrder(order, FIRST, KEYS.log);
    expect(note).toBe(signKeySet(NEXT, KEYS.log, KEYS.operator));
    expect(openKeySet(note, FIRST.set, FIRST.hash)).toEqual(set);
    // Control: the order alone is no entry.
    expect(outcome(() => openKeySet(order, FIRST.set, FIRST.hash))).toEqual({ code: 'note.line-count' });
  });

  it('is refused with any byte changed', () => {
    const order = Buffer.from(signKeyOrder(NEXT, KEYS.operator));
    for (let at = 0; at < order.length; at++) {
      order[at]! ^= 1 << (at % 8);
      expect(outcome(() => openKeyOrder(order, FIRST))).toHaveProperty('code');
      order[at]! ^= 1 << (at % 8);
    }
  });

  it('is refused from anybody but an operator in force, for another place and for another log', () => {
    const stranger = testKey(operatorKeyName(DOMAIN, 'stranger'));
    const refusal = (order: string, current = FIRST) => outcome(() => openKeyOrder(order, current));
    expect(refusal(signKeyOrder(NEXT, stranger))).toEqual({ code: 'note.line-key' });
    expect(refusal(signKeySet(NEXT, KEYS.log, KEYS.operator))).toEqual({ code: 'note.line-count' });
    const { note, set } = sealKeyOrder(signKeyOrder(NEXT, KEYS.operator), FIRST, KEYS.log);
    const second = { set, hash: leafHash(Buffer.from(note)) };
    expect(refusal(signKeyOrder(NEXT, KEYS.operator), second)).toEqual({ code: 'key-order.place' });
    const other = testKey(`${DOMAIN}/other`);
    const elsewhere = { ...NEXT, origin: other.name, log: other.verifier };
    expect(refusal(signKeyOrder(elsewhere, KEYS.operator))).toEqual({ code: 'key-order.ledger' });
    expect(() => signKeyOrder(NEXT, KEYS.log)).toThrow(RangeError);
  });

  it('is not sealed with another key than the log key in force, the new one included', () => {
    expect(() => sealKeyOrder(signKeyOrder(NEXT, KEYS.operator), FIRST, LOG_2)).toThrow(RangeError);
  });

  it('is not written for a set that no reader takes', () => {
    const twice = [KEYS.a.verifier, KEYS.a.verifier];
    expect(outcome(() => signKeyOrder(after(FIRST, { ingest: twice }), KEYS.operator))).toHaveProperty('code');
    expect(outcome(() => signKeyOrder(after(FIRST, { verifiers: [] }), KEYS.operator))).toEqual({
      code: 'keys.verifier',
    });
  });
});

describe('following key sets', () => {
  const c = testKey(ingestKeyName(DOMAIN, 'c'));
  const second = signKeySet(NEXT, KEYS.log, KEYS.operator);
  const at2: KeySetEntry = { set: NEXT, hash: leafHash(Buffer.from(second)) };
  const third = signKeySet(after(at2, { log: LOG_3.verifier, ingest: [c.verifier] }), LOG_2, KEYS.operator);

  it('goes from any of them to the newest', () => {
    const followed = followKeySets(FIRST, [second, third]);
    expect(followed.map(({ hash }) => hash)).toEqual([at2.hash, leafHash(Buffer.from(third))]);
    expect(followed[1]!.set.ingest.map(({ name }) => name)).toEqual([c.name]);
    expect(followKeySets(at2, [second, third]).map(({ hash }) => hash)).toEqual([leafHash(Buffer.from(third))]);
    expect(followKeySets(FIRST, [GENESIS, second])).toHaveLength(1);
  });

  it('stays where it is when nothing follows, and refuses what is not signed by the keys before', () => {
    expect(followKeySets(FIRST, [])).toEqual([]);
    expect(followKeySets(FIRST, [third])).toEqual([]);
    const byNewKey = signKeySet(NEXT, LOG_2, KEYS.operator);
    expect(outcome(() => followKeySets(FIRST, [byNewKey]))).toEqual({ code: 'note.line-key' });
    const unsigned = signKeyOrder(NEXT, KEYS.operator);
    expect(outcome(() => followKeySets(FIRST, [unsigned]))).toEqual({ code: 'note.line-count' });
    expect(outcome(() => followKeySets(FIRST, [second, GENESIS]))).toHaveProperty('code');
  });
});
