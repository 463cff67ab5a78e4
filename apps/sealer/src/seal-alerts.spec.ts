/** What is put aside is said for each lane, however many messages of another lane were put aside before. */
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { alertKeyName, NOTE_KEY, sha256, SigningKey } from '@everseal/audit-core';
import { AlertBook } from '@everseal/process';
import { temporaryFolder } from '@everseal/testing';
import { ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { SealAlerts } from './seal-alerts.js';

const KEY = SigningKey.fromSeed(alertKeyName('audit.example.com', 'sealer', 's1'), sha256(Buffer.from('s1')), NOTE_KEY);

describe('alerts about messages that were put aside', () => {
  it('a hundred a lane; control: no more of that lane', () => {
    const folder = temporaryFolder('seal-alerts');
    const file = path.join(folder.path, 'alerts.json');
    const book = new AlertBook(file, 'audit.example.com/sealer/s1', KEY, Date.now, () => Promise.resolve(false));
    const alerts = new SealAlerts(ORIGIN, book);
    let sequence = 0;
    const putAside = (lane: string): void => {
      const subject = `audit.frames.main.${lane}`;
      const message = { sequence: ++sequence, subject, data: Buffer.from('x'), time: '' };
      alerts.putAside(message, 'custody.forged', 'spec');
    };
    for (let i = 0; i < 120; i++) putAside('a');
    expect(book.open).toHaveLength(100);
    putAside('b');
    putAside('a');
    expect(book.open.map(({ scope }) => scope).slice(99)).toEqual(['stream 100', 'stream 121']);
    folder.remove();
  });
});
