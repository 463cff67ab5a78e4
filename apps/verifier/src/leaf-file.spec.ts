import { appendFileSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sha256, type Hash } from '@everseal/audit-core';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { LeafFile } from './leaf-file.js';

const leaf = (n: number): Hash => sha256(Buffer.from(`leaf ${n}`));
const leaves = (from: number, to: number): Hash[] => Array.from({ length: to - from }, (_, i) => leaf(from + i));

let folder: TemporaryFolder;
let file: string;
const opened: LeafFile[] = [];
beforeEach(() => {
  folder = temporaryFolder('leaves');
  file = path.join(folder.path, 'leaves');
});
afterEach(() => {
  opened.splice(0).forEach((leafFile) => leafFile.close());
  folder.remove();
});
function open(): LeafFile {
  const leafFile = LeafFile.open(file);
  opened.push(leafFile);
  return leafFile;
}

describe('the leaf file', () => {
  it('is empty at first, and holds what was appended: 32 bytes an entry and nothing else', async () => {
    const written = open();
    expect(written.size).toBe(0);
    written.append(leaves(0, 3));
    written.append([]);
    written.append(leaves(3, 700));
    await written.sync();
    expect(written.size).toBe(700);
    expect(readFileSync(file).equals(Buffer.concat(leaves(0, 700)))).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const read = open();
    expect(read.size).toBe(700);
    for (const [from, to] of [
      [0, 700],
      [255, 257],
      [699, 700],
      [5, 5],
    ] as const) {
      expect(read.read(from, to).equals(Buffer.concat(leaves(from, to)))).toBe(true);
    }
  });

  it('does not read beyond its end', () => {
    const written = open();
    written.append(leaves(0, 3));
    expect(() => written.read(2, 4)).toThrow(RangeError);
  });

  it('cuts off a hash that a crash left half written, and goes on behind the last whole one', () => {
    open().append(leaves(0, 3));
    for (const torn of [1, 31]) {
      appendFileSync(file, Buffer.alloc(torn, 0xaa));
      expect(open().size).toBe(3);
      expect(statSync(file).size).toBe(96);
    }
    const restarted = open();
    restarted.append(leaves(3, 5));
    expect(restarted.read(0, 5).equals(Buffer.concat(leaves(0, 5)))).toBe(true);
  });

  it('forgets what was provisional, and overwrites it', () => {
    const written = open();
    written.append(leaves(0, 10));
    written.cut(4);
    expect([written.size, statSync(file).size]).toEqual([4, 128]);
    written.append(leaves(100, 102));
    expect(
      open()
        .read(0, 6)
        .equals(Buffer.concat([...leaves(0, 4), ...leaves(100, 102)])),
    ).toBe(true);
  });
});
