import { fork } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { encodeSegmentHeader, SEGMENT_HEADER } from './segment.js';
import { Spool, type SpoolOptions } from './spool.js';
import { appendFakes, fakeFrame, FIRST_TIME, inspectFake, removeSpools, spoolOptions } from './spool.fixture.js';

const opened: Spool[] = [];
function openSpool(options: SpoolOptions): Spool {
  const spool = Spool.open(options);
  opened.push(spool);
  return spool;
}
afterEach(() => opened.splice(0).forEach((spool) => spool.close()));
afterAll(removeSpools);

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
};

const segmentsIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => /^\d+\.segment$/.test(name))
    .sort();

function emptySegment(): Buffer {
  return Buffer.concat([encodeSegmentHeader(4_096), Buffer.alloc(4_096 - SEGMENT_HEADER)]);
}

/** What the directory is right after a kill: a copy, without the lock's holder and without a close. */
function crashed(options: SpoolOptions): SpoolOptions {
  const copy = spoolOptions({ ...options, directory: spoolOptions().directory });
  cpSync(options.directory, copy.directory, { recursive: true });
  return copy;
}

describe('a spool', () => {
  it('keeps frames over segments and restarts, byte for byte', async () => {
    const options = spoolOptions();
    const first = openSpool(options);
    const frames = await appendFakes(first, 25);
    expect(segmentsIn(options.directory).length).toBeGreaterThan(2);
    first.close();
    const second = openSpool(options);
    expect(second.newest).toEqual(frames[24]?.id);
    expect(second.first).toBe(1);
    expect(second.bytes).toBe(first.bytes);
    for (const { id, message } of frames) expect(await second.read(id.number)).toEqual(message);
    expect(await second.read(26)).toBeNull();
    const more = await appendFakes(second, 1);
    expect(more[0]?.id.number).toBe(26);
  });

  it('counts message and overhead of what is not covered, and tells the age of the oldest', async () => {
    const spool = openSpool(spoolOptions({ bound: 5_000 }));
    expect(spool.oldestAccepted).toBeNull();
    const frames = await appendFakes(spool, 6);
    const size = (i: number): number => (frames[i]?.message.length ?? 0) + 340;
    expect(spool.bytes).toBe([0, 1, 2, 3, 4, 5].reduce((sum, i) => sum + size(i), 0));
    expect(spool.full(5_000 - spool.bytes)).toBe(false);
    expect(spool.full(5_001 - spool.bytes)).toBe(true);
    expect(spool.oldestAccepted).toBe(FIRST_TIME + 1);
    await spool.release(frames[3]?.id as never, []);
    expect(spool.bytes).toBe(size(4) + size(5));
    expect(spool.oldestAccepted).toBe(FIRST_TIME + 5);
    await spool.release(frames[5]?.id as never, []);
    expect(spool.oldestAccepted).toBeNull();
    expect(spool.newestAccepted).toBe(FIRST_TIME + 6);
  });

  it('releases whole segments, keeps the newest frame and what the window wants, and remembers both numbers', async () => {
    const options = spoolOptions({ windowBytes: 2 * 4_096 });
    const spool = openSpool(options);
    const frames = await appendFakes(spool, 40);
    const before = segmentsIn(options.directory).length;
    await spool.release(frames[39]?.id as never, []);
    // Two that the window wants, and perhaps one made ready.
    expect([2, 3]).toContain(segmentsIn(options.directory).length);
    expect(before).toBeGreaterThan(3);
    expect(await spool.read(1)).toBeNull();
    expect(await spool.read(spool.first)).toEqual(frames[spool.first - 1]?.message);
    spool.close();
    const again = openSpool(options);
    expect(again.covered).toEqual(frames[39]?.id);
    expect(again.newest).toEqual(frames[39]?.id);
    expect(again.bytes).toBe(0);
    await again.release(frames[10]?.id as never, []);
    expect(again.covered.number).toBe(40);
  });

  it('puts frames of a debt aside, outside bound and age, until they are sealed', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    const frames = await appendFakes(spool, 40);
    await spool.release(frames[38]?.id as never, [[3, 5]]);
    expect([...spool.debts]).toEqual([3, 4, 5]);
    expect(spool.bytes).toBe((frames[39]?.message.length ?? 0) + 340);
    spool.close();
    const again = openSpool(options);
    expect(await again.read(4)).toEqual(frames[3]?.message);
    expect(await again.read(2)).toBeNull();
    await again.release(frames[39]?.id as never, [[5, 5]]);
    expect([...again.debts]).toEqual([5]);
    const file = path.join(options.directory, 'debts', '5.frame');
    const bytes = readFileSync(file);
    bytes[20] = (bytes[20] as number) ^ 1;
    writeFileSync(file, bytes);
    await expect(again.read(5)).rejects.toMatchObject({ code: 'spool.corrupt' });
  });

  it('lets one process in: a second one is refused until the first ends', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    expect(codeOf(() => openSpool(options))).toBe('spool.busy');
    spool.close();
    openSpool(options);
  });

  it('is free again when its holder is killed', async () => {
    const options = spoolOptions();
    mkdirSync(options.directory, { recursive: true });
    const program = path.join(options.directory, '..', 'holder.cjs');
    const addon = path.resolve('node_modules/fs-native-extensions/index.js');
    writeFileSync(
      program,
      `const fd = require('fs').openSync(${JSON.stringify(path.join(options.directory, 'lock'))}, 'a+');
       process.send(require(${JSON.stringify(addon)}).tryLock(fd)); setInterval(() => {}, 1000);`,
    );
    const holder = fork(program);
    const held = await new Promise((resolve) => holder.once('message', resolve));
    expect(held).toBe(true);
    expect(codeOf(() => openSpool(options))).toBe('spool.busy');
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await ended;
    openSpool(options);
  });
});

