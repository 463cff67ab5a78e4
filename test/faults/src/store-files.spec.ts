import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { StreamFiles } from './store-files.js';

let folder: TemporaryFolder;
let files: StreamFiles;
const block = (name: string): string => path.join(files.folder, 'msgs', name);

beforeEach(() => {
  folder = temporaryFolder('store');
  files = StreamFiles.of(folder.path, 'FRAMES_main');
  mkdirSync(path.join(files.folder, 'msgs'), { recursive: true });
  for (const [name, text] of [
    ['9.blk', 'older'],
    ['10.blk', 'newest'],
    ['index.db', 'index'],
  ] as const) {
    writeFileSync(block(name), text);
  }
});
afterEach(() => folder.remove());

describe('the files of a stream', () => {
  it('are damaged in the one that is written to', () => {
    expect([files.newestName, files.newestSize]).toEqual(['10.blk', 6]);
    files.flipBit(1);
    files.cutTail(2);
    expect(readFileSync(block('10.blk'), 'utf8')).toBe('ndwe');
    files.cutTail(9);
    expect(readFileSync(block('10.blk'), 'utf8')).toBe('');
    expect(readFileSync(block('9.blk'), 'utf8')).toBe('older');
  });

  it('come back as they were copied, with nothing of later', () => {
    const copy = path.join(folder.path, 'copy');
    files.copyTo(copy);
    writeFileSync(block('11.blk'), 'later');
    files.putBack(copy);
    expect(files.newestName).toBe('10.blk');
    files.remove();
    expect(() => files.newestSize).toThrow('ENOENT');
    files.putBack(copy);
    expect(readFileSync(block('9.blk'), 'utf8')).toBe('older');
  });
});
