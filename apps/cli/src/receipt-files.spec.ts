import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parseReceipt } from '@everseal/audit-core';
import { temporaryFolder } from '@everseal/testing';
import { receiptOf } from '../../../libs/audit-core/vectors/make/claim.js';
import { readReceipts } from './receipt-files.js';

const folder = temporaryFolder('receipts');
afterAll(() => folder.remove());

function file(name: string, text: string): string {
  const place = path.join(folder.path, name);
  writeFileSync(place, text);
  return place;
}

describe('receipts in files', () => {
  const bare = receiptOf(1, 1);
  const kept = `{"producer":"billing","ids":["1"],"receipt":${bare}}`;

  it('are read as submit keeps them, and as ingest answered them', () => {
    const receipt = parseReceipt(Buffer.from(bare));
    const one = file('one.json', `${kept}\n`);
    expect(readReceipts(one)).toEqual([{ place: one, producer: 'billing', ids: ['1'], event: null, receipt }]);
    const many = file('many.jsonl', `${kept}\n\n${bare}\n`);
    expect(readReceipts(many)).toEqual([
      { place: `${many}:1`, producer: 'billing', ids: ['1'], event: null, receipt },
      { place: `${many}:3`, producer: null, ids: null, event: null, receipt },
    ]);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', 'receipt'],
    ['an event', '{"specversion":"1.0","id":"1"}'],
    ['a receipt without a frame', '{"producer":"billing","receipt":{"ledger":"x"}}'],
    ['no producer beside it', `{"receipt":${bare}}`],
    ['a list', `[${bare}]`],
  ])('%s is none', (name, text) => {
    const read = (): unknown => readReceipts(file(`${name}.json`, text));
    expect(read).toThrow(expect.objectContaining({ name: 'CliFailure', exitCode: 2 }));
  });
});
