import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { cosign } from './cosignature.js';
import { COSIGNATURE_KEY, NOTE_KEY, parseVkey, SigningKey, VerifierKey } from './key.js';
import {
  formatNote,
  openEntryNote,
  openNote,
  parseNote,
  parseSignatureLines,
  signatureLine,
  signNote,
} from './note.js';

type Refused = { note: string; code: string; reason: string };
const vectors = readVectorFile<{
  malformed: { note?: string; noteBase64?: string; code: string; reason: string }[];
  c2sp: {
    valid: { name: string; note: string; keys: string[]; verified: string[]; text?: string }[];
    invalid: (Refused & { keys: string[] })[];
  };
  entry: {
    valid: { name: string; note: string; expected: string[][]; text: string }[];
    invalid: (Refused & { expected: string[][] })[];
  };
}>('note');

const a = SigningKey.fromSeed('audit.example.com/ingest/a', Buffer.alloc(32, 1), NOTE_KEY);
const b = SigningKey.fromSeed('audit.example.com/ingest/b', Buffer.alloc(32, 2), NOTE_KEY);
const v1 = SigningKey.fromSeed('audit.example.com/verifier/v1', Buffer.alloc(32, 3), COSIGNATURE_KEY);
const keysOf = (texts: string[]): VerifierKey[] => texts.map(parseVkey);

