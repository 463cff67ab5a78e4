import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ExposedFileError, isExposed, readPrivateText } from './private-file.js';

const [ROOT, SELF] = [0, 1000];
const REGULAR = 0o100_000;

describe('who may have access to a secret', () => {
  const exposed = (uid: number, self: number): number[] => {
    const modes = Array.from({ length: 0o1000 }, (_, mode) => mode);
    return modes.filter((mode) => isExposed({ mode: REGULAR | mode, uid }, self));
  };

  it('is nobody but the owner, in all 512 modes of a file that is our own', () => {
    const open = Array.from({ length: 0o1000 }, (_, mode) => mode).filter((mode) => (mode & 0o077) !== 0);
    expect(exposed(SELF, SELF)).toEqual(open);
    expect(exposed(ROOT, ROOT)).toEqual(open);
    expect(exposed(1001, SELF)).toEqual(open);
  });

  it('is the group of a file of root as well, to read it, as Kubernetes hands a secret to a process', () => {
    const open = Array.from({ length: 0o1000 }, (_, mode) => mode).filter((mode) => (mode & 0o037) !== 0);
    expect(exposed(ROOT, SELF)).toEqual(open);
  });
});

describe('reading one', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(path.join(tmpdir(), 'everseal-private-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('gives the text, or an error that names the file, its mode and what to do', () => {
    const file = path.join(folder, 'secret');
    writeFileSync(file, 'text');
    for (const mode of [0o644, 0o640, 0o604, 0o660, 0o620, 0o601]) {
      chmodSync(file, mode);
      expect(() => readPrivateText(file)).toThrow(ExposedFileError);
    }
    chmodSync(file, 0o640);
    expect(() => readPrivateText(file)).toThrow(
      `${file} can be read or written by others (mode 0640): chmod 600 it, and replace what is in it`,
    );
    for (const mode of [0o600, 0o400]) {
      chmodSync(file, mode);
      expect(readPrivateText(file)).toBe('text');
    }
    expect(() => readPrivateText(path.join(folder, 'nowhere'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});