describe('a spool after a crash', () => {
  it('throws away an incomplete newest record and goes on from the one before', async () => {
    const options = spoolOptions();
    const frames = await appendFakes(openSpool(options), 3);
    const copy = crashed(options);
    const file = path.join(copy.directory, segmentsIn(copy.directory)[0] as string);
    writeFileSync(file, readFileSync(file).fill(0, 1_200));
    const spool = openSpool(copy);
    expect(spool.newest).toEqual(frames[1]?.id);
    expect(
      readFileSync(file)
        .subarray(1_200)
        .every((byte) => byte === 0),
    ).toBe(true);
    await appendFakes(spool, 8);
    const again = crashed(copy);
    expect(openSpool(again).newest).toEqual(spool.newest);
  });

  it('finds any damage to a stored byte, or reads back exactly what was stored', async () => {
    const options = spoolOptions();
    const frames = await appendFakes(openSpool(options), 12);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 7 }), async (place, bit) => {
        const copy = crashed(options);
        const names = [...segmentsIn(copy.directory), 'state'];
        const file = path.join(copy.directory, names[place % names.length] as string);
        const bytes = readFileSync(file);
        const at = Math.floor(place / names.length) % bytes.length;
        bytes[at] = (bytes[at] as number) ^ (1 << bit);
        writeFileSync(file, bytes);
        const code = codeOf(() => openSpool(copy));
        // Behind the newest record a flip looks like the begin of an append: nothing that was stored is touched.
        if (code === 'none') expect(await opened.at(-1)?.read(12)).toEqual(frames[11]?.message);
        else expect(['spool.corrupt', 'spool.rolled-back']).toContain(code);
        opened.splice(1).forEach((spool) => spool.close());
        rmSync(path.dirname(copy.directory), { recursive: true });
      }),
      { numRuns: 60 },
    );
  });

  it('starts with every state that a crash between two steps leaves', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    const frames = await appendFakes(spool, 20);
    const before = crashed(options);
    await spool.release(frames[14]?.id as never, []);
    const after = crashed(options);
    // State written, no segment deleted yet.
    const between = crashed(before);
    cpSync(path.join(after.directory, 'state'), path.join(between.directory, 'state'));
    const restarted = openSpool(between);
    expect(restarted.covered).toEqual(frames[14]?.id);
    await restarted.release(frames[14]?.id as never, []);
    expect(restarted.first).toBe(spool.first);
    expect(restarted.first).toBeGreaterThan(1);
    // A segment half made, and one made ready that no frame is in.
    writeFileSync(path.join(after.directory, 'next.tmp'), 'half');
    writeFileSync(path.join(after.directory, '000000000099.segment'), emptySegment());
    const again = openSpool(after);
    expect(again.newest).toEqual(frames[19]?.id);
    await appendFakes(again, 20);
    again.close();
    expect(openSpool(after).newest.number).toBe(40);
    // An incomplete record is only allowed at the very end.
    const torn = crashed(after);
    const [first] = segmentsIn(torn.directory);
    const file = path.join(torn.directory, first as string);
    writeFileSync(file, readFileSync(file).fill(0, 3_000));
    expect(codeOf(() => openSpool(torn))).toBe('spool.corrupt');
  });

  it('stops when files are gone, wherever they stood', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    await appendFakes(spool, 25);
    spool.close();
    const names = segmentsIn(options.directory);
    for (const name of [...names, 'state']) {
      const copy = crashed(options);
      rmSync(path.join(copy.directory, name));
      expect(['spool.corrupt', 'spool.rolled-back']).toContain(codeOf(() => openSpool(copy)));
    }
    const none = crashed(options);
    for (const name of names) rmSync(path.join(none.directory, name));
    expect(codeOf(() => openSpool(none))).toBe('spool.rolled-back');
  });

  it('stops when the newest state meets older segments', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    await appendFakes(spool, 5);
    const old = crashed(options);
    await appendFakes(spool, 20);
    spool.close();
    cpSync(path.join(options.directory, 'state'), path.join(old.directory, 'state'));
    expect(codeOf(() => openSpool(old))).toBe('spool.rolled-back');
  });

  it('stops for the spool of another name and for frames that do not continue the chain', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    await appendFakes(spool, 2);
    const other = fakeFrame(3, { number: 2, hash: Buffer.alloc(32, 1) }, 10);
    await spool.append(other.id, FIRST_TIME, other.message);
    const copy = crashed(options);
    expect(codeOf(() => openSpool({ ...copy, ingester: 'b' }))).toBe('spool.corrupt');
    expect(codeOf(() => openSpool(copy))).toBe('spool.corrupt');
  });
});

describe('a failing disk', () => {
  it('stops for good at the first failed write and says what to do', async () => {
    const options = spoolOptions();
    const spool = openSpool(options);
    await appendFakes(spool, 3);
    rmSync(options.directory, { recursive: true });
    await expect(appendFakes(spool, 30)).rejects.toMatchObject({ code: 'spool.failed', fate: 'stop' });
    const { id, message } = fakeFrame(spool.newest.number + 1, spool.newest, 5);
    await expect(spool.append(id, FIRST_TIME, message)).rejects.toThrow(/check the disk, then start again/);
    expect(existsSync(options.directory)).toBe(false);
    mkdirSync(options.directory);
  });

  it('control: the inspector is what finds a frame in the wrong place', () => {
    const { message } = fakeFrame(7, null, 5);
    expect(inspectFake(message).number).toBe(7);
  });
});
