import { describe, expect, it } from '@jest/globals';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { signCheckpoint } from './checkpoint.js';
import { appendSignatures, cosign, cosignaturesOf, cosignatureTime, verifyCosignature } from './cosignature.js';
import { sha256 } from './hash.js';
import { COSIGNATURE_KEY, NOTE_KEY, parseVkey, SigningKey } from './key.js';
import { openNote, parseNote, parseSignatureLines, type SignatureLine } from './note.js';

const vectors = readVectorFile<{
  sign: { seed: string; name: string; vkey: string; text: string; seconds: number; line: string }[];
  noteSignature: { seed: string; text: string; payload: string };
  times: { line: string; seconds: number }[];
  invalid: { text?: string; line: string; key: string | null; code: string; reason: string }[];
}>('cosignature');
const origin = 'audit.example.com/main';
const log = SigningKey.fromSeed(origin, Buffer.alloc(32, 1), NOTE_KEY);
const v1 = SigningKey.fromSeed('audit.example.com/verifier/v1', Buffer.alloc(32, 3), COSIGNATURE_KEY);
const witness = (name: string): SigningKey => SigningKey.fromSeed(name, Buffer.alloc(32, 6), COSIGNATURE_KEY);
const v2 = SigningKey.fromSeed('audit.example.com/verifier/v2', Buffer.alloc(32, 4), COSIGNATURE_KEY);
const note = signCheckpoint({ origin, size: 15, root: sha256(Buffer.from('root')) }, log);
const { text } = parseNote(note);

function parseLine(line: string): SignatureLine {
  return parseSignatureLines(`${line}\n`)[0] as SignatureLine;
}

