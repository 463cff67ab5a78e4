import { describe, expect, it } from '@jest/globals';
import { leafHash, sha256 } from './hash.js';
import { parseKeyFile, formatKeyFile } from './key-file.js';
import {
  addKey,
  isSameChange,
  keepKey,
  keyNameOf,
  keysOfHolder,
  keyTypeOf,
  rotationStep,
  type KeyHolder,
} from './key-rotation.js';
import type { KeySetEntry } from './key-order.js';
import { signKeySet } from './key-set.js';
import { SigningKey } from './key.js';
import { genesisKeys, KEYS, ORIGIN } from './log.fixture.js';
import { outcome } from '../vectors/vector-file.js';

const FIRST: KeySetEntry = {
  set: genesisKeys(),
  hash: leafHash(Buffer.from(signKeySet(genesisKeys(), KEYS.log, KEYS.operator))),
};
const TIME = '2026-02-01T00:00:00.000Z';
const HOLDERS: readonly (KeyHolder & { old: SigningKey })[] = [
  { role: 'log', name: '', old: KEYS.log },
  { role: 'operator', name: 'root', old: KEYS.operator },
  { role: 'ingest', name: 'a', old: KEYS.a },
  { role: 'verifier', name: 'v1', old: KEYS.verifier },
];

function newKey(holder: KeyHolder, seed = 'new'): SigningKey {
  return SigningKey.fromSeed(keyNameOf(holder, ORIGIN), sha256(Buffer.from(seed)), keyTypeOf(holder.role));
}

describe.each(HOLDERS)('rotating the key of a $role', ({ old, ...holder }) => {
  const fresh = newKey(holder);
  const file = [fresh.verifier, old.verifier];
  const others = (set: typeof FIRST.set) => [...set.operators, ...set.ingest, ...set.verifiers].length;

  it('goes from step to step by what is in force and in the key file, to its end', () => {
    expect(rotationStep(FIRST.set, holder, [])).toBe('make');
    expect(rotationStep(FIRST.set, holder, [old.verifier])).toBe('make');
    expect(rotationStep(FIRST.set, holder, file)).toBe('add');
    const both = addKey(FIRST, holder, fresh.verifier, { instead: false, time: TIME });
    expect(both.previous).toEqual(FIRST.hash);
    const named = keysOfHolder(both, holder).map(({ vkey }) => vkey);
    if (holder.role === 'log') {
      expect(named).toEqual([fresh.verifier.vkey]);
      expect(rotationStep(both, holder, file)).toBe('clean');
      return;
    }
    expect(new Set(named)).toEqual(new Set(file.map(({ vkey }) => vkey)));
    expect(rotationStep(both, holder, file)).toBe('drop');
    const alone = keepKey({ set: both, hash: FIRST.hash }, holder, fresh.verifier, TIME);
    expect(keysOfHolder(alone, holder).map(({ vkey }) => vkey)).toEqual([fresh.verifier.vkey]);
    expect(rotationStep(alone, holder, file)).toBe('clean');
    expect(rotationStep(alone, holder, [fresh.verifier])).toBe('make');
    expect(others(alone)).toBe(others(FIRST.set));
  });

  it('takes one key for another at once where that is wanted', () => {
    const set = addKey(FIRST, holder, fresh.verifier, { instead: true, time: TIME });
    expect(keysOfHolder(set, holder).map(({ vkey }) => vkey)).toEqual([fresh.verifier.vkey]);
    expect(others(set)).toBe(others(FIRST.set));
    expect(isSameChange(set, { ...set, time: '2026-03-01T00:00:00.000Z' })).toBe(true);
    expect(isSameChange(set, FIRST.set)).toBe(false);
  });
});

describe('what cannot be', () => {
  const a: KeyHolder = { role: 'ingest', name: 'a' };

  it('a third key of an ingester, a key with two uses, a key that is kept and not named', () => {
    const second = addKey(FIRST, a, newKey(a).verifier, { instead: false, time: TIME });
    const third = newKey(a, 'third').verifier;
    const add = () => addKey({ set: second, hash: FIRST.hash }, a, third, { instead: false, time: TIME });
    expect(outcome(add)).toEqual({ code: 'keys.ingest-count' });
    expect(outcome(() => keepKey(FIRST, a, third, TIME))).toEqual({ code: 'keys.not-named' });
    const again = () => addKey(FIRST, a, KEYS.b.verifier, { instead: false, time: TIME });
    expect(outcome(again)).toHaveProperty('code');
  });
});

describe('a key file', () => {
  const a: KeyHolder = { role: 'ingest', name: 'a' };
  const [name, type] = [keyNameOf(a, ORIGIN), keyTypeOf('ingest')];
  const read = (text: string) => parseKeyFile(text, name, type).map(({ verifier }) => verifier.vkey);

  it('holds one key or two, the newest first', () => {
    const keys = [newKey(a), KEYS.a];
    expect(read(formatKeyFile(keys))).toEqual(keys.map(({ verifier }) => verifier.vkey));
    expect(read(KEYS.a.skey)).toEqual([KEYS.a.verifier.vkey]);
  });

  it.each([
    ['key.syntax', ''],
    ['key-file.count', formatKeyFile([KEYS.a, newKey(a), newKey(a, 'third')])],
    ['key-file.name', formatKeyFile([KEYS.a, KEYS.b])],
    ['key-file.twice', formatKeyFile([KEYS.a, KEYS.a])],
    ['key.type', formatKeyFile([KEYS.verifier])],
    ['key.syntax', `${KEYS.a.skey}\n\n`.replace('\n\n', '\nhalf a ke')],
  ])('is refused with %s', (code, text) => {
    expect(outcome(() => read(text))).toEqual({ code });
  });
});
