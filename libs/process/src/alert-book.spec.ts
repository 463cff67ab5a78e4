import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  alertKeyName,
  NOTE_KEY,
  openAlert,
  sha256,
  SigningKey,
  VERDICTS,
  type Finding,
  type VerdictCode,
} from '@everseal/audit-core';
import { AlertBook } from './alert-book.js';
import { codeOf, RetryLater } from './failure.js';

const SOURCE = 'audit.example.com/verifier/v1';
const LEDGER = 'audit.example.com/main';
const KEY = SigningKey.fromSeed(
  alertKeyName('audit.example.com', 'verifier', 'v1'),
  sha256(Buffer.from('v1')),
  NOTE_KEY,
);

const finding = (code: VerdictCode, index: number | null, detail = 'x'): Finding => ({
  code,
  index,
  height: 3,
  detail,
});
const seen = (...findings: Finding[]): { finding: Finding; context: { ledger: string } }[] =>
  findings.map((f) => ({ finding: f, context: { ledger: LEDGER } }));

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'everseal-alerts-'));
  file = path.join(folder, 'alerts.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The stream ALERTS: what it took, opened; and whether it takes anything now. */
class Stream {
  reachable = true;
  readonly messages: Buffer[] = [];

  readonly send = (code: string, message: Buffer): Promise<boolean> => {
    if (this.reachable) this.messages.push(message);
    const { json } = openAlert(message, [KEY.verifier]);
    expect((JSON.parse(json.toString()) as { code: string }).code).toBe(code);
    return Promise.resolve(this.reachable);
  };

  get alerts(): Record<string, unknown>[] {
    return this.messages.map((message) => JSON.parse(openAlert(message, [KEY.verifier]).json.toString()));
  }

  get numbers(): number[] {
    return this.messages.map((message) => openAlert(message, [KEY.verifier]).number);
  }
}

let time = Date.UTC(2026, 0, 1);
const open = (stream: Stream): AlertBook => new AlertBook(file, SOURCE, KEY, () => (time += 1), stream.send);

describe('the alert book', () => {
  it('says everything about a finding, signed over its exact bytes', async () => {
    const stream = new Stream();
    const book = open(stream);
    const found = { ...finding('entry.altered', 17, 'entry 17 differs'), expected: 'aa', found: 'bb' };
    const context = { ledger: LEDGER, lastGoodBlock: 2, eventId: 'e-17', evidence: { note: 'n' } };
    book.reconcile('the bodies sweep', [{ finding: found, context }]);
    await book.flush();
    expect(stream.alerts).toEqual([
      {
        source: SOURCE,
        number: 1,
        time: expect.any(String),
        code: 'entry.altered',
        state: 'raised',
        ...VERDICTS['entry.altered'],
        detail: 'entry 17 differs',
        ledger: LEDGER,
        first: { index: 17, height: 3, eventId: 'e-17' },
        lastGoodBlock: 2,
        expected: 'aa',
        found: 'bb',
        evidence: { note: 'n' },
        since: expect.any(String),
        runbook: 'docs/operations/runbook.md#entryaltered',
      },
    ]);
    const [message] = stream.messages;
    expect(openAlert(message!, [KEY.verifier])).toMatchObject({ source: SOURCE, number: 1 });
    // Control: one byte of the alert, and it does not open any more.
    const changed = Buffer.from(message!);
    changed[changed.indexOf('entry 17') + 6]! ^= 1;
    expect(() => openAlert(changed, [KEY.verifier])).toThrow(/alert 1 is for other bytes/);
  });

  it('is latched: a standing finding is one alert, and it is cleared once', async () => {
    const stream = new Stream();
    const book = open(stream);
    for (let look = 0; look < 3; look++) {
      book.reconcile('the bodies sweep', seen(finding('entry.altered', 17, `look ${look}`)));
    }
    expect(book.open).toMatchObject([{ number: 1, code: 'entry.altered', scope: 'the bodies sweep' }]);
    for (let look = 0; look < 3; look++) book.reconcile('the bodies sweep', []);
    expect(book.open).toEqual([]);
    await book.flush();
    expect(stream.alerts.map(({ number, state, clears }) => [number, state, clears])).toEqual([
      [1, 'raised', undefined],
      [2, 'cleared', 1],
    ]);
    // It stands again: a new alert with a new number.
    book.reconcile('the bodies sweep', seen(finding('entry.altered', 17)));
    await book.flush();
    expect(stream.numbers).toEqual([1, 2, 3]);
  });

  it('tells findings of one place apart by their subject, and says of one that another took its place', async () => {
    const stream = new Stream();
    const book = open(stream);
    const about = (subject: string): Parameters<AlertBook['reconcile']>[1] => [
      { finding: finding('store.catalog', null), context: { ledger: LEDGER, subject } },
    ];
    book.reconcile('the catalog', about('a trigger'));
    book.reconcile('the catalog', about('a trigger'));
    book.reconcile('the catalog', about('a trigger, a role'));
    book.reconcile('the catalog', []);
    await book.flush();
    const why = 'a later look at the catalog found';
    expect(stream.alerts.map(({ number, state, clears, clearedBy }) => [number, state, clears, clearedBy])).toEqual([
      [1, 'raised', undefined, undefined],
      [2, 'cleared', 1, `${why} something else in its place`],
      [3, 'raised', undefined, undefined],
      [4, 'cleared', 3, `${why} it good`],
    ]);
    // Control: without a subject the second finding is the first one still standing, and nobody hears of it.
    book.reconcile('the catalog', seen(finding('store.catalog', null, 'a trigger')));
    book.reconcile('the catalog', seen(finding('store.catalog', null, 'a trigger, a role')));
    expect(book.open.map(({ number }) => number)).toEqual([5]);
  });

  it('tells findings apart by scope, code, ledger and place, not by their words', () => {
    const book = open(new Stream());
    book.reconcile(
      'one',
      seen(finding('entry.altered', 17), finding('entry.altered', 18), finding('entry.missing', 17)),
    );
    book.reconcile('two', seen(finding('entry.altered', 17)));
    book.raise('one', finding('entry.altered', 17, 'other words'), { ledger: LEDGER });
    book.raise('one', finding('entry.altered', 17), { ledger: 'audit.example.com/orders' });
    expect(book.open.map(({ number, scope }) => [number, scope])).toEqual([
      [1, 'one'],
      [2, 'one'],
      [3, 'one'],
      [4, 'two'],
      [5, 'one'],
    ]);
    book.reconcile('one', seen(finding('entry.altered', 18)));
    expect(book.open.map(({ number }) => number)).toEqual([2, 4]);
  });

  it('keeps what the broker does not take, in order, and sends it when it is back', async () => {
    const stream = new Stream();
    stream.reachable = false;
    const book = open(stream);
    book.raise('one', finding('entry.altered', 1), { ledger: LEDGER });
    book.raise('one', finding('entry.altered', 2), { ledger: LEDGER });
    book.reconcile('one', []);
    await book.flush();
    expect(stream.messages).toEqual([]);
    stream.reachable = true;
    await book.flush();
    await book.flush();
    expect(stream.numbers).toEqual([1, 2, 3, 4]);
  });

  it('goes on after a crash with the same open alerts and dense numbers, and sends its outbox', async () => {
    const stream = new Stream();
    stream.reachable = false;
    const before = open(stream);
    before.raise('one', finding('entry.altered', 1), { ledger: LEDGER });
    before.raise('one', finding('entry.altered', 2), { ledger: LEDGER });
    await before.flush();

    stream.reachable = true;
    const restarted = open(stream);
    expect(restarted.open).toEqual(before.open);
    await restarted.flush();
    // What stands already is not raised again by the new process; what is gone is cleared by it.
    restarted.reconcile('one', seen(finding('entry.altered', 1)));
    await restarted.flush();
    expect(stream.alerts.map(({ number, clears }) => [number, clears])).toEqual([
      [1, undefined],
      [2, undefined],
      [3, 2],
    ]);
  });

  it('sends an alert again, byte for byte, after a crash between its sending and the note of that', async () => {
    const stream = new Stream();
    const book = open(stream);
    book.raise('one', finding('entry.altered', 1), { ledger: LEDGER });
    const asOnDisk = readFileSync(file); // the outbox still holds it
    await book.flush();
    writeFileSync(file, asOnDisk);
    await open(stream).flush();
    expect(stream.messages).toHaveLength(2);
    expect(stream.messages[0]!.equals(stream.messages[1]!)).toBe(true);
  });

  it('does not lose an alert that is raised while others are being sent', async () => {
    const stream = new Stream();
    const book = open(stream);
    for (let i = 0; i < 5; i++) {
      book.raise('one', finding('entry.altered', i), { ledger: LEDGER });
      await Promise.resolve();
    }
    await book.flush();
    expect(stream.numbers).toEqual([1, 2, 3, 4, 5]);
  });

  it('raises nothing that it cannot write', () => {
    const book = open(new Stream());
    rmSync(folder, { recursive: true, force: true });
    expect(() => book.raise('one', finding('entry.altered', 1), { ledger: LEDGER })).toThrow(/ENOENT/);
    expect(book.open).toEqual([]);
  });

  it('says in the hundredth of many alike that there are more, and raises no more of them', async () => {
    const stream = new Stream();
    const book = open(stream);
    for (let i = 0; i < 150; i++) book.raise(`stream ${i}`, finding('custody.forged', null), { ledger: LEDGER });
    book.raise('stream 1', finding('custody.conflict', null), { ledger: LEDGER });
    expect(book.open).toHaveLength(101);
    await book.flush();
    expect(stream.alerts[98]!['detail']).toBe('x');
    expect(stream.alerts[99]!['detail']).toMatch(/^x \(more of these are not raised/);
    expect(stream.alerts[100]!['code']).toBe('custody.conflict');
  });

  it('a hundred of one party hide none of another’s, and all together are bounded; control: of no party they hide all', async () => {
    const forged = finding('custody.forged', null);
    let next = 0;
    const flood = (book: AlertBook, party: string | undefined, many: number): number => {
      const before = book.open.length;
      const context = { ledger: LEDGER, ...(party === undefined ? {} : { party }) };
      for (let i = 0; i < many; i++) book.raise(`message ${next++}`, forged, context);
      return book.open.length - before;
    };
    const stream = new Stream();
    const book = open(stream);
    expect([flood(book, 'a', 150), flood(book, 'b', 1)]).toEqual([100, 1]);
    await book.flush();
    expect(stream.alerts[99]!['detail']).toMatch(/more of these are not raised/);
    expect(stream.alerts[100]).toMatchObject({ detail: 'x' });
    // Whose they are is known after a restart, too.
    const restarted = open(stream);
    expect([flood(restarted, 'a', 1), flood(restarted, 'b', 1)]).toEqual([0, 1]);
    await restarted.flush();
    rmSync(file);
    const nobody = open(stream);
    expect([flood(nobody, undefined, 150), flood(nobody, undefined, 1)]).toEqual([100, 0]);
    await nobody.flush();
    rmSync(file);
    const many = open(stream);
    const parties = Array.from({ length: 12 }, (_, i) => `p${i}`);
    const found = parties.flatMap((party) =>
      Array.from({ length: 101 }, (_, i) => ({
        finding: finding('custody.altered', i),
        context: { ledger: LEDGER, party, subject: party },
      })),
    );
    many.reconcile('one', found);
    const raised = parties.map((party) => many.open.filter((alert) => alert.party === party).length);
    await many.flush();
    expect(raised).toEqual([...Array.from({ length: 10 }, () => 100), 0, 0]);
  });

  it('raises a hundred of what a look finds in thousands, and no more at the next look', async () => {
    const stream = new Stream();
    const book = open(stream);
    const many = Array.from({ length: 3_000 }, (_, i) => finding('index.missing', i));
    for (let look = 0; look < 3; look++) book.reconcile('the index sweep', seen(...many));
    book.reconcile('the index sweep', seen(...many, finding('tile.altered', 1)), false);
    await book.flush();
    expect(stream.alerts).toHaveLength(101);
    expect(stream.alerts[99]!['detail']).toMatch(/^x \(more of these are not raised/);
    expect(stream.alerts[100]!['code']).toBe('tile.altered');
  });

  it('clears nothing by a look that did not come to its end; control: by one that did', () => {
    const book = open(new Stream());
    book.reconcile('one', seen(finding('entry.altered', 17)));
    book.reconcile('one', seen(finding('entry.altered', 5)), false);
    expect(book.open).toHaveLength(2);
    book.reconcile('one', seen(finding('entry.altered', 5)));
    expect(book.open.map(({ number }) => number)).toEqual([2]);
  });

  it('writes down once what many sends have taken, and keeps those that were not taken', async () => {
    const stream = new Stream();
    stream.reachable = false;
    const book = open(stream);
    book.reconcile('one', seen(...Array.from({ length: 40 }, (_, i) => finding('index.missing', i))));
    await book.flush();
    const onDisk = new Set<string>();
    let left = 30;
    const partial = new AlertBook(
      file,
      SOURCE,
      KEY,
      () => (time += 1),
      () => {
        onDisk.add(readFileSync(file, 'utf8'));
        return Promise.resolve(left-- > 0);
      },
    );
    await partial.flush();
    expect(onDisk.size).toBe(1);
    const outbox = (JSON.parse(readFileSync(file, 'utf8')) as { outbox: { number: number }[] }).outbox;
    expect(outbox.map(({ number }) => number)).toEqual([31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
  });

  it('lets go of an alert only when it is taken for the system ledger, and sends all others meanwhile', async () => {
    const stream = new Stream();
    let takes = 2;
    const taken: Buffer[] = [];
    const seal = (message: Buffer): boolean => takes-- > 0 && taken.push(message) > 0;
    const book = new AlertBook(file, SOURCE, KEY, () => (time += 1), stream.send, seal);
    book.reconcile('one', seen(...Array.from({ length: 5 }, (_, i) => finding('index.missing', i))));
    await book.flush();
    expect([stream.numbers, taken.length]).toEqual([[1, 2, 3, 4, 5], 2]);
    // The process ends here. The next one hands over what was not taken, with the same bytes; control: without anybody to
    // take them it would not have kept them.
    takes = 100;
    await new AlertBook(file, SOURCE, KEY, () => (time += 1), stream.send, seal).flush();
    expect(taken.map((message) => openAlert(message, [KEY.verifier]).number)).toEqual([1, 2, 3, 4, 5]);
    expect(taken.every((message, i) => message.equals(stream.messages[i]!))).toBe(true);
    expect((JSON.parse(readFileSync(file, 'utf8')) as { outbox: unknown[] }).outbox).toEqual([]);
  });

  it('hands nothing to the system ledger that the broker does not have; control: once it has', async () => {
    const stream = new Stream();
    stream.reachable = false;
    let taken = 0;
    const book = new AlertBook(
      file,
      SOURCE,
      KEY,
      () => (time += 1),
      stream.send,
      () => ++taken > 0,
    );
    book.raise('one', finding('entry.altered', 1), { ledger: LEDGER });
    await book.flush();
    expect(taken).toBe(0);
    stream.reachable = true;
    await book.flush();
    expect(taken).toBe(1);
  });

  it('fits into a message, whatever somebody makes a database say; control: a text of ordinary length is whole', async () => {
    const stream = new Stream();
    const book = open(stream);
    const [long, whole] = ['\u0001'.repeat(1_048_576), 'y'.repeat(2_048)];
    const bad = { ...finding('entry.altered', 1, long), expected: long, found: whole };
    const context = { ledger: LEDGER, eventId: long, evidence: { note: whole, more: long } };
    book.reconcile('one', [{ finding: bad, context }]);
    book.raise(
      'two',
      { ...bad, detail: 'é'.padStart(2_048, 'y') + '😀'.repeat(5) },
      { ...context, evidence: { note: long.slice(0, 80_000) } },
    );
    book.raise('three', { ...bad, detail: `${whole.slice(1)}😀` }, context);
    await book.flush();
    expect(stream.messages.map(({ length }) => length < 1_000_000)).toEqual([true, true, true]);
    const cut = `${long.slice(0, 2_048)}… (1046528 characters more)`;
    const first = { index: 1, height: 3, eventId: cut };
    expect(stream.alerts).toMatchObject([
      { detail: cut, expected: cut, found: whole, first, evidence: { note: whole, more: cut } },
      { detail: expect.stringMatching(/é… \(10 characters more\)$/), evidence: { note: long.slice(0, 80_000) } },
      // No half of a character is left.
      { detail: `${whole.slice(1)}… (2 characters more)` },
    ]);
  });

  it('hands on what must end the process while it sends in the background; what may pass it does not', async () => {
    const stream = new Stream();
    const faults: Error[] = [];
    const send = async (code: string, message: Buffer): Promise<boolean> => {
      rmSync(folder, { recursive: true, force: true });
      return stream.send(code, message);
    };
    const fault = (error: Error): void => void faults.push(error);
    const book = new AlertBook(file, SOURCE, KEY, () => (time += 1), send, undefined, fault);
    book.raise('one', finding('entry.altered', 1), { ledger: LEDGER });
    await book.flush().catch(() => undefined);
    expect(faults.map(codeOf)).toEqual(['ENOENT']);
    const passing = new AlertBook(
      file,
      SOURCE,
      KEY,
      () => time,
      () => Promise.reject(new RetryLater('x', 'x')),
      undefined,
      fault,
    );
    mkdirSync(folder);
    passing.raise('one', finding('entry.altered', 1), { ledger: LEDGER });
    await passing.flush().catch(() => undefined);
    expect([faults.length, passing.open.length]).toEqual([1, 1]);
  });

  it('does not begin again with number 1 over a damaged book', () => {
    for (const damaged of ['', '{"next":', '{}', '{"next":1}', 'null', '[]']) {
      writeFileSync(file, damaged);
      let code: string | undefined = 'none';
      try {
        open(new Stream());
      } catch (error) {
        code = codeOf(error);
      }
      expect([damaged, code]).toEqual([damaged, 'alerts.book']);
    }
  });
});
