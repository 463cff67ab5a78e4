import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { EventJournal } from './event-journal.js';
import type { JournalEntry } from './journal-producer.js';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

let folder: TemporaryFolder;
let journal: EventJournal;
beforeEach(() => {
  folder = temporaryFolder('journal');
  journal = EventJournal.create(path.join(folder.path, 'journal'));
});
afterEach(() => {
  journal.close();
  folder.remove();
});

function entry(id: string): JournalEntry {
  return { id, source: 'urn:x', bytes: Buffer.from(JSON.stringify({ id, source: 'urn:x' })), frame: null };
}

describe('the journal of events', () => {
  it('gives back what was meant to be sent and what was receipted, a list a producer', () => {
    const [a, b, other] = [entry('1'), entry('2'), entry('1')];
    journal.intend('orders', [a, b]);
    journal.intend('billing', [other]);
    journal.receipted('orders', [b], { ingester: 'a', number: 7 });
    expect(journal.read()).toEqual({
      orders: [a, { ...b, frame: { ingester: 'a', number: 7 } }],
      billing: [other],
    });
  });

  it('takes no notice of a last line that was not finished', () => {
    journal.intend('orders', [entry('1')]);
    appendFileSync(journal.file, '{"intend":["orders","2"');
    expect(journal.read()['orders']).toHaveLength(1);
  });

  it('refuses a receipt for what was never sent, and a place that is taken', () => {
    journal.receipted('orders', [entry('1')], { ingester: 'a', number: 1 });
    expect(() => journal.read()).toThrow('a receipt for 1 of orders, which was never sent');
    expect(() => EventJournal.create(journal.file)).toThrow('EEXIST');
  });
});
