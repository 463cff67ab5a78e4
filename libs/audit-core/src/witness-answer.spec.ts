import { describe, expect, it } from '@jest/globals';
import { codeOf } from '../vectors/read.js';
import { cosign } from './cosignature.js';
import { ForeignLog } from './foreign-log.fixture.js';
import { COSIGNATURE_KEY } from './key.js';
import { testKey } from './log.fixture.js';
import { parseNote } from './note.js';
import { cosignaturesIn, readWitnessAnswer } from './witness-answer.js';

const NOW = 1_800_000_000;
const log = ForeignLog.of('log.example.org/one', 20);
const note = log.checkpoint(8);
const { text } = parseNote(note);
const north = testKey('north.example.org/w', COSIGNATURE_KEY);
const next = testKey('north.example.org/w-next', COSIGNATURE_KEY);
const south = testKey('south.example.net/w', COSIGNATURE_KEY);
const keys = [north.verifier, next.verifier];
const clock = { now: NOW, tolerance: 600 };
const answer = (...lines: string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));

describe('the answer of a witness', () => {
  const asked = { old: 5, size: 8, longest: 12 };
  it.each<[string, object, number, string, object]>([
    ['cosignatures', asked, 200, '— …\n', { kind: 'cosigned' }],
    ['a smaller size', asked, 409, '3\n', { kind: 'behind', size: 3 }],
    ['none yet', asked, 409, '0\n', { kind: 'behind', size: 0 }],
    ['the size that was asked about', asked, 409, '8\n', { kind: 'behind', size: 8 }],
    ['a later checkpoint', asked, 409, '12\n', { kind: 'ahead', size: 12 }],
    ['a tree that the log never had', asked, 409, '13\n', { kind: 'other-history' }],
    ['no continuation', asked, 422, 'no\n', { kind: 'other-history' }],
    ['no continuation of nothing', { ...asked, old: 0 }, 422, 'no\n', { kind: 'refused' }],
    ['another root', { ...asked, old: 8 }, 409, '', { kind: 'other-history' }],
    ['another root, with a size', { ...asked, old: 8 }, 409, '8\n', { kind: 'other-history' }],
    ['another root, with words', { ...asked, old: 8 }, 409, 'conflict', { kind: 'other-history' }],
    ['the size that was said already', asked, 409, '5\n', { kind: 'refused' }],
    ['a 409 without a size', asked, 409, '', { kind: 'refused' }],
    ['a size with more', asked, 409, '3\n4\n', { kind: 'refused' }],
    ['not known', asked, 404, 'unknown log\n', { kind: 'refused' }],
    ['no signature', asked, 403, '', { kind: 'refused' }],
    ['too often', asked, 429, '', { kind: 'refused' }],
    ['trouble', asked, 503, '', { kind: 'refused' }],
    ['a way elsewhere', asked, 302, '', { kind: 'refused' }],
  ])('%s', (_, sent, status, body, said) => {
    expect(readWitnessAnswer(sent as typeof asked, status, Buffer.from(body))).toMatchObject(said);
  });
});

describe('cosignatures in an answer', () => {
  it('count when they verify; those of other keys are skipped, of one key the first counts', () => {
    const lines = [
      cosign(text, south, NOW),
      cosign(text, next, NOW),
      cosign(text, north, NOW),
      cosign(text, north, NOW - 1),
    ];
    const found = cosignaturesIn(answer(...lines), note, keys, clock);
    expect(found.map(({ line }) => line)).toEqual([lines[1], lines[2]]);
  });

  it.each([
    ['of another checkpoint', answer(cosign(parseNote(log.checkpoint(9)).text, north, NOW)), 'cosignature.signature'],
    ['by nobody known', answer(cosign(text, south, NOW)), 'witness.unsigned'],
    ['of a clock ahead', answer(cosign(text, north, NOW + 601)), 'witness.time'],
    ['of a clock behind', answer(cosign(text, north, NOW - 601)), 'witness.time'],
    ['in no lines', Buffer.from('thank you'), 'note.end'],
    ['that are none', Buffer.alloc(0), 'note.lines'],
    ['that are too many', answer(...Array.from({ length: 101 }, () => cosign(text, south, NOW))), 'note.lines'],
  ])('%s do not count; control: the same by the right key, about this one, now, does', (_, body, code) => {
    expect(codeOf(() => cosignaturesIn(body, note, keys, clock))).toBe(code);
    expect(cosignaturesIn(answer(cosign(text, north, NOW + 600)), note, keys, clock)).toHaveLength(1);
  });
});