describe('form', () => {
  it.each(vectors.malformed)('refuses $reason', ({ note, noteBase64, code }) => {
    const bytes = note === undefined ? Buffer.from(noteBase64 as string, 'base64') : Buffer.from(note);
    expect(codeOf(() => parseNote(bytes))).toBe(code);
    if (note !== undefined) expect(codeOf(() => parseNote(note))).toBe(code);
  });

  it('refuses a string with a lone surrogate, which has no bytes', () => {
    expect(codeOf(() => parseNote(signNote('a\n', [a]).replace('a\n', '\ud800\n')))).toBe('note.utf8');
    expect(codeOf(() => signNote('\ud800\n', [a]))).toBe('note.utf8');
  });

  it('is what formatNote made of text and lines, from bytes and from a string', () => {
    const text = fc.string({ unit: fc.constantFrom(...'a \n—+é😀'), minLength: 0, maxLength: 30 });
    fc.assert(
      fc.property(text, fc.array(fc.uint8Array({ minLength: 1 }), { minLength: 1, maxLength: 5 }), (head, payloads) => {
        const lines = payloads.map((payload) => signatureLine(a.verifier, payload));
        const note = formatNote(`${head}\n`, lines);
        const parsed = parseNote(Buffer.from(note));
        expect(parsed.text).toBe(`${head}\n`);
        expect(parsed.textBytes.toString()).toBe(parsed.text);
        expect(parsed.signatures.map(({ line }) => line)).toEqual(lines);
        expect(parsed.signatures.map(({ signature }) => Uint8Array.from(signature))).toEqual(payloads);
        expect(parseNote(note)).toEqual(parsed);
        expect(formatNote(parsed.text, lines)).toBe(note);
      }),
    );
  });

  it('has one byte form: whatever is accepted is what its parts give', () => {
    const note = Buffer.from(signNote('a\n\nb\n', [a, b]));
    const changes = fc.array(fc.tuple(fc.nat(note.length - 1), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(changes, (changed) => {
        const bytes = Buffer.from(note);
        for (const [at, value] of changed) bytes[at] = value;
        if (codeOf(() => parseNote(bytes)) !== 'accepted') return;
        const { text, signatures } = parseNote(bytes);
        const lines = signatures.map(({ name, keyId, signature }) => {
          return `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}`;
        });
        expect(formatNote(text, lines)).toBe(bytes.toString());
      }),
      { numRuns: 1_000 },
    );
  });

  it('accepts 100 lines, not 101, and stops reading there', () => {
    const line = signatureLine(a.verifier, Buffer.alloc(64));
    const lines = (n: number): string => `${line}\n`.repeat(n);
    expect(parseNote(`a\n\n${lines(100)}`).signatures).toHaveLength(100);
    expect(codeOf(() => parseNote(`a\n\n${lines(101)}`))).toBe('note.lines');
    expect(codeOf(() => parseNote(`a\n\n${'\n'.repeat(5)}${lines(1)}`))).toBe('accepted');
    expect(codeOf(() => parseSignatureLines('x\n'.repeat(1_000_000)))).toBe('note.lines');
    expect(() =>
      formatNote(
        'a\n',
        Array.from({ length: 101 }, () => line),
      ),
    ).toThrow(RangeError);
    expect(() => formatNote('a\n', [])).toThrow(RangeError);
    expect(() => formatNote('a', [line])).toThrow(RangeError);
  });

  it('is measured in bytes before anything else', () => {
    expect(codeOf(() => parseNote(Buffer.alloc(1_048_577)))).toBe('note.size');
    expect(codeOf(() => parseNote('\0'.repeat(1_048_577)))).toBe('note.size');
    expect(codeOf(() => parseNote('é'.repeat(30), 50))).toBe('note.size');
    expect(codeOf(() => parseNote(Buffer.alloc(1_048_576, 'a')))).toBe('note.end');
  });

  it('keeps to the bytes of a view into a larger buffer', () => {
    const note = signNote('a\n', [a]);
    const view = Buffer.from(`xx${note}yy`).subarray(2, -2);
    expect(openNote(view, [a.verifier]).text).toBe('a\n');
  });
});

describe('reading by the C2SP rule', () => {
  it.each(vectors.c2sp.valid)('$name', ({ note, keys, verified, text }) => {
    const opened = openNote(note, keysOf(keys));
    expect(opened.verified.map(({ name, keyId }) => `${name}+${keyId.toString('hex')}`)).toEqual(verified);
    if (text !== undefined) expect(opened.text).toBe(text);
  });

  it.each(vectors.c2sp.invalid)('refuses $reason', ({ note, keys, code }) => {
    expect(codeOf(() => openNote(note, keysOf(keys)))).toBe(code);
  });

  it('refuses two known keys of one name and ID, and takes one key given twice for one', () => {
    const twin = new VerifierKey(a.name, NOTE_KEY, b.verifier.publicKey);
    Object.defineProperty(twin, 'id', { value: a.verifier.id });
    const note = signNote('a\n', [a]);
    expect(codeOf(() => openNote(note, [a.verifier, twin]))).toBe('note.key-ambiguous');
    expect(openNote(note, [a.verifier, parseVkey(a.verifier.vkey)]).verified).toHaveLength(1);
  });

  it('takes keys that sign note text only', () => {
    expect(() => signNote('a\n', [v1])).toThrow(RangeError);
    expect(() => openNote(formatNote('a\n', [cosign('a\n', v1, 5)]), [v1.verifier])).toThrow(RangeError);
  });
});

describe('reading an entry of a log', () => {
  it.each(vectors.entry.valid)('$name', ({ note, expected, text }) => {
    expect(openEntryNote(Buffer.from(note), expected.map(keysOf))).toBe(text);
  });

  it.each(vectors.entry.invalid)('refuses $reason', ({ note, expected, code }) => {
    expect(codeOf(() => openEntryNote(Buffer.from(note), expected.map(keysOf)))).toBe(code);
  });

  it('refuses where the C2SP rule skips: the reason for having two rules', () => {
    const note = signNote('a\n', [a, b]);
    expect(openNote(note, [a.verifier]).text).toBe('a\n');
    expect(codeOf(() => openEntryNote(note, [[a.verifier]]))).toBe('note.line-count');
  });

  it('refuses every change of one byte', () => {
    const note = Buffer.from(signNote('everseal/frame/v1\n', [a, b]));
    for (let at = 0; at < note.length; at += 1) {
      for (const value of [0x0a, 0x20, 0x2b, 0x41, (note[at] as number) ^ 1]) {
        const changed = Buffer.from(note);
        changed[at] = value;
        if (value !== note[at]) {
          expect(codeOf(() => openEntryNote(changed, [[a.verifier], [b.verifier]]))).toMatch(/^note\./);
        }
      }
    }
  });

  it('has at most 65,535 bytes', () => {
    const rest = signNote('\n', [a]).length - 1 + 2; // the dash has three bytes
    const fitting = signNote(`${'a'.repeat(65_535 - rest - 1)}\n`, [a]);
    expect(Buffer.byteLength(fitting)).toBe(65_535);
    expect(codeOf(() => openEntryNote(fitting, [[a.verifier]]))).toBe('accepted');
    expect(codeOf(() => openEntryNote(`a${fitting}`, [[a.verifier]]))).toBe('note.size');
  });
});
