/**
 * Putting lost blocks back, against a real Postgres: whatever a database lost, it is as it was afterwards; whatever an archive
 * is not good for, it is refused by the first bad record and nothing is written. The control shows what the checks keep out.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBundle, entriesPath, LogReplay, splitBundle } from '@everseal/audit-core';
import { readHead, restoreBlock, waitingFrames } from '@everseal/ledger-store';
import { LogWriter } from '../../../libs/audit-core/src/log.fixture.js';
import { CURSOR } from '../../../libs/ledger-store/src/store.fixture.js';
import { CliFailure } from './cli-failure.js';
import { BLOCKS, nameOf, RestoreLab, type Given } from './restore-lab.fixture.js';
import { planRestore, writeRestore } from './restore-log.js';

let lab: RestoreLab;
let whole: string;

beforeAll(async () => {
  lab = await RestoreLab.start();
  await lab.setBack(BLOCKS);
  whole = await lab.rows();
}, 60_000);

afterAll(() => lab?.close());

/** Plans and writes. @returns heights that were put back */
async function restored(given: Given): Promise<number[]> {
  const parts = await lab.partsOf(given);
  const plan = await planRestore(parts);
  const { fence } = await readHead(lab.pool, 1);
  const heights: number[] = [];
  await writeRestore(parts, plan, fence, ({ height }) => heights.push(height));
  expect(heights).toEqual([...plan.lost.keys()]);
  return heights;
}

/** It is refused with this in the message, and nothing was written. */
async function refused(given: Given, ...says: string[]): Promise<void> {
  const before = await lab.rows();
  const failure = await restored(given).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CliFailure);
  for (const said of says) expect((failure as CliFailure).message).toContain(said);
  expect(await lab.rows()).toBe(before);
}

const ALL = Array.from({ length: BLOCKS }, (_, height) => height);
describe('a database that lost blocks', () => {
  it('as an older backup, is as it was before, from either kind of archive', async () => {
    for (const archive of [lab.ring('v1', ALL), lab.mirror('m')]) {
      for (const survive of [0, 1, 4, 8]) {
        await lab.setBack(survive);
        expect(await restored({ from: [archive] })).toEqual(ALL.slice(survive));
        expect(await lab.rows()).toBe(whole);
      }
    }
  });

  it('has nothing to do when nothing is lost, also without any block in the archive', async () => {
    await lab.setBack(BLOCKS);
    expect(await restored({ from: [lab.ring('empty', [])] })).toEqual([]);
    expect(await lab.rows()).toBe(whole);
  });

  it('gets back what was cut off behind the head row, in the middle, and bodies alone', async () => {
    for (const sql of [
      'DELETE FROM block_body WHERE height > 5; DELETE FROM block WHERE height > 5',
      'DELETE FROM block_body WHERE height IN (0, 4); DELETE FROM block WHERE height IN (0, 4)',
      'DELETE FROM block_body WHERE height IN (2, 8)',
      `DELETE FROM block_body WHERE height = 3; DELETE FROM frame WHERE ingester = 'b'; DELETE FROM gap; DELETE FROM block_body WHERE height = 1`,
    ]) {
      await lab.setBack(BLOCKS);
      await lab.lose(sql);
      expect(await lab.rows()).not.toBe(whole);
      await restored({ from: [lab.mirror('m')] });
      expect(await lab.rows()).toBe(whole);
    }
  });

  it('whose head row alone went back gets it moved again, over the blocks that stand', async () => {
    await lab.setBack(6);
    const head = await readHead(lab.pool, 1);
    await lab.setBack(BLOCKS);
    await lab.store.sql(`UPDATE everseal.ledger_head SET height = ${head.height}, size = ${head.size},
      previous = '\\x${head.previous!.toString('hex')}', frontier = '\\x${Buffer.concat(head.frontier).toString('hex')}',
      sealed = '${head.sealed}'`);
    expect(await restored({ from: [lab.ring('empty', [])] })).toEqual([6, 7, 8]);
    expect(await lab.rows()).toBe(whole);
  });

  it('seals a frame that waited, and leaves the cursor of the stream where it is', async () => {
    await lab.setBack(4);
    const [{ frame, hash }] = [...framesOf(5)] as [{ frame: string; hash: string }];
    await lab.store.sql(`INSERT INTO everseal.frame (ledger_id, ingester, number, hash, bytes)
      VALUES (1, 'a', ${frame}, '\\x${hash}', 'waits')`);
    await restored({ from: [lab.ring('v1', ALL)] });
    expect(await lab.rows()).toBe(whole);
    expect(await waitingFrames(lab.pool, 1)).toEqual([]);
    expect((await readHead(lab.pool, 1)).cursor).toEqual(CURSOR);
  });

  it('takes each block from the first archive that has it', async () => {
    await lab.setBack(2);
    await refused({ from: [lab.ring('late', [5, 6, 7, 8])] }, 'it begins with block 5');
    expect(await restored({ from: [lab.ring('late', [5, 6, 7, 8]), lab.mirror('old', 6)] })).toEqual(ALL.slice(2));
    expect(await lab.rows()).toBe(whole);
  });

  it('may be interrupted anywhere, and the next run completes it', async () => {
    await lab.setBack(3);
    const interrupt = new AbortController();
    const parts = await lab.partsOf({ from: [lab.ring('v1', ALL)], signal: interrupt.signal });
    const plan = await planRestore(parts);
    const { fence } = await readHead(lab.pool, 1);
    const half = writeRestore(parts, plan, fence, ({ height }) => height === 5 && interrupt.abort());
    await expect(half).rejects.toThrow('interrupted: blocks below 6 are put back');
    expect(await restored({ from: [lab.ring('v1', ALL)] })).toEqual([6, 7, 8]);
    expect(await lab.rows()).toBe(whole);
  });
});

