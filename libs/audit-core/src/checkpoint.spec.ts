import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { formatCheckpointText, openCheckpoint, parseCheckpointText, signCheckpoint } from './checkpoint.js';
import { EMPTY_ROOT, sha256 } from './hash.js';
import { NOTE_KEY, parseVkey, SigningKey } from './key.js';

type Parts = { origin: string; size: number; root: string };
const vectors = readVectorFile<{
  texts: { valid: (Parts & { text: string })[]; invalid: { text: string; code: string; reason: string }[] };
  notes: {
    keys: Record<'log' | 'next', { skey: string; vkey: string }>;
    valid: (Parts & { name: string; note: string; keys: string[] })[];
    invalid: { note: string; keys: string[]; origin: string; code: string; reason: string }[];
  };
}>('checkpoint');
const origin = 'audit.example.com/main';
const log = SigningKey.fromSeed(origin, Buffer.alloc(32, 1), NOTE_KEY);
const next = SigningKey.fromSeed(origin, Buffer.alloc(32, 2), NOTE_KEY);
const root = sha256(Buffer.from('root'));

describe('checkpoint text', () => {
  it.each(vectors.texts.valid)('$origin of size $size', ({ text, origin: name, size, root: base64 }) => {
    const checkpoint = { origin: name, size, root: Buffer.from(base64, 'base64') };
    expect(parseCheckpointText(text)).toEqual(checkpoint);
    expect(formatCheckpointText(checkpoint)).toBe(text);
  });

  it.each(vectors.texts.invalid)('refuses $reason', ({ text, code }) => {
    expect(codeOf(() => parseCheckpointText(text))).toBe(code);
  });

  it('has one form: whatever is accepted is what formatting gives', () => {
    const text = formatCheckpointText({ origin, size: 70_000, root });
    const at = fc.nat(text.length);
    fc.assert(
      fc.property(at, at, fc.constantFrom('', '\n', '\r', ' ', '0', '+', '=', 'A'), (from, to, put) => {
        const changed = text.slice(0, Math.min(from, to)) + put + text.slice(Math.max(from, to));
        if (codeOf(() => parseCheckpointText(changed)) !== 'accepted') return;
        expect(formatCheckpointText(parseCheckpointText(changed))).toBe(changed);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is never written for what cannot be', () => {
    expect(() => formatCheckpointText({ origin, size: 0, root })).toThrow(RangeError);
    expect(() => formatCheckpointText({ origin, size: -1, root })).toThrow(RangeError);
    expect(() => formatCheckpointText({ origin, size: 2 ** 53, root })).toThrow(RangeError);
    expect(() => formatCheckpointText({ origin, size: 1, root: root.subarray(1) })).toThrow(RangeError);
    expect(() => formatCheckpointText({ origin: 'a\n9', size: 1, root })).toThrow(RangeError);
    expect(() => formatCheckpointText({ origin: '', size: 1, root })).toThrow(RangeError);
  });
});

describe('signed checkpoints', () => {
  it.each(vectors.notes.valid)('$name', ({ note, keys, origin: name, size, root: base64 }) => {
    const opened = openCheckpoint(Buffer.from(note), keys.map(parseVkey), name);
    expect([opened.origin, opened.size, opened.root.toString('base64')]).toEqual([name, size, base64]);
    expect(note.startsWith(opened.text)).toBe(true);
    expect(opened.verified).toHaveLength(1);
  });

  it.each(vectors.notes.invalid)('refuses $reason', ({ note, keys, origin: name, code }) => {
    expect(codeOf(() => openCheckpoint(note, keys.map(parseVkey), name))).toBe(code);
  });

  it('are made with one log key, or with both while it rotates', () => {
    const one = signCheckpoint({ origin, size: 1, root }, log);
    const both = signCheckpoint({ origin, size: 1, root }, next, log);
    expect(openCheckpoint(one, [log.verifier], origin).size).toBe(1);
    expect(openCheckpoint(both, [log.verifier, next.verifier], origin).verified).toHaveLength(2);
    expect(codeOf(() => openCheckpoint(one, [next.verifier], origin))).toBe('note.unverified');
  });

  it('of the empty tree have its root', () => {
    const note = signCheckpoint({ origin, size: 0, root: EMPTY_ROOT }, log);
    expect(openCheckpoint(note, [log.verifier], origin)).toMatchObject({ size: 0, root: EMPTY_ROOT });
  });
});
