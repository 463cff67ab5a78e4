import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LogState } from '@everseal/audit-core';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { BodyRing } from './body-ring.js';
import { FollowLedger } from './follow-ledger.js';
import { LeafFile } from './leaf-file.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';

let server: TestPostgres;
let folder: TemporaryFolder;
let log: StoredLog;
let databases = 0;
const trees: RememberedTree[] = [];

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = temporaryFolder('follow');
  log = await StoredLog.create(server, `follow${databases++}`);
});
afterEach(async () => {
  trees.splice(0).forEach((tree) => tree.close());
  await log.close();
  folder.remove();
});

async function follower(name = 'v1'): Promise<FollowLedger> {
  const dir = path.join(folder.path, name);
  mkdirSync(dir);
  const tree = await RememberedTree.load(LeafFile.open(path.join(dir, 'leaves')), 0);
  trees.push(tree);
  const ring = new BodyRing(path.join(dir, 'bodies'), 1_000_000);
  const { trust } = log.writer;
  return new FollowLedger(trust, log.verifier, log.ledgerId, LogState.empty(trust), tree, ring);
}

async function sealSome(): Promise<void> {
  await log.seal();
  await log.sealEvents('{"n":1}', '{"n":2}');
  await log.seal(log.writer.frame('b', ['{"n":3}']), log.writer.frame('a', ['{"n":4}']));
}

describe('following a ledger', () => {
  it('derives what is new, again and again, and knows the end of every block since the newest checkpoint', async () => {
    const follow = await follower();
    expect(await follow.catchUp()).toBeNull();
    expect(follow.size).toBe(0);
    const ends: number[] = [];
    for (let i = 0; i < 5; i++) {
      await (i === 0 ? log.seal() : log.sealEvents(`{"n":${i}}`));
      ends.push(log.size);
      expect(await follow.catchUp()).toBeNull();
      expect(follow.size).toBe(log.size);
      expect(follow.tree.root()).toEqual(log.writer.range.root());
    }
    for (const size of ends) expect(follow.markAt(size)?.root).toEqual(await follow.tree.rootAt(size));
    expect(follow.markAt(ends[1]! + 1)).toBeNull();
    follow.settle(ends[3]!);
    expect(ends.map((size) => follow.markAt(size) !== null)).toEqual([false, false, false, true, true]);
    await follow.sync();
  });

  it('takes a block whole or not at all: a disk that is full leaves nothing half remembered', async () => {
    await sealSome();
    const follow = await follower();
    const bodies = path.join(folder.path, 'v1', 'bodies');
    // Stands for any failure of the disk: the body cannot be written.
    rmSync(bodies, { recursive: true });
    writeFileSync(bodies, '');
    await expect(follow.catchUp()).rejects.toThrow();
    expect(follow.size).toBe(0);
    rmSync(bodies);
    mkdirSync(bodies);
    expect(await follow.catchUp()).toBeNull();
    expect(follow.size).toBe(log.size);
    expect(follow.tree.root()).toEqual(log.writer.range.root());
    expect(follow.markAt(log.size)?.root).toEqual(follow.tree.root());
  });

  it('answers requests that come together one after another', async () => {
    const follow = await follower();
    await sealSome();
    expect(await Promise.all([follow.catchUp(), follow.catchUp(), follow.catchUp()])).toEqual([null, null, null]);
    expect(follow.tree.root()).toEqual(log.writer.range.root());
  });

  it.each<[string, string, { code: string; index: number | null; height: number }]>([
    ['a byte of the newest body', flip('block_body', 'body', 2), { code: 'entry.altered', index: 8, height: 2 }],
    ['a body', 'DELETE FROM everseal.block_body WHERE height = 1', { code: 'block.missing', index: 2, height: 1 }],
    ['a block', 'DELETE FROM everseal.block WHERE height = 1', { code: 'block.missing', index: 2, height: 1 }],
    [
      'the newest block, with the head left',
      'DELETE FROM everseal.block WHERE height = 2',
      { code: 'log.truncated', index: null, height: 1 },
    ],
  ])('stops before a block that it has not seen whole: %s', async (_, sql, expected) => {
    await sealSome();
    const follow = await follower();
    await log.tamper(sql);
    const finding = await follow.catchUp();
    expect(finding).toMatchObject(expected);
    // It stays where it was, and says the same at every look.
    expect(await follow.catchUp()).toEqual(finding);
    expect(follow.size).toBeLessThan(log.size);
  });

  it('takes the block once it stands again as it was sealed', async () => {
    await sealSome();
    const follow = await follower();
    await log.tamper(flip('block_body', 'body', 2));
    expect(await follow.catchUp()).toMatchObject({ code: 'entry.altered' });
    await log.tamper(flip('block_body', 'body', 2));
    expect(await follow.catchUp()).toBeNull();
    expect(follow.tree.root()).toEqual(log.writer.range.root());
  });

  it.each([
    [
      'rolled back',
      'height = 1, size = 6, previous = (SELECT hash FROM everseal.block WHERE height = 1)',
      'log.rolled-back',
    ],
    ['ahead of what stands', 'height = 3, size = size + 1', 'log.truncated'],
    ['another previous', `previous = sha256('x')`, 'block.chain'],
    ['another height', 'height = 1', 'block.chain'],
    ['another time', `sealed = sealed - interval '1 hour'`, 'block.chain'],
    ['another key set', 'keys_index = 5', 'block.chain'],
  ])('compares the head row with what stands: %s', async (_, change, code) => {
    await sealSome();
    const follow = await follower();
    expect(await follow.catchUp()).toBeNull(); // control
    await log.tamper(`UPDATE everseal.ledger_head SET ${change}`);
    expect(await follow.catchUp()).toMatchObject({ code });
  });
});

/** SQL that flips one bit in the middle of a column. */
function flip(table: string, column: string, height: number): string {
  const at = `octet_length(${column}) / 2`;
  return `UPDATE everseal.${table} SET ${column} = set_byte(${column}, ${at}, get_byte(${column}, ${at}) # 1) WHERE height = ${height}`;
}
