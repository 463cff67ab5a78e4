import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import type { EversealError } from './everseal-error.js';
import { OUTBOX_HEADER } from './outbox-record.js';
import { Outbox, type OutboxLimits } from './outbox.js';

let folder: TemporaryFolder;
let dir: string;
const opened: Outbox[] = [];
beforeEach(() => {
  folder = temporaryFolder('client-outbox');
  dir = path.join(folder.path, 'events');
});
afterEach(async () => {
  await closeAll();
  folder.remove();
});

const event = (n: number): Buffer => Buffer.from(`{"id":"${n}"}`);

async function open(limits: Partial<OutboxLimits> = {}): Promise<{ outbox: Outbox; kept: string[] }> {
  const { outbox, kept } = await Outbox.open(dir, { mostBytes: 1_000_000, ...limits });
  opened.push(outbox);
  return { outbox, kept: kept.map(({ bytes }) => (JSON.parse(bytes.toString()) as { id: string }).id) };
}

async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((outbox) => outbox.close()));
}

/** What a process that starts now would send. */
async function waitingNow(limits: Partial<OutboxLimits> = {}): Promise<string[]> {
  await closeAll();
  const { kept } = await open(limits);
  await closeAll();
  return kept;
}

const files = (): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.outbox'))
    .sort();
const newest = (): string => path.join(dir, files().at(-1) as string);
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: EversealError) => error.code,
  );

describe('the outbox', () => {
  it('gives back what is not settled, byte for byte, in order, after any number of restarts', async () => {
    const { outbox } = await open();
    const ordinals = await Promise.all([1, 2, 3, 4].map((n) => outbox.append(event(n))));
    expect(ordinals).toEqual([1, 2, 3, 4]);
    outbox.settle(2);
    outbox.settle(4);
    expect(outbox.waiting).toBe(2);
    expect(await waitingNow()).toEqual(['1', '3']);
    expect(await waitingNow()).toEqual(['1', '3']);
    const again = await open();
    expect(await again.outbox.append(event(5))).toBe(5);
    for (const ordinal of [1, 3, 5]) again.outbox.settle(ordinal);
    expect(await waitingNow()).toEqual([]);
  });

  it('cut anywhere in its last append, is as before that append, and goes on', async () => {
    const first = await open();
    await first.outbox.append(event(1));
    await closeAll();
    const before = readFileSync(newest());
    const { outbox } = await open();
    await outbox.append(event(2));
    await closeAll();
    const whole = readFileSync(newest());
    for (let length = before.length; length < whole.length; length += 1) {
      writeFileSync(newest(), whole.subarray(0, length));
      expect(await waitingNow()).toEqual(['1']);
      // Zeros where the file grew and its bytes did not come.
      writeFileSync(newest(), Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)]));
      expect(await waitingNow()).toEqual(['1']);
    }
    const last = await open();
    await last.outbox.append(event(3));
    expect(await waitingNow()).toEqual(['1', '3']);
  });

  it('with a bit changed in what was synced, is refused and left alone: nothing is thrown away', async () => {
    const { outbox } = await open();
    for (const n of [1, 2, 3]) await outbox.append(event(n));
    await closeAll();
    const whole = readFileSync(newest());
    const last = whole.length - 12 - 1 - 4 - event(3).length;
    for (let at = 0; at < last; at += 1) {
      const spoiled = Buffer.from(whole);
      spoiled[at] = spoiled[at]! ^ 1;
      writeFileSync(newest(), spoiled);
      expect({ at, code: await codeOf(open()) }).toEqual({ at, code: 'outbox.corrupt' });
      expect(readFileSync(newest()).equals(spoiled)).toBe(true);
    }
    writeFileSync(newest(), whole);
    expect(await waitingNow()).toEqual(['1', '2', '3']);
  });

  it('is one process’s', async () => {
    await open();
    expect(await codeOf(open())).toBe('outbox.locked');
    await closeAll();
    expect(await codeOf(open())).toBe('done');
  });

  it('is full at its bound, and takes again when something is settled', async () => {
    const { outbox } = await open({ mostBytes: 25 });
    expect(await Promise.all([1, 2, 3].map((n) => codeOf(outbox.append(event(n)))))).toEqual([
      'done',
      'done',
      'outbox.full',
    ]);
    outbox.settle(1);
    expect(await outbox.append(event(4))).toBe(3);
    expect(await waitingNow()).toEqual(['2', '4']);
  });

  it('begins new files, removes settled ones from the oldest on, and never grows without a bound', async () => {
    const limits = { fileBytes: 60, mostBytes: 200 };
    const { outbox } = await open(limits);
    await outbox.append(event(0));
    for (let n = 2; n <= 30; n += 1) {
      const code = await codeOf(outbox.append(event(n)).then((ordinal) => outbox.settle(ordinal)));
      if (code === 'outbox.full') break;
    }
    // The first one waits, so nothing behind it can go: the files are bounded all the same.
    const bytes = files().reduce((sum, name) => sum + readFileSync(path.join(dir, name)).length, 0);
    expect(bytes).toBeLessThan(2 * limits.mostBytes + 3 * limits.fileBytes);
    expect(await waitingNow(limits)).toEqual(['0']);
    const again = await open(limits);
    again.outbox.settle(1);
    expect(files()).toHaveLength(1);
  });

  it('misses a file that is not there', async () => {
    const { outbox } = await open({ fileBytes: 40 });
    for (let n = 1; n <= 4; n += 1) await outbox.append(event(n));
    await closeAll();
    expect(files().length).toBeGreaterThan(2);
    truncateSync(path.join(dir, files()[0] as string), OUTBOX_HEADER);
    expect(await codeOf(open())).toBe('outbox.corrupt');
  });

  it('keeps aside what is refused, with the reason', async () => {
    const { outbox } = await open();
    await outbox.append(event(1));
    outbox.refuse(1, event(1), { code: 'event.forbidden', message: 'no', at: '2026-01-01T00:00:00Z' });
    expect(await waitingNow()).toEqual([]);
    const line = JSON.parse(readFileSync(path.join(dir, 'refused.ndjson'), 'utf8')) as object;
    expect(line).toEqual({ code: 'event.forbidden', message: 'no', at: '2026-01-01T00:00:00Z', event: '{"id":"1"}' });
  });
});
