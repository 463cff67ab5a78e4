import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { codeOf, readVectorFile } from '../vectors/read.js';
import { FormatError } from './format-error.js';
import { COSIGNATURE_KEY, formatVkey, isKeyName, NOTE_KEY, parseVkey, SigningKey, VerifierKey } from './key.js';

const vectors = readVectorFile<{
  vkeys: {
    valid: { vkey: string; name: string; type: 1 | 4; id: string; publicKey: string }[];
    invalid: { vkey: string; code: string; reason: string }[];
  };
  skeys: { valid: { skey: string; vkey: string }[]; invalid: { skey: string; code: string; reason: string }[] };
  signatures: { reason: string; publicKey: string; message: string; signature: string; valid: boolean }[];
}>('key');

describe('public key texts', () => {
  it.each(vectors.vkeys.valid)('$vkey', ({ vkey, name, type, id, publicKey }) => {
    const key = parseVkey(vkey);
    expect([key.name, key.type, key.idHex, key.publicKey.toString('hex')]).toEqual([name, type, id, publicKey]);
    expect([key.vkey, formatVkey(name, type, key.publicKey)]).toEqual([vkey, vkey]);
  });

  it.each(vectors.vkeys.invalid)('refuses $reason', ({ vkey, code }) => {
    expect(codeOf(() => parseVkey(vkey))).toBe(code);
  });

  it('refuses every text with one byte changed', () => {
    const { vkey } = vectors.vkeys.valid[1] as { vkey: string };
    for (let i = 0; i < vkey.length; i += 1) {
      for (const other of ['A', '+', ' ', '\n', '0', '\u0000']) {
        const changed = vkey.slice(0, i) + other + vkey.slice(i + 1);
        if (changed !== vkey) expect(codeOf(() => parseVkey(changed))).toMatch(/^key\./);
      }
    }
  });

  it('shows nothing of a private key that stands in its place', () => {
    const { skey } = SigningKey.fromSeed('a', Buffer.alloc(32, 7), NOTE_KEY);
    let shown = '';
    try {
      parseVkey(skey);
    } catch (error) {
      shown = inspect(error);
    }
    expect(shown).toContain('key.private');
    expect(shown).not.toContain(skey.slice(12, 40));
  });

  it('gives any key back', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const name = fc.string({ unit: fc.constantFrom(...'aZ0-./é—😀\u007f') }).filter(isKeyName);
    fc.assert(
      fc.property(name, bytes, fc.constantFrom(NOTE_KEY, COSIGNATURE_KEY), (keyName, publicKey, type) => {
        const key = parseVkey(formatVkey(keyName, type, publicKey));
        expect([key.name, key.type, key.publicKey]).toEqual([keyName, type, Buffer.from(publicKey)]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('private key texts', () => {
  it.each(vectors.skeys.valid)('$vkey', ({ skey, vkey }) => {
    const key = SigningKey.fromSkey(skey);
    expect([key.verifier.vkey, key.skey]).toEqual([vkey, skey]);
  });

  it.each(vectors.skeys.invalid)('refuses $reason', ({ skey, code }) => {
    expect(codeOf(() => SigningKey.fromSkey(skey))).toBe(code);
  });

  it('refuses a key of the other type where the type is given', () => {
    const cosigner = SigningKey.fromSeed('a', Buffer.alloc(32), COSIGNATURE_KEY);
    expect(codeOf(() => SigningKey.fromSkey(cosigner.skey, NOTE_KEY))).toBe('key.type');
    expect(SigningKey.fromSkey(cosigner.skey, COSIGNATURE_KEY).verifier.vkey).toBe(cosigner.verifier.vkey);
  });

  it('shows no secret: not in errors, not when printed, not as JSON', () => {
    const { skey } = SigningKey.fromSeed('a', Buffer.alloc(32, 7), NOTE_KEY);
    const secret = skey.slice(-20);
    for (const broken of [skey.slice(1), skey.slice(0, -1), skey.replace('+a+', '+ +'), skey.replace('+a+', '+b+')]) {
      let shown = '';
      try {
        SigningKey.fromSkey(broken);
      } catch (error) {
        shown = inspect(error, { depth: 10 });
        expect(error).toBeInstanceOf(FormatError);
      }
      expect(shown).not.toBe('');
      expect(shown).not.toContain(secret.slice(0, -2));
    }
    const key = SigningKey.fromSkey(skey);
    expect(inspect(key, { depth: 10, showHidden: true })).not.toContain(secret);
    expect(JSON.stringify(key)).not.toContain(secret);
  });
});

describe('Ed25519', () => {
  it.each(vectors.signatures)('$reason', ({ publicKey, message, signature, valid }) => {
    const key = new VerifierKey('key', NOTE_KEY, Buffer.from(publicKey, 'hex'));
    expect(key.verify(Buffer.from(message, 'hex'), Buffer.from(signature, 'hex'))).toBe(valid);
  });

  it('never throws for bytes that are no point or no signature', () => {
    const bytes = (n: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: n, maxLength: n });
    fc.assert(
      fc.property(bytes(32), bytes(64), bytes(5), (publicKey, signature, message) => {
        const key = new VerifierKey('key', NOTE_KEY, Buffer.from(publicKey));
        expect(key.verify(message, signature)).toBe(false);
      }),
    );
  });

  it('verifies what it signed and nothing with one bit changed', () => {
    const key = SigningKey.fromSeed('a', Buffer.alloc(32, 1), NOTE_KEY);
    const message = Buffer.from('message');
    const signature = key.sign(message);
    expect(key.verifier.verify(message, signature)).toBe(true);
    for (let bit = 0; bit < 512; bit += 1) {
      const changed = Buffer.from(signature);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(key.verifier.verify(message, changed)).toBe(false);
    }
  });
});
