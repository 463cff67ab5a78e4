/**
 * Acknowledgements as a service takes them: one clears the alert that stands under its source, number and code; anything
 * else clears nothing (the control of each case: the alert is open afterwards).
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  alertKeyName,
  formatAcknowledgement,
  NOTE_KEY,
  openAlert,
  sha256,
  SigningKey,
  type Acknowledgement,
} from '@everseal/audit-core';
import { acknowledgementFile } from './acknowledgement-folder.js';
import { AlertBook, openAlertsIn } from './alert-book.js';

const SOURCE = 'audit.example.com/sealer/s1';
const LEDGER = 'audit.example.com/main';
const KEY = SigningKey.fromSeed(alertKeyName('audit.example.com', 'sealer', 's1'), sha256(Buffer.from('s1')), NOTE_KEY);
const SAID: Acknowledgement = {
  source: SOURCE,
  number: 1,
  code: 'custody.forged',
  time: '2026-01-01T00:00:00.000Z',
  by: 'the operator on call',
  reason: 'a test message of ours',
};

let folder: string;
let sent: Record<string, unknown>[];
let book: AlertBook;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'everseal-acks-'));
  sent = [];
  book = open();
  book.raise(
    'stream 7',
    { code: 'custody.forged', index: null, height: null, detail: 'x' },
    { ledger: LEDGER, stands: true },
  );
  book.raise('lane a', { code: 'custody.gap', index: null, height: null, detail: 'x' }, { ledger: LEDGER });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(): AlertBook {
  const send = (_: string, message: Buffer): Promise<boolean> => {
    sent.push(JSON.parse(openAlert(message, [KEY.verifier]).json.toString()) as Record<string, unknown>);
    return Promise.resolve(true);
  };
  return new AlertBook(path.join(folder, 'alerts.json'), SOURCE, KEY, () => Date.UTC(2026, 0, 1), send);
}

const numbers = (): number[] => book.open.map(({ number }) => number);
const left = (): string[] => readdirSync(path.join(folder, 'acknowledgements'));

function drop(said: Acknowledgement | string, number = 1): void {
  const file = acknowledgementFile(folder, number);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof said === 'string' ? said : formatAcknowledgement(said));
}

describe('an acknowledgement that was dropped', () => {
  it('clears its alert once, and the clearing alert says who and why', async () => {
    drop(SAID);
    await book.flush();
    await book.flush();
    expect(numbers()).toEqual([2]);
    expect(left()).toEqual([]);
    const { by, time, reason } = SAID;
    expect(sent.filter(({ state }) => state === 'cleared')).toEqual([
      expect.objectContaining({
        clears: 1,
        clearedBy: `acknowledged by ${by}: ${reason}`,
        acknowledged: { by, time, reason },
      }),
    ]);
  });

  it('is taken by the next process, too; control: until then the alert stands', async () => {
    book = open();
    await book.flush();
    expect(numbers()).toEqual([1, 2]);
    drop(SAID);
    book = open();
    await book.flush();
    expect(numbers()).toEqual([2]);
    expect(openAlertsIn(path.join(folder, 'alerts.json'))).toMatchObject([{ number: 2, code: 'custody.gap' }]);
  });

  it.each([
    ['another service', { ...SAID, source: 'audit.example.com/sealer/s2' }, 1],
    ['another code', { ...SAID, code: 'custody.altered' }, 1],
    ['an alert that a later look clears', { ...SAID, number: 2, code: 'custody.gap' }, 2],
    ['an alert that was never raised', { ...SAID, number: 9 }, 9],
    ['another number than its name', SAID, 2],
    ['nothing that can be read', 'acknowledged!', 1],
  ] as const)('for %s clears nothing, and is put aside', async (_what, said, number) => {
    drop(said, number);
    await book.flush();
    expect(numbers()).toEqual([1, 2]);
    expect(left()).toEqual([`${number}.ack.refused`]);
    expect(sent.filter(({ state }) => state === 'cleared')).toEqual([]);
  });

  it('twice clears once: what a crash left behind is put aside', async () => {
    drop(SAID);
    await book.flush();
    drop(SAID);
    book = open();
    await book.flush();
    expect(sent.filter(({ state }) => state === 'cleared')).toHaveLength(1);
    expect(left()).toEqual(['1.ack.refused']);
  });

  it('does not keep the finding from being raised again', async () => {
    drop(SAID);
    await book.flush();
    book.raise(
      'stream 7',
      { code: 'custody.forged', index: null, height: null, detail: 'again' },
      { ledger: LEDGER, stands: true },
    );
    expect(numbers()).toEqual([2, 4]);
  });

  it('needs no folder', async () => {
    await book.flush();
    expect(existsSync(path.join(folder, 'acknowledgements'))).toBe(false);
    expect(numbers()).toEqual([1, 2]);
  });
});
