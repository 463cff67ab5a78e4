import { describe, expect, it } from '@jest/globals';
import {
  alertKeyName,
  formatTimestamp,
  NOTE_KEY,
  sha256,
  signAlert,
  SigningKey,
  type VerifierKey,
} from '@everseal/audit-core';
import { AlertHistory, type ReadAlert } from './alert-history.js';

const SOURCE = 'audit.example.com/verifier/v1';
const key = keyOf('v1');

function keyOf(name: string): SigningKey {
  const keyName = alertKeyName('audit.example.com', 'verifier', name);
  return SigningKey.fromSeed(keyName, sha256(Buffer.from(name)), NOTE_KEY);
}

function message(number: number, over: Record<string, unknown> = {}, signer = key, source = SOURCE): Buffer {
  const time = formatTimestamp(Date.UTC(2026, 0, 1) + number * 1_000);
  const alert = {
    source,
    number,
    time,
    code: 'entry.altered',
    state: 'raised',
    severity: 'tampering',
    ledger: 'main',
    ...over,
  };
  return signAlert(Buffer.from(JSON.stringify(alert)), source, number, time, signer);
}

function cleared(number: number, clears: number): Buffer {
  return message(number, { state: 'cleared', clears });
}

/** A history that took these messages, and what it made of each. */
function taken(
  messages: readonly Buffer[],
  subject = 'audit.alerts.entry.altered',
): { history: AlertHistory; read: (ReadAlert | null)[] } {
  const history = new AlertHistory([key.verifier]);
  const read = messages.map((data) => history.take(subject, data, '2026-01-01T00:00:00Z'));
  return { history, read };
}

function openNumbers(history: AlertHistory): number[] {
  return history.standing.map(({ number }) => number);
}

describe('the history of alerts', () => {
  it('holds an alert open until its number is cleared', () => {
    expect(openNumbers(taken([message(1), message(2)]).history)).toEqual([1, 2]);
    expect(openNumbers(taken([message(1), message(2), cleared(3, 1)]).history)).toEqual([2]);
    expect(openNumbers(taken([message(1), cleared(2, 1), message(3)]).history)).toEqual([3]);
  });

  it('pairs them also when the clearing one comes first', () => {
    expect(openNumbers(taken([cleared(2, 1), message(1)]).history)).toEqual([]);
  });

  it('takes an alert that is sent again once', () => {
    const { history, read } = taken([message(1), message(1)]);
    expect(read.map((alert) => alert !== null)).toEqual([true, false]);
    expect(history.unverified).toBe(0);
  });

  it('reports the same number over another alert, and believes the first', () => {
    const { history, read } = taken([message(1), message(1, { code: 'block.missing' })]);
    expect(read[1]).toMatchObject({ verified: false, reason: expect.stringContaining('number 1 twice') });
    expect(history.standing.map(({ body }) => body.code)).toEqual(['entry.altered']);
    expect(history.unverified).toBe(1);
  });

  it.each([
    ['signed by a key that nobody named', message(1, {}, keyOf('v2'), 'audit.example.com/verifier/v2')],
    ['with one byte changed', Buffer.from(message(1).toString().replace('tampering', 'tamperinG'))],
    ['not signed', Buffer.from('{"alert":{},"note":""}')],
    ['that is no JSON', Buffer.from('alarm!')],
  ])('shows an alert %s and opens nothing', (_, data) => {
    const { history, read } = taken([data]);
    expect(read[0]).toMatchObject({ verified: false });
    expect(history.standing).toEqual([]);
    expect(history.unverified).toBe(1);
  });

  it('cannot be cleared by one that is not signed', () => {
    const forged = Buffer.from(cleared(2, 1).toString().replace('"clears":1', '"clears":1 '));
    expect(openNumbers(taken([message(1), forged]).history)).toEqual([1]);
  });

  it('points out numbers that are missing, at the beginning only where the stream is whole', () => {
    const { history } = taken([message(3), message(4), message(7)]);
    expect(history.gaps(true)).toEqual([
      { source: SOURCE, first: 1, last: 2 },
      { source: SOURCE, first: 5, last: 6 },
    ]);
    expect(history.gaps(false)).toEqual([{ source: SOURCE, first: 5, last: 6 }]);
    expect(taken([message(1), message(2)]).history.gaps(true)).toEqual([]);
  });

  it('takes more alerts of a source than a call may have arguments', () => {
    // Nobody checks these signatures: what is shown here takes many.
    const signer = Object.assign(Object.create(key) as SigningKey, { sign: () => Buffer.alloc(64) });
    const verifier = Object.assign(Object.create(key.verifier) as VerifierKey, { verify: () => true });
    const history = new AlertHistory([verifier]);
    const count = 150_000;
    for (let number = 1; number <= count; number++) history.take('', message(number, {}, signer), '');
    expect([...history.newestNumbers()]).toEqual([[SOURCE, count]]);
    expect(history.gaps(true)).toEqual([]);
  }, 120_000);

  it.each([
    ['audit.alerts.entry.altered', ''],
    ['audit.alerts.verifier.entry.altered', ''],
    ['audit.alerts.ingest.entry.altered', 'it says it is from verifier, and came from ingest'],
    ['audit.alerts.block.missing', 'it was published as block.missing and says entry.altered'],
  ])('published on %s: "%s"', (subject, oddity) => {
    expect(taken([message(1)], subject).read[0]).toMatchObject({ verified: true, oddity });
  });
});
