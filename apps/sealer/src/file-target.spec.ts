/** The append-only file, on a real disk: what a crash leaves, what somebody else writes, and the flag of the file system. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { parseAnchorLine } from '@everseal/audit-core';
import { createLogger } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { toAnchor } from './anchor-lab.fixture.js';
import { AnchorContradiction } from './anchor-target.js';
import { FileTarget } from './file-target.js';

let folder: TemporaryFolder;
let target: FileTarget;

function fresh(appendOnlyFlag = false): FileTarget {
  const log = createLogger('sealer', 's1', 'silent');
  return new FileTarget({ name: 'disk', folder: folder.path, ledger: 'main', origin: ORIGIN, appendOnlyFlag, log });
}

beforeEach(() => {
  folder = temporaryFolder('anchors');
  target = fresh();
});
afterEach(async () => {
  await target.close();
  folder.remove();
});

/** What the file holds: sizes of checkpoints, `k` for a key set, `?` for a line that is not whole. */
function held(): string {
  const lines = readFileSync(target.file, 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines
    .map((line) => {
      try {
        const { kind, note } = parseAnchorLine(Buffer.from(line));
        return kind === 'keys' ? 'k' : note.split('\n')[1];
      } catch {
        return '?';
      }
    })
    .join(' ');
}

async function anchor(size: number, history?: string): Promise<void> {
  const checkpoint = toAnchor(size, history);
  expect(await target.anchor(checkpoint)).toEqual(checkpoint.note);
}

describe('an append-only file', () => {
  it('holds key sets and checkpoints in order, each once, also over restarts', async () => {
    await anchor(3);
    await anchor(3);
    await target.close();
    target = fresh();
    await anchor(3);
    await anchor(7);
    await anchor(3); // an answer that was lost, and is asked for again later
    expect(held()).toBe('k 3 7');
  });

  it('takes a new key set', async () => {
    await anchor(3);
    const rotated = toAnchor(5, 'entry', [...toAnchor(5).keySets, toAnchor(1).note]);
    await target.anchor(rotated);
    expect(held()).toBe('k 3 k 5');
  });

  it('ends a line that a crash tore wherever it did, and goes on in the next', async () => {
    await anchor(3);
    await anchor(7);
    const whole = readFileSync(target.file);
    const second = whole.indexOf('\n', whole.indexOf('\n') + 1) + 1;
    for (const cut of [second, second + 1, second + 40, whole.length - 2, whole.length - 1]) {
      await target.close();
      writeFileSync(target.file, whole);
      truncateSync(target.file, cut);
      await anchor(7);
      const rest = cut === second ? '' : cut === whole.length - 1 ? '' : ' ?';
      expect(held()).toBe(`k 3${rest} 7`);
    }
  });

  it('contradicts a log with another history, at the newest size and below it', async () => {
    await anchor(3);
    await anchor(7);
    await expect(target.anchor(toAnchor(7, 'other'))).rejects.toThrow(AnchorContradiction);
    await expect(target.anchor(toAnchor(5))).rejects.toThrow(/set back/);
    await expect(target.anchor(toAnchor(3, 'other'))).rejects.toThrow(AnchorContradiction);
    await anchor(9);
    expect(held()).toBe('k 3 7 9');
  });

  it('says so when its checkpoints are out of order, for nobody but somebody else wrote them', async () => {
    await anchor(7);
    const line = readFileSync(target.file, 'utf8')
      .split('\n')[1]!
      .replace(/"checkpoint".*/, '');
    appendFileSync(target.file, `${line}"checkpoint":${JSON.stringify(toAnchor(3).note.toString())}}\n`);
    await expect(target.anchor(toAnchor(9))).rejects.toThrow(/a checkpoint of size 3 behind one of 7/);
  });

  it('is another ledger’s', async () => {
    await anchor(3);
    const text = readFileSync(target.file, 'utf8');
    writeFileSync(target.file, text.replaceAll(`"ledger":"${ORIGIN}"`, '"ledger":"audit.example.com/other"'));
    await expect(target.anchor(toAnchor(9))).rejects.toThrow(/belongs to ledger audit.example.com\/other/);
  });

  it('begins anew when the file was taken away', async () => {
    await anchor(3);
    renameSync(target.file, `${target.file}.carried-away`);
    await anchor(7);
    expect(held()).toBe('k 7');
  });

  const probe = temporaryFolder('chattr');
  const file = `${probe.path}/probe`;
  writeFileSync(file, '');
  const canFlag = spawnSync('chattr', ['+a', file]).status === 0;
  if (canFlag) spawnSync('chattr', ['-a', file]);
  probe.remove();
  if (!canFlag) process.stderr.write('file-target.spec: skipped: this user or file system has no append-only flag\n');

  (canFlag ? it : it.skip)('cannot be changed once the flag is set, and takes torn lines and new ones', async () => {
    target = fresh(true);
    await anchor(3);
    try {
      expect(() => truncateSync(target.file, 0)).toThrow(/EPERM/);
      appendFileSync(target.file, '{"torn');
      await target.close();
      target = fresh(true);
      await anchor(7);
      expect(held()).toBe('k 3 ? 7');
    } finally {
      spawnSync('chattr', ['-a', target.file]);
    }
    truncateSync(target.file, 0); // the control: without the flag it can be
  });
});
