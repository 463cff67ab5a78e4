import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openCheckpoint, sha256, signCheckpoint } from '@everseal/audit-core';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { SignerMemory } from './signer-memory.js';

const root = (of: string): Buffer => sha256(Buffer.from(of));

let folder: TemporaryFolder;
let file: string;
beforeEach(() => {
  folder = temporaryFolder('signer');
  file = path.join(folder.path, 'main.checkpoint');
});
afterEach(() => folder.remove());

/** Read back, and found to be by the log key. */
function open(): SignerMemory {
  const memory = SignerMemory.open(file, ORIGIN);
  memory.requireSignedBy([KEYS.log.verifier]);
  return memory;
}

/** The code of what a call throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}

describe("the signer's memory", () => {
  it('signs growing sizes and has each on disk before it is returned', () => {
    const memory = open();
    expect(memory.size).toBe(0);
    for (const size of [2, 3, 70_000]) {
      const note = memory.sign(size, root(`${size}`), KEYS.log);
      expect(readFileSync(file, 'utf8')).toBe(note);
      expect(openCheckpoint(note, [KEYS.log.verifier], ORIGIN)).toMatchObject({ size, root: root(`${size}`) });
      expect(memory.size).toBe(size);
    }
  });

  it('gives the same signature again for the same size and root, also after a restart', () => {
    const note = open().sign(9, root('9'), KEYS.log);
    const restarted = open();
    expect(restarted.note).toBe(note);
    expect(restarted.sign(9, root('9'), KEYS.log)).toBe(note);
  });

  it('refuses a smaller size and another root, and says so by code; control: without the memory both are signed', () => {
    open().sign(9, root('9'), KEYS.log);
    for (const memory of [open(), open()]) {
      expect(codeOf(() => memory.sign(8, root('8'), KEYS.log))).toBe('signer.went-back');
      expect(codeOf(() => memory.sign(9, root('other'), KEYS.log))).toBe('signer.two-histories');
      // A refusal changes nothing.
      expect(openCheckpoint(memory.note!, [KEYS.log.verifier], ORIGIN)).toMatchObject({ size: 9, root: root('9') });
    }
    const forgetful = SignerMemory.open(path.join(folder.path, 'elsewhere'), ORIGIN);
    expect(codeOf(() => forgetful.sign(8, root('other'), KEYS.log))).toBe('none');
  });

  it('is not opened from a file that this log key did not sign for this log', () => {
    const other = testKey(ORIGIN + '-r1');
    const foreign: Record<string, string> = {
      'another key of the same name': signCheckpoint({ origin: ORIGIN, size: 5, root: root('5') }, other),
      'another log': signCheckpoint({ origin: 'audit.example.com/orders', size: 5, root: root('5') }, KEYS.log),
      'half a file': signCheckpoint({ origin: ORIGIN, size: 5, root: root('5') }, KEYS.log).slice(0, 60),
      'no file at all in it': '',
    };
    for (const [what, content] of Object.entries(foreign)) {
      writeFileSync(file, content);
      expect([what, codeOf(open)]).toEqual([what, 'signer.memory']);
    }
  });

  it('survives a crash between writing beside the file and taking its place', () => {
    const before = open().sign(9, root('9'), KEYS.log);
    // What a crash in the middle of the next signature leaves: the new content beside the old file.
    writeFileSync(`${file}.new`, signCheckpoint({ origin: ORIGIN, size: 12, root: root('12') }, KEYS.log).slice(0, 40));
    const restarted = open();
    expect(restarted.note).toBe(before);
    // The signature of size 12 was never handed out, so another root of that size may be signed.
    expect(codeOf(() => restarted.sign(12, root('after the crash'), KEYS.log))).toBe('none');
  });

  it('survives a crash between the write and the use of the signature', () => {
    const note = open().sign(9, root('9'), KEYS.log);
    copyFileSync(file, `${file}.copy`);
    expect(existsSync(`${file}.new`)).toBe(false);
    // Nobody has seen the note; after the restart it is the one that is published.
    expect(open().sign(9, root('9'), KEYS.log)).toBe(note);
    expect(codeOf(() => open().sign(9, root('another head'), KEYS.log))).toBe('signer.two-histories');
  });

  it('hands no signature out that it could not write', () => {
    const memory = SignerMemory.open(path.join(folder.path, 'gone', 'main.checkpoint'), ORIGIN);
    expect(codeOf(() => memory.sign(9, root('9'), KEYS.log))).toBe('ENOENT');
    expect(memory.size).toBe(0);
    expect(memory.note).toBeNull();
  });
});
