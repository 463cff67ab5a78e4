import { describe, expect, it } from '@jest/globals';
import {
  cosign,
  COSIGNATURE_KEY,
  parseNote,
  signCheckpoint,
  treeRoot,
  leafHash,
  cosignaturesOf,
  openCheckpoint,
} from '@everseal/audit-core';
import { forgedKeys, KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { openStored } from './published-log.js';

const CHECKPOINT = { origin: ORIGIN, size: 7, root: treeRoot([leafHash(Buffer.from('x'))]) };
const NOTE = signCheckpoint(CHECKPOINT, KEYS.log);
/** With the log's own line one more than a note has. */
const MANY = Array.from({ length: 100 }, (_, i) =>
  cosign(parseNote(NOTE).text, testKey(`w${i}.example.org/w`, COSIGNATURE_KEY), 1_767_225_600),
);
const LINE = cosign(parseNote(NOTE).text, KEYS.verifier, 1_767_225_600);

describe('a stored checkpoint', () => {
  it('is shown with its cosignatures in it', () => {
    const { size, root, note } = openStored({ size: 7, note: NOTE, cosignatures: [LINE] }, ORIGIN);
    expect([size, root]).toEqual([7, CHECKPOINT.root]);
    const opened = openCheckpoint(note, [KEYS.log.verifier], ORIGIN);
    expect(cosignaturesOf(opened, [KEYS.verifier.verifier])).toHaveLength(1);
  });

  it('is not shown when it is another one than its row says, or no checkpoint', () => {
    const other = signCheckpoint({ ...CHECKPOINT, origin: 'audit.example.com/other' }, KEYS.log);
    for (const [size, note, cosignatures] of [
      [8, NOTE, []],
      [7, other, []],
      [7, NOTE.replace('\n7\n', '\n07\n'), []],
      [7, 'nonsense', []],
      [7, '', []],
      [7, NOTE, ['no line']],
      [7, NOTE, MANY],
      [7, NOTE, [...MANY, LINE]],
    ] as const) {
      const open = (): unknown => openStored({ size, note, cosignatures: [...cosignatures] }, ORIGIN);
      expect(open).toThrow(expect.objectContaining({ code: 'log.damaged', fate: 'retry' }));
    }
  });

  it('is shown with a false signature: who reads it decides whom to believe', () => {
    const forged = signCheckpoint(CHECKPOINT, forgedKeys().log);
    const { note } = openStored({ size: 7, note: forged, cosignatures: [] }, ORIGIN);
    expect(() => openCheckpoint(note, [KEYS.log.verifier], ORIGIN)).toThrow();
  });
});