describe('one cosignature', () => {
  it.each(vectors.sign)('by $name at $seconds', ({ seed, name, vkey, text: signed, seconds, line }) => {
    const key = SigningKey.fromSeed(name, Buffer.from(seed, 'hex'), COSIGNATURE_KEY);
    expect(key.verifier.vkey).toBe(vkey);
    expect(cosign(signed, key, seconds)).toBe(line);
    expect(verifyCosignature(signed, parseLine(line), parseVkey(vkey))).toBe(seconds);
  });

  it.each(vectors.times)('claims the time $seconds', ({ line, seconds }) => {
    expect(cosignatureTime(parseLine(line))).toBe(seconds);
  });

  it.each(vectors.invalid)('refuses $reason', ({ text: signed, line, key, code }) => {
    const check = (): number =>
      key === null
        ? cosignatureTime(parseLine(line))
        : verifyCosignature(signed as string, parseLine(line), parseVkey(key));
    expect(codeOf(check)).toBe(code);
  });

  it('of the same key as log key has the signature of sigsum-go', () => {
    const { seed, text: signed, payload } = vectors.noteSignature;
    const name = signed.split('\n')[0] as string;
    const key = SigningKey.fromSeed(name, Buffer.from(seed, 'hex'), NOTE_KEY);
    const line = Buffer.concat([key.verifier.id, key.sign(Buffer.from(signed))]).toString('base64');
    expect(line).toBe(payload);
  });

  it('fails with any bit of it changed', () => {
    const line = parseLine(cosign(text, v1, 1_700_000_000));
    for (let bit = 0; bit < 8 * line.signature.length; bit += 1) {
      const signature = Buffer.from(line.signature);
      signature[bit >> 3] = (signature[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(codeOf(() => verifyCosignature(text, { ...line, signature }, v1.verifier))).toMatch(/\.(signature|time)$/);
    }
  });

  it('takes keys that cosign only, and times that are whole seconds', () => {
    expect(() => cosign(text, log, 5)).toThrow(RangeError);
    expect(() => verifyCosignature(text, parseLine(cosign(text, v1, 5)), log.verifier)).toThrow(RangeError);
    for (const seconds of [-1, 0.5, NaN, 2 ** 53]) expect(() => cosign(text, v1, seconds)).toThrow(RangeError);
    expect(verifyCosignature(text, parseLine(cosign(text, v1, 2 ** 53 - 1)), v1.verifier)).toBe(2 ** 53 - 1);
  });
});

describe('cosignatures of a checkpoint', () => {
  const verifiers = [v1.verifier, v2.verifier];
  const seen = (signed: string): [string, number][] =>
    cosignaturesOf(parseNote(signed), verifiers).map(({ key, seconds }) => [key.name, seconds]);

  it('are those of the known verifiers', () => {
    expect(seen(note)).toEqual([]);
    const stranger = SigningKey.fromSeed('audit.example.com/verifier/v3', Buffer.alloc(32, 5), COSIGNATURE_KEY);
    const lines = [cosign(text, stranger, 1), cosign(text, v2, 2), cosign(text, v1, 3)];
    expect(seen(appendSignatures(note, lines))).toEqual([
      [v2.name, 2],
      [v1.name, 3],
    ]);
  });

  it('count once a verifier, the first line', () => {
    const twice = `${note}${cosign(text, v1, 5)}\n${cosign(text, v1, 6)}\n`;
    expect(seen(twice)).toEqual([[v1.name, 5]]);
  });

  it('spoil the note when a known verifier did not sign this text', () => {
    const foreign = `${note}${cosign(text, v2, 5)}\n${cosign('other\n', v1, 5)}\n`;
    expect(codeOf(() => seen(foreign))).toBe('cosignature.signature');
  });

  it('under the verifier name of a plain note key are not cosignatures', () => {
    const asNoteKey = SigningKey.fromSeed(v1.name, Buffer.alloc(32, 3), NOTE_KEY);
    const signed = signCheckpoint({ origin, size: 15, root: sha256(Buffer.from('root')) }, log, asNoteKey);
    expect(seen(signed)).toEqual([]);
  });
});

describe('appendSignatures', () => {
  it('adds after the others and keeps the rest', () => {
    const one = appendSignatures(note, [cosign(text, v1, 5)]);
    const two = appendSignatures(one, [cosign(text, v2, 6)]);
    expect(one).toBe(`${note}${cosign(text, v1, 5)}\n`);
    expect(two).toBe(`${one}${cosign(text, v2, 6)}\n`);
    expect(appendSignatures(note, [cosign(text, v1, 5), cosign(text, v2, 6)])).toBe(two);
    expect(openNote(two, [log.verifier]).text).toBe(text);
    expect(appendSignatures(note, [])).toBe(note);
  });

  it('never has a name and ID twice: the newer line takes the place of the older', () => {
    const one = appendSignatures(note, [cosign(text, v1, 5), cosign(text, v2, 6)]);
    const again = appendSignatures(one, [cosign(text, v1, 9)]);
    expect(again).toBe(`${note}${cosign(text, v2, 6)}\n${cosign(text, v1, 9)}\n`);
    expect(appendSignatures(again, [cosign(text, v1, 9)])).toBe(again);
    expect(appendSignatures(`${note}${note.split('\n').at(-2)}\n`, [])).toBe(note);
  });

  it('refuses what is not a signature line', () => {
    for (const line of ['', 'x', `${cosign(text, v1, 5)}\nx`, `${cosign(text, v1, 5)}\r`]) {
      expect(codeOf(() => appendSignatures(note, [line]))).toMatch(/^note\.line/);
    }
  });

  it('refuses more lines than a note has, one after the other or at once', () => {
    const lines = Array.from({ length: 100 }, (_, i) => cosign(text, witness(`w${i}.example.org/w`), 5));
    const full = appendSignatures(note, lines.slice(1));
    expect(openNote(full, [log.verifier]).text).toBe(text); // control
    expect(codeOf(() => appendSignatures(note, lines))).toBe('note.lines');
    expect(codeOf(() => appendSignatures(full, lines))).toBe('note.lines');
    expect(appendSignatures(full, lines.slice(1))).toBe(full);
  });
});
