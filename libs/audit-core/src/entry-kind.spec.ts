import { describe, expect, it } from '@jest/globals';
import { FRAME_NOTE } from '../vectors/make/frame.js';
import { outcome } from '../vectors/vector-file.js';
import { entryKind, FIRST_LINE } from './entry-kind.js';

describe('entryKind', () => {
  it('knows the five kinds by their first lines', () => {
    for (const [kind, line] of Object.entries(FIRST_LINE)) expect(entryKind(Buffer.from(`${line}\n`))).toBe(kind);
    expect(entryKind(Buffer.from(`x${FRAME_NOTE}`).subarray(1))).toBe('frame');
  });

  it.each([
    ['an empty entry', ''],
    ['an event', '{"ledger":"audit.example.com/main"}'],
    ['the reserved kind', 'everseal/prune/v1\n'],
    ['an unknown version', 'everseal/frame/v2\n'],
    ['a line without its end', 'everseal/frame/v1'],
    ['a line that goes on', 'everseal/frame/v10\n'],
    ['a checkpoint', 'audit.example.com/main\n'],
    ['CR LF', 'everseal/frame/v1\r\n'],
  ])('refuses %s', (_, entry) => {
    expect(outcome(() => entryKind(Buffer.from(entry)))).toEqual({ code: 'entry.kind' });
  });
});
