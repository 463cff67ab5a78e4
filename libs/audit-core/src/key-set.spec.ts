import { describe, expect, it } from '@jest/globals';
import { assert, constantFrom, integer, property, record, shuffledSubarray } from 'fast-check';
import { key, CAST } from '../vectors/cast.js';
import { GENESIS, GENESIS_NOTE, NEXT, NEXT_NOTE, readKeySet, type KeySetInput } from '../vectors/make/key-set.js';
import { expected, outcome, readVectors } from '../vectors/vector-file.js';
import { leafHash } from './hash.js';
import { formatKeySetText, ingestKeysOf, openGenesis, openKeySet, parseKeySetText, signKeySet } from './key-set.js';

const file = readVectors<KeySetInput>('key-set');

describe('key set', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readKeySet(vector, file.given ?? {}))).toEqual(expected(vector));
  });

  it('has one text for any order of its keys, which parses back', () => {
    const pool = [
      CAST.a,
      CAST.b,
      CAST['a-2'],
      ...Array.from({ length: 6 }, (_, i) => key(`i${i}`, `audit.example.com/ingest/i${i}`)),
    ];
    const ingest = shuffledSubarray(pool.map(({ verifier }) => verifier));
    assert(
      property(record({ ingest, operators: shuffledSubarray([...GENESIS.operators], { minLength: 1 }) }), (keys) => {
        const set = { ...GENESIS, ...keys };
        const text = formatKeySetText(set);
        const read = parseKeySetText(text);
        expect(formatKeySetText(read)).toBe(text);
        expect(new Set(read.ingest.map(({ vkey }) => vkey))).toEqual(new Set(keys.ingest.map(({ vkey }) => vkey)));
      }),
    );
  });

  it('is refused with any byte changed', () => {
    const set = openGenesis(GENESIS_NOTE, GENESIS.origin);
    const hash = leafHash(Buffer.from(GENESIS_NOTE));
    const note = Buffer.from(NEXT_NOTE);
    expect(openKeySet(note, set, hash).log.vkey).toBe(NEXT.log.vkey);
    assert(
      property(integer({ min: 0, max: note.length - 1 }), integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Buffer.from(note);
        changed[at]! ^= mask;
        expect(outcome(() => openKeySet(changed, set, hash))).toHaveProperty('code');
      }),
      { numRuns: 500 },
    );
  });

  it('needs the hash of the set before, not only its keys', () => {
    const set = openGenesis(GENESIS_NOTE, GENESIS.origin);
    expect(outcome(() => openKeySet(NEXT_NOTE, set, leafHash(Buffer.from(NEXT_NOTE))))).toEqual({ code: 'keys.chain' });
  });

  it('gives an ingester its keys only', () => {
    expect(ingestKeysOf(NEXT, 'a')).toHaveLength(2);
    expect(ingestKeysOf(NEXT, 'b').map(({ vkey }) => vkey)).toEqual([CAST.b.verifier.vkey]);
    expect(ingestKeysOf(NEXT, 'c')).toEqual([]);
  });

  it('is not signed with keys that no reader would take', () => {
    assert(
      property(constantFrom(CAST.a, CAST.log, CAST.alerts, CAST['test-log']), (other) => {
        expect(() => signKeySet(GENESIS, CAST.log, other)).toThrow(RangeError);
      }),
    );
    expect(() => signKeySet(GENESIS, CAST['test-log'], CAST.op1)).toThrow(RangeError);
    expect(outcome(() => signKeySet({ ...GENESIS, operators: [] }, CAST.log, CAST.op1))).toEqual({
      code: 'keys.operator',
    });
  });
});