function* framesOf(height: number): Generator<{ frame: string; hash: string }> {
  const replay = LogReplay.empty(lab.writer.trust);
  for (const body of lab.writer.bodies.slice(0, height + 1)) {
    const result = replay.read(body);
    if (!result.ok) throw new Error(result.finding.detail);
    if (result.block.height !== height) continue;
    for (const { number, hash } of result.block.frames) yield { frame: String(number), hash: hash.toString('hex') };
  }
}

describe('an archive that is not good', () => {
  beforeEach(() => lab.setBack(3));

  it('with any one byte changed in a lost block is refused, and names it', async () => {
    for (const part of [0.01, 0.5, 0.99]) {
      const altered = lab.ring('altered', ALL, (body, height) => {
        if (height === 6) body[Math.floor(body.length * part)]! ^= 1;
        return body;
      });
      await refused({ from: [altered] }, `${nameOf(6)} is not good`, 'block 6');
    }
  });

  it('with a block of another log, or two blocks swapped, is refused', async () => {
    const other = new LogWriter();
    for (let i = 0; i < BLOCKS; i++) other.block(other.frame('a', [`{"other":${i}}`]));
    const foreign = lab.ring('foreign', ALL, (body, height) => (height === 4 ? other.bodies[4]! : body));
    await refused({ from: [foreign] }, 'block.chain at block 4');
    const swapped = lab.ring('swapped', ALL, (body, height) => {
      const place = height === 4 ? 5 : height === 5 ? 4 : null;
      return place === null ? body : lab.writer.bodies[place]!;
    });
    await refused({ from: [swapped] }, 'block.chain at block 4');
  });

  it('with a hole, or that ends before a checkpoint that is known, is refused', async () => {
    await refused({ from: [lab.ring('holed', [3, 4, 6, 7, 8])] }, 'block 5', 'is missing between others', 'a test');
    await refused({ from: [lab.ring('short', [3, 4, 5])] }, 'it ends with block 5');
    await refused({ from: [lab.mirror('early', 6)] }, `it ends at size ${splitSize(6)}`);
    const bundle = entriesPath(1, 256);
    const holed = lab.mirror('holed-mirror');
    rmSync(path.join(holed, bundle));
    await lab.setBack(0);
    await refused({ from: [holed] }, `${bundle} is not there`);
  });

  it('in tlog-tiles layout is refused for a changed entry, a bundle of another width, an end within a block', async () => {
    await lab.setBack(0);
    const altered = lab.mirror('altered-mirror');
    const file = path.join(altered, entriesPath(0, 256));
    const good = readFileSync(file);
    const bad = Buffer.from(good);
    bad[good.length - 9]! ^= 1;
    writeFileSync(file, bad);
    await refused({ from: [altered] }, `${entriesPath(0, 256)} to `, 'entry.altered at block 4');
    const offsets = splitBundle(good);
    const entries = Array.from({ length: offsets.count }, (_, i) => good.subarray(offsets.start(i), offsets.end(i)));
    writeFileSync(file, encodeBundle(entries.slice(1)));
    await refused({ from: [altered] }, `${entriesPath(0, 256)} is not good`, 'it holds 255 entries, by its name 256');
    const within = lab.mirror('within', 6);
    const [origin, size, ...rest] = lab.checkpoints[5]!.split('\n');
    const last = Number(size) - 1;
    const partial = (width: number): string => path.join(within, entriesPath(Math.floor(last / 256), width));
    const bytes = readFileSync(partial((last % 256) + 1));
    const ends = splitBundle(bytes);
    writeFileSync(partial(last % 256), bytes.subarray(0, ends.end(ends.count - 2)));
    writeFileSync(path.join(within, 'checkpoint'), [origin, last, ...rest].join('\n'));
    await refused({ from: [within] }, `it ends at entry ${last}, within a block`);
  });

  it('is refused when it gives another root than a checkpoint that is known', async () => {
    const forked = new LogWriter();
    forked.block(forked.frame('a', ['{"fork":1}']));
    await lab.setBack(0);
    await refused(
      { from: [lab.ring('v1', ALL)], goals: [forked.checkpoint(), lab.checkpoints.at(-1)!] },
      'checkpoint.mismatch',
    );
  });

  it('that holds more than the newest known checkpoint is refused if that is not good, unless it is left out', async () => {
    const altered = lab.ring('altered', ALL, (body, height) => (height === 8 ? body.fill(7, 60, 70) : body));
    const goals = [lab.checkpoints[7]!];
    await refused({ from: [altered], goals }, `${nameOf(8)} is not good`);
    expect(await restored({ from: [altered], goals, onlyKnown: true })).toEqual([3, 4, 5, 6, 7]);
  });

  it('is refused when the database itself is not good in front of what is lost', async () => {
    await lab.lose(`UPDATE block_body SET body = set_byte(body, 700, get_byte(body, 700) # 1) WHERE height = 1`);
    await refused({ from: [lab.ring('v1', ALL)] }, 'block 1 of the database is not good', 'entry.altered');
  });

  it('control: written without the checks, its bytes are in the database', async () => {
    const replay = LogReplay.empty(lab.writer.trust);
    for (const body of lab.writer.bodies.slice(0, 3)) replay.read(body);
    const next = replay.read(lab.writer.bodies[3]!);
    if (!next.ok) throw new Error(next.finding.detail);
    const body = Buffer.from(lab.writer.bodies[3]!);
    body[700]! ^= 1;
    const { fence } = await readHead(lab.pool, 1);
    await restoreBlock(lab.pool, 1, fence, { ...next.block, block: next.block, body });
    const [stored] = await lab.store.sql('SELECT body FROM everseal.block_body WHERE height = 3');
    expect(stored!.body).toEqual(body);
  });
});

describe('what stands in the database', () => {
  it('is never changed: a row that is another is said, and the block is not put back', async () => {
    await lab.setBack(3);
    await lab.lose(`INSERT INTO tile (ledger_id, level, number, data, root)
      VALUES (1, 0, 0, decode(repeat('00', 8192), 'hex'), decode(repeat('00', 32), 'hex'))`);
    const failure = await restored({ from: [lab.ring('v1', ALL)] }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'store.unexpected-value' });
    expect((failure as Error).message).toContain('tile 0/0');
    expect((await readHead(lab.pool, 1)).height).toBe(3); // block 4 fills that tile
  });
});

const splitSize = (blocks: number): string => lab.checkpoints[blocks - 1]!.split('\n')[1]!;
