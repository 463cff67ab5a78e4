import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { Outbox } from './outbox.js';

let folder: TemporaryFolder;
let dir: string;
beforeEach(() => {
  folder = temporaryFolder('outbox');
  dir = path.join(folder.path, 'events');
});
afterEach(() => folder.remove());

const event = (n: number): Buffer => Buffer.from(`{"id":"${n}"}`);
const RECEIPT = Buffer.from('{"receipt":1}');

/** Everything that waits, in order, as a process that starts now would send it. */
function waitingNow(limits = {}): string[] {
  const outbox = Outbox.open(dir, limits);
  const events: string[] = [];
  for (let one = outbox.first; one !== null; one = outbox.first) {
    events.push((JSON.parse(one.toString()) as { id: string }).id);
    outbox.settle(RECEIPT);
  }
  outbox.close();
  return events;
}

describe('the outbox', () => {
  it('gives events back in order, byte for byte, after any number of restarts', () => {
    for (const n of [1, 2, 3]) {
      const outbox = Outbox.open(dir);
      expect(outbox.put(event(n))).toBe('taken');
      outbox.close();
    }
    const outbox = Outbox.open(dir);
    expect([outbox.waiting, outbox.first?.toString()]).toEqual([3, '{"id":"1"}']);
    outbox.settle(RECEIPT);
    outbox.close();
    expect(waitingNow()).toEqual(['2', '3']);
    expect(waitingNow()).toEqual([]);
    expect(readFileSync(path.join(dir, '1.outcomes.ndjson'), 'utf8')).toBe('{"receipt":1}\n'.repeat(3));
  });

  it('sends once more what crashed between an answer and its line; control: without the line it is not settled', () => {
    const outbox = Outbox.open(dir);
    outbox.put(event(1));
    outbox.put(event(2));
    outbox.settle(RECEIPT);
    outbox.close();
    rmSync(path.join(dir, '1.outcomes.ndjson'));
    expect(waitingNow()).toEqual(['1', '2']);
  });

  it('takes the same bytes once, also after a restart', () => {
    const outbox = Outbox.open(dir);
    outbox.put(event(1));
    expect(outbox.put(event(1))).toBe('known');
    outbox.settle(RECEIPT);
    outbox.close();
    const again = Outbox.open(dir);
    expect([again.knows(event(1)), again.put(event(1)), again.waiting]).toEqual([true, 'known', 0]);
    expect([again.knows(event(2)), again.put(event(2)), again.waiting]).toEqual([false, 'taken', 1]);
    again.close();
  });

  it.each([1, 5, 10])('drops an event that was cut %i bytes before its end, and goes on behind it', (cut) => {
    const outbox = Outbox.open(dir);
    outbox.put(event(1));
    outbox.put(event(2));
    outbox.close();
    const file = path.join(dir, '1.events.ndjson');
    truncateSync(file, readFileSync(file).length - cut);
    const again = Outbox.open(dir);
    again.put(event(3));
    again.close();
    expect(waitingNow()).toEqual(['1', '3']);
  });

  it('drops an outcome that was cut, and asks again', () => {
    const outbox = Outbox.open(dir);
    outbox.put(event(1));
    outbox.close();
    appendFileSync(path.join(dir, '1.outcomes.ndjson'), '{"rec');
    expect(waitingNow()).toEqual(['1']);
  });

  it('is full at its bound, and takes again when something is settled', () => {
    const outbox = Outbox.open(dir, { waitingBytes: 25 });
    expect([1, 2, 3].map((n) => outbox.put(event(n)))).toEqual(['taken', 'taken', 'full']);
    outbox.settle(RECEIPT);
    expect(outbox.put(event(3))).toBe('taken');
    outbox.close();
    expect(waitingNow()).toEqual(['2', '3']);
  });

  it('begins a new pair when the old one is large and settled, and keeps the pair before', () => {
    const limits = { pairBytes: 20 };
    const outbox = Outbox.open(dir, limits);
    for (let n = 1; n <= 8; n++) {
      outbox.put(event(n));
      outbox.settle(RECEIPT);
    }
    outbox.put(event(9));
    outbox.close();
    const files = readdirSync(dir).sort();
    expect(files).toEqual(['4.events.ndjson', '4.outcomes.ndjson', '5.events.ndjson', '5.outcomes.ndjson']);
    expect(waitingNow(limits)).toEqual(['9']);
  });

  it('leaves files alone that cannot belong together, and goes on in a new pair', () => {
    const outbox = Outbox.open(dir);
    outbox.put(event(1));
    outbox.close();
    writeFileSync(path.join(dir, '1.outcomes.ndjson'), '{}\n{}\n');
    const again = Outbox.open(dir);
    again.put(event(2));
    again.close();
    expect(waitingNow()).toEqual(['2']);
    expect(existsSync(path.join(dir, '1.events.ndjson'))).toBe(true);
  });
});
