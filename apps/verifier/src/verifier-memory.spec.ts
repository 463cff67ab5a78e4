import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LogState, sha256, SigningKey, COSIGNATURE_KEY, type LogTrust } from '@everseal/audit-core';
import { codeOf } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { KEYS, LogWriter } from '../../../libs/audit-core/src/log.fixture.js';
import { LeafFile } from './leaf-file.js';
import { loadTree } from './load-tree.js';
import { MemoryFile, type Remembered } from './verifier-memory.js';

let folder: TemporaryFolder;
let file: string;
let log: LogWriter;
let trust: LogTrust;
beforeEach(() => {
  folder = temporaryFolder('memory');
  file = path.join(folder.path, 'memory.json');
  log = new LogWriter();
  log.block();
  trust = log.trust;
});
afterEach(() => folder.remove());

const memoryFile = (own = KEYS.verifier.verifier): MemoryFile => new MemoryFile(file, trust, [own]);

/** A verifier that has cosigned everything that the writer sealed; its leaf file is beside the memory. */
function remember(): Remembered & { state: LogState } {
  const state = LogState.empty(trust);
  const leaves = LeafFile.open(path.join(folder.path, 'leaves'));
  leaves.cut(0);
  for (const body of log.bodies) {
    const read = state.readBlock(body);
    if (!read.ok) throw new Error(read.finding.detail);
    leaves.append(read.leaves);
  }
  leaves.close();
  const remembered = { checkpoint: log.checkpoint(), memory: state.memory() };
  memoryFile().write(remembered);
  return { ...remembered, state };
}

function codeOfRead(): string | undefined {
  try {
    memoryFile().read();
  } catch (error) {
    return codeOf(error);
  }
  return 'none';
}

/** Changes the file as text. */
function tamper(change: (text: string) => string): void {
  const text = readFileSync(file, 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  writeFileSync(file, changed);
}

describe("the verifier's memory", () => {
  it('is none at first', () => {
    expect(memoryFile().read()).toBeNull();
  });

  it('comes back as it was written, and reading goes on from it', () => {
    log.block(log.frame('a', ['{"n":1}']), log.frame('b', ['{"n":2}']));
    const { checkpoint, memory, state } = remember();
    const read = memoryFile().read();
    expect(read).toEqual({ checkpoint, memory });
    const next = log.block(log.frame('a', ['{"n":3}']));
    const recalled = LogState.recall(trust, read!.memory);
    expect(recalled.readBlock(next).ok && state.readBlock(next).ok).toBe(true);
    expect(recalled.root).toEqual(state.root);
  });

  it('holds the old or the new content after a crash in the middle of a write, whole', () => {
    const { checkpoint } = remember();
    copyFileSync(file, `${file}.before`);
    log.block(log.frame('a', ['{"n":1}']));
    remember();
    // The crash came before the rename: half of the new content stands beside the old file.
    writeFileSync(`${file}.new`, readFileSync(file).subarray(0, 99));
    copyFileSync(`${file}.before`, file);
    expect(memoryFile().read()?.checkpoint).toBe(checkpoint);
  });

  it('is not believed when it does not hold together', () => {
    log.block(log.frame('a', ['{"n":1}']));
    remember();
    const whole = readFileSync(file, 'utf8');
    const cases: Record<string, (text: string) => string> = {
      'cut off': (text) => text.slice(0, -5),
      empty: () => '',
      'another size': (text) => text.replace(/\\"size\\":\d+/, '\\"size\\":4'),
      'another root': (text) => text.replace(/(frontier\\":\[\\")./, '$1A').replace('[\\"AA', '[\\"BA'),
      'no cosignature of ours': (text) => text.replace(/\\n— audit\.example\.com\/verifier[^"]*"/, '\\n"'),
      'a damaged log signature': (text) => text.replace(/(— audit\.example\.com\/main .{20})./, '$1_'),
    };
    for (const [what, change] of Object.entries(cases)) {
      tamper(change);
      expect([what, codeOfRead()]).toEqual([what, 'memory.damaged']);
      writeFileSync(file, whole);
    }
    expect(codeOfRead()).toBe('none'); // control
  });

  it('is not believed when another verifier has cosigned it', () => {
    remember();
    const other = SigningKey.fromSeed(KEYS.verifier.name, sha256(Buffer.from('new key')), COSIGNATURE_KEY);
    expect(() => memoryFile(other.verifier).read()).toThrow(/does not carry our own cosignature/);
  });

  it('is not believed without its leaf file: any changed byte of that, or a missing entry, stops the process', async () => {
    log.block(log.frame('a', ['{"n":1}', '{"n":2}']));
    const { state } = remember();
    const leaves = path.join(folder.path, 'leaves');
    const whole = readFileSync(leaves);
    const load = async (): Promise<string | undefined> => {
      try {
        (await loadTree(folder.path, state, memoryFile())).close();
        return 'none';
      } catch (error) {
        return codeOf(error);
      }
    };
    for (let at = 0; at < whole.length; at += 13) {
      const bad = Buffer.from(whole);
      bad[at]! ^= 1 << (at % 8);
      writeFileSync(leaves, bad);
      expect([at, await load()]).toEqual([at, 'memory.damaged']);
    }
    writeFileSync(leaves, whole.subarray(0, -32));
    expect(await load()).toBe('memory.damaged');
    // Control; and what is beyond the cosigned size is provisional: it is dropped without a word.
    writeFileSync(leaves, whole);
    expect(await load()).toBe('none');
    writeFileSync(leaves, Buffer.concat([whole, Buffer.alloc(64, 7)]));
    expect(await load()).toBe('none');
    expect(readFileSync(leaves).equals(whole)).toBe(true);
  });
});
