import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { openAlert } from '@everseal/audit-core';
import { AlertBook } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { SealAlerts } from './seal-alerts.js';

const KEY = testKey('audit.example.com/sealer/s1/alerts');
const message = (sequence: number) => ({ sequence, subject: 'audit.frames.main.a', time: '', data: Buffer.from('x') });

let folder: TemporaryFolder;
let book: AlertBook;
let alerts: SealAlerts;
let sent: Record<string, unknown>[];
beforeEach(() => {
  folder = temporaryFolder('alerts');
  sent = [];
  const send = (_: string, bytes: Buffer): Promise<boolean> => {
    sent.push(JSON.parse(openAlert(bytes, [KEY.verifier]).json.toString()) as Record<string, unknown>);
    return Promise.resolve(true);
  };
  book = new AlertBook(path.join(folder.path, 'alerts.json'), 'audit.example.com/sealer/s1', KEY, Date.now, send);
  alerts = new SealAlerts(ORIGIN, book);
});
afterEach(() => folder.remove());

describe('a stream that lost messages', () => {
  it('is one alert with what was expected and what was found, until nothing is missing any more', async () => {
    alerts.lost(7, message(12));
    alerts.lost(12, message(15));
    await book.flush();
    expect(sent).toMatchObject([{ code: 'stream.lost', evidence: { expected: '8', found: '12' } }]);
    alerts.nothingLost();
    expect(book.open).toEqual([]);
    alerts.lost(15, message(17));
    expect(book.open).toHaveLength(1);
  });

  it('is not one that goes on with the next message, nor one that is read for the first time', () => {
    alerts.lost(7, message(8));
    alerts.lost(0, message(900));
    expect(book.open).toEqual([]);
  });

  it('does not take the alert of a replaced stream back', () => {
    alerts.replaced('its epoch is e2, was e1');
    alerts.nothingLost();
    expect(book.open).toMatchObject([{ code: 'stream.replaced' }]);
  });
});
