import { describe, expect, it } from '@jest/globals';
import { assert, integer, property, string } from 'fast-check';
import { CAST, ORIGIN, SUCCESSOR } from '../vectors/cast.js';
import { readRestore, RESTORE, type RestoreInput } from '../vectors/make/restore.js';
import { expected, outcome, readVectors } from '../vectors/vector-file.js';
import { openGenesis } from './key-set.js';
import { formatRestoreText, openRestore, parseRestoreText, signRestore, successorOf } from './restore.js';

const file = readVectors<RestoreInput>('restore');
const given = file.given as Record<string, string>;
const genesis = openGenesis(given.successor as string, SUCCESSOR);
const closed = openGenesis(given.closed as string, ORIGIN);

describe('successor record', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readRestore(vector, given))).toEqual(expected(vector));
  });

  it('comes back as it was written, with any reason of one line', () => {
    const reason = string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(
      (text) => !text.includes('\n') && Buffer.byteLength(text) <= 200,
    );
    assert(
      property(reason, integer({ min: 2, max: 2 ** 31 - 1 }), (text, size) => {
        const restore = { ...RESTORE, reason: text, checkpoint: { ...RESTORE.checkpoint, size } };
        expect(parseRestoreText(formatRestoreText(restore))).toEqual(restore);
      }),
    );
  });

  it('is refused with any byte changed', () => {
    const note = Buffer.from(signRestore(RESTORE, CAST['successor-log'], CAST.op1));
    expect(openRestore(note, genesis, closed)).toEqual(RESTORE);
    for (let at = 0; at < note.length; at++) {
      const changed = Buffer.from(note);
      changed[at]! ^= 1 << (at % 8);
      expect(outcome(() => openRestore(changed, genesis, closed))).toHaveProperty('code');
    }
  });

  it('is not signed with a reason that would not come back', () => {
    const sign = (reason: string) => () => signRestore({ ...RESTORE, reason }, CAST['successor-log'], CAST.op1);
    expect(outcome(sign('\ud800'))).toEqual({ code: 'restore.reason' });
    expect(outcome(sign('tab\there'))).toEqual({ code: 'note.control' });
    expect(outcome(sign('two\nlines'))).toEqual({ code: 'restore.time' });
  });

  it('is not signed with the keys of others', () => {
    expect(() => signRestore(RESTORE, CAST.log, CAST.op1)).toThrow(RangeError);
    expect(() => signRestore(RESTORE, CAST['successor-log'], CAST.a)).toThrow(RangeError);
  });
});

describe('successorOf', () => {
  it.each([
    ['audit.example.com/main', 'audit.example.com/main-r1'],
    ['audit.example.com/main-r1', 'audit.example.com/main-r2'],
    ['audit.example.com/main-r9', 'audit.example.com/main-r10'],
    ['audit.example.com/main-r0', 'audit.example.com/main-r0-r1'],
    ['audit.example.com/main-r01', 'audit.example.com/main-r01-r1'],
    ['audit.example.com/a-r1-r1', 'audit.example.com/a-r1-r2'],
    ['audit.example.com/r1', 'audit.example.com/r1-r1'],
  ])('%s → %s', (origin, successor) => {
    expect(successorOf(origin)).toBe(successor);
  });

  it('has no successor for a name that cannot grow', () => {
    expect(outcome(() => successorOf(`audit.example.com/${'l'.repeat(46)}`))).toEqual({ code: 'name.ledger' });
    expect(outcome(() => successorOf('audit.example.com/m-r9007199254740991'))).toEqual({ code: 'decimal.range' });
  });
});
