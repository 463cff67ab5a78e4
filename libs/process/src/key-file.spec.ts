import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { formatKeyFile, NOTE_KEY, SigningKey } from '@everseal/audit-core';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { KeyFile } from './key-file.js';

const NAME = 'audit.example.com/ingest/a';
const [OLD, NEW, OTHER] = [1, 2, 3].map((seed) => SigningKey.fromSeed(NAME, Buffer.alloc(32, seed), NOTE_KEY)) as [
  SigningKey,
  SigningKey,
  SigningKey,
];

let folder: TemporaryFolder;
let file: string;
beforeEach(() => {
  folder = temporaryFolder('key-file');
  file = path.join(folder.path, 'a.skey');
  writeFileSync(file, formatKeyFile([OLD]), { mode: 0o600 });
});
afterEach(() => folder.remove());

const chosen = (keys: KeyFile, ...named: SigningKey[]): string | null =>
  keys.among(named.map(({ verifier }) => verifier))?.verifier.vkey ?? null;

describe('the key file of a service', () => {
  it('gives the newest key that is in force, and finds one that was put there while the service runs', () => {
    const keys = KeyFile.open(file, NAME, NOTE_KEY);
    expect(chosen(keys, OLD)).toBe(OLD.verifier.vkey);
    writeFileSync(file, formatKeyFile([NEW, OLD]));
    // Not before a key set names it.
    expect(chosen(keys, OLD)).toBe(OLD.verifier.vkey);
    expect(chosen(keys, OLD, NEW)).toBe(NEW.verifier.vkey);
    expect(chosen(keys, NEW)).toBe(NEW.verifier.vkey);
    expect(chosen(keys, OTHER)).toBeNull();
  });

  it('keeps what was read when the file is gone or spoiled, and takes up what is there later', () => {
    const keys = KeyFile.open(file, NAME, NOTE_KEY);
    writeFileSync(file, 'half a ke');
    expect(chosen(keys, OLD, NEW)).toBe(OLD.verifier.vkey);
    rmSync(file);
    expect(chosen(keys, OLD, NEW)).toBe(OLD.verifier.vkey);
    writeFileSync(file, formatKeyFile([NEW, OLD]), { mode: 0o600 });
    expect(chosen(keys, OLD, NEW)).toBe(NEW.verifier.vkey);
  });

  it('is not opened when it holds no key, or one of somebody else', () => {
    expect(() => KeyFile.open(file, `${NAME}b`, NOTE_KEY)).toThrow(expect.objectContaining({ code: 'key-file.name' }));
    writeFileSync(file, '');
    expect(() => KeyFile.open(file, NAME, NOTE_KEY)).toThrow(expect.objectContaining({ name: 'FormatError' }));
  });

  it('is not read while others may read or write it, at the start or later', () => {
    for (const mode of [0o604, 0o620, 0o640, 0o644, 0o601]) {
      chmodSync(file, mode);
      expect(() => KeyFile.open(file, NAME, NOTE_KEY)).toThrow(expect.objectContaining({ code: 'file.exposed' }));
    }
    chmodSync(file, 0o400);
    const keys = KeyFile.open(file, NAME, NOTE_KEY);
    chmodSync(file, 0o644);
    writeFileSync(file, formatKeyFile([NEW, OLD]));
    expect(chosen(keys, OLD, NEW)).toBe(OLD.verifier.vkey);
    chmodSync(file, 0o600);
    expect(chosen(keys, OLD, NEW)).toBe(NEW.verifier.vkey);
  });

  it('holds one where it is not rotated', () => {
    expect(KeyFile.only(file, NAME, NOTE_KEY).verifier.vkey).toBe(OLD.verifier.vkey);
    writeFileSync(file, formatKeyFile([NEW, OLD]));
    expect(() => KeyFile.only(file, NAME, NOTE_KEY)).toThrow(expect.objectContaining({ code: 'key-file.count' }));
  });
});
