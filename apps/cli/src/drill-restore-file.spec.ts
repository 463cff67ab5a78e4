import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { explain } from './explain-error.js';
import {
  readRestoreFile,
  settleRestoreFile,
  unsettledRestoreFiles,
  writeRestoreFile,
  type RestoreFile,
} from './drill-restore-file.js';
import { EXIT } from './exit-code.js';

const ROW = { ledger_id: '3', height: '4', body: '\\x00' };
const CONTENT: RestoreFile = {
  origin: 'audit.example.com/drill',
  act: 'T1',
  time: '2026-01-01T00:00:00.000Z',
  saved: { rows: [{ table: 'block_body', key: { height: '4' }, row: ROW }] },
};

let out: string;
let folder: string;
beforeEach(() => {
  out = mkdtempSync(path.join(tmpdir(), 'everseal-drills-'));
  folder = path.join(out, 'one');
  mkdirSync(folder);
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

describe('a restore file', () => {
  it('comes back as it was, and counts as unsettled until it is settled', () => {
    const file = writeRestoreFile(folder, CONTENT);
    expect(readRestoreFile(file)).toEqual(CONTENT);
    expect(unsettledRestoreFiles(out)).toEqual([file]);
    settleRestoreFile(file);
    expect(unsettledRestoreFiles(out)).toEqual([]);
    expect(existsSync(`${file}.done`)).toBe(true);
    expect(unsettledRestoreFiles(path.join(out, 'none'))).toEqual([]);
  });

  it.each([
    ['no JSON', 'restore!'],
    ['another kind', JSON.stringify({ kind: 'everseal/drill-restore/v2', ...CONTENT })],
    ['a table that no drill touches', changed('block_body', 'ledger')],
    ['a name that is a statement', changed('block_body', 'block_body; DROP TABLE everseal.block')],
    ['a setting that is none', kind({ ...CONTENT, saved: { setting: 'fsync', before: '' } })],
    ['a statement of its own', kind({ ...CONTENT, statement: 'SELECT 1' })],
    ['a key that is not whole', changed('"height":"4"', '"x":"4"')],
    ['a row of another key', changed('"height":"4","body"', '"height":"5","body"')],
  ])('is refused with %s', (_what, text) => {
    const file = path.join(folder, 'restore-T1.json');
    writeFileSync(file, text);
    try {
      readRestoreFile(file);
    } catch (error) {
      return expect(explain(error).exitCode).toBe(EXIT.usage);
    }
    throw new Error('it was taken');
  });
});

function kind(content: object): string {
  return JSON.stringify({ kind: 'everseal/drill-restore/v1', ...content });
}

function changed(what: string, to: string): string {
  const text = kind(CONTENT);
  if (!text.includes(what)) throw new Error(`${text} has no ${what}`);
  return text.replace(what, to);
}
