import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { blockAfterHead, CURSOR, expectHead, nextBlock, SpecStore, specHash } from '../store.fixture.js';
import { advanceCursor, blockOf, commitBlock, readBlocks, type BlockWrite } from './block.js';
import {
  frameHeads,
  framesAt,
  framesBetween,
  heldFrames,
  sealedFrameAfter,
  waitingFrames,
  type WaitingFrame,
} from './frame.js';
import { listGaps } from './gap.js';
import { readHead } from './head.js';
import { acquireLease } from './lease.js';
import { createLedger } from './ledger.js';
import { countTiles, findLeaf, readLeafHashes, readTileHashes, readTiles, tileRoots, type TileRow } from './tile.js';

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let ledgers = 0;
let ledgerId: number;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'block');
  pool = await store.sealer();
});
beforeEach(async () => {
  ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
  await acquireLease(pool, ledgerId, 's1', 600_000);
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

const TABLES = ['block', 'block_body', 'tile', 'frame', 'gap'];

/** Every row of this ledger that a commit writes. */
async function contents(): Promise<unknown> {
  const all: Record<string, unknown> = { head: await readHead(pool, ledgerId) };
  for (const table of TABLES) {
    all[table] = await store.sql(
      `SELECT to_jsonb(t) AS row FROM everseal.${table} t WHERE ledger_id = ${ledgerId} ORDER BY 1`,
    );
  }
  delete (all.head as Record<string, unknown>).leaseLeft;
  return all;
}

const frame = (number: number, position: number, ingester = 'a') => ({
  ingester,
  number,
  hash: specHash(`${ingester} ${number}`),
  position,
  sequence: number,
});

const waiting = (number: number, reason: string | null = null, content = 'bytes'): WaitingFrame => ({
  ingester: 'a',
  number,
  hash: specHash(content === 'bytes' ? `a ${number}` : content),
  sequence: number || null,
  bytes: Buffer.from(`frame ${number} ${content}`),
  reason,
});

const tile = (number: number, level = 0): TileRow => ({
  level,
  number,
  data: Buffer.concat(Array.from({ length: 256 }, (_, i) => specHash(`leaf ${number * 256 + i}`))),
  root: specHash(`root ${level}/${number}`),
});

/** A block with something in every table. */
async function fullBlock(): Promise<BlockWrite> {
  const write = await blockAfterHead(pool, ledgerId, 10);
  const { first, height } = write.block;
  return {
    ...write,
    tiles: [tile(height)],
    frames: [frame(10 * height + 5, first + 1), frame(10 * height + 1, first + 3, 'b')],
    gaps: [{ ingester: 'a', first: 10 * height + 1, last: 10 * height + 4, cause: 'lost', position: first + 2 }],
    waiting: [waiting(10 * height + 8)],
  };
}

describe('commitBlock', () => {
  it('moves the head to the block, and everything of it is there', async () => {
    const first = await fullBlock();
    await commitBlock(pool, first);
    const second = await fullBlock();
    await commitBlock(pool, second);

    const head = await readHead(pool, ledgerId);
    expect(head).toMatchObject({ height: 1, size: 22, previous: second.block.hash, sealed: second.block.sealed });
    expect(head).toMatchObject({ frontier: second.frontier, cursor: second.cursor, keysIndex: 0, state: 'open' });
    expect(await readBlocks(pool, ledgerId, 0, 10)).toEqual([first.block, second.block]);
    expect(await readBlocks(pool, ledgerId, 1, 10)).toEqual([second.block]);
    expect(await frameHeads(pool, ledgerId)).toEqual([second.frames[0], second.frames[1]]);
    expect(await listGaps(pool, ledgerId)).toEqual([...first.gaps, ...second.gaps]);
    expect(await countTiles(pool, ledgerId, 0)).toBe(2);
  });

  it('finds the block of an entry', async () => {
    for (let i = 0; i < 3; i++) await commitBlock(pool, await blockAfterHead(pool, ledgerId, i));
    // Sizes 1, 2 and 3: next is 1, 3, 6.
    const heights = await Promise.all(
      [0, 1, 2, 3, 5].map(async (entry) => (await blockOf(pool, ledgerId, entry))?.height),
    );
    expect(heights).toEqual([0, 1, 1, 2, 2]);
    expect(await blockOf(pool, ledgerId, 6)).toBeNull();
  });

  const wrongs: [string, (write: BlockWrite) => Partial<BlockWrite>][] = [
    ['a stale height', ({ expect: e }) => ({ expect: { ...e, height: e.height - 1 } })],
    ['a stale size', ({ expect: e }) => ({ expect: { ...e, size: e.size - 1 } })],
    ['another previous block', ({ expect: e }) => ({ expect: { ...e, previous: specHash('other') } })],
    ['no previous block', ({ expect: e }) => ({ expect: { ...e, previous: null } })],
    ['a frame that is sealed already', () => ({ frames: [frame(5, 12)] })],
    ['a second frame of a sealed number', () => ({ frames: [{ ...frame(5, 12), hash: specHash('other') }] })],
    ['a tile that is there already', () => ({ tiles: [tile(1), tile(0)] })],
    [
      'a gap that is there already',
      () => ({ gaps: [{ ingester: 'a', first: 1, last: 2, cause: 'lost', position: 12 }] }),
    ],
  ];
  it.each(wrongs)('writes nothing for %s', async (_, change) => {
    await commitBlock(pool, await fullBlock());
    const before = await contents();
    const write = await fullBlock();
    await expect(commitBlock(pool, { ...write, ...change(write) })).rejects.toMatchObject({ code: 'store.head-moved' });
    expect(await contents()).toEqual(before);
  });

  it.each<[string, (write: BlockWrite) => Partial<BlockWrite>]>([
    [
      'a block that leaves entries out',
      ({ block }) => ({ block: { ...block, first: block.first + 1, next: block.next + 1 } }),
    ],
    ['a block of the wrong length', ({ block }) => ({ block: { ...block, next: block.next + 1 } })],
    ['a block two heights up', ({ block }) => ({ block: { ...block, height: block.height + 1 } })],
    ['a hash of the wrong length', ({ block }) => ({ block: { ...block, hash: Buffer.alloc(31) } })],
    ['a tile of the wrong length', () => ({ tiles: [{ ...tile(1), data: Buffer.alloc(8191) }] })],
    ['an empty body', () => ({ body: Buffer.alloc(0) })],
    [
      'an unknown cause of a gap',
      () => ({ gaps: [{ ingester: 'a', first: 11, last: 11, cause: 'bored' as never, position: 12 }] }),
    ],
    ['a waiting frame that is too long', () => ({ waiting: [{ ...waiting(18), bytes: Buffer.alloc(1_048_577) }] })],
    ['one frame twice', () => ({ frames: [frame(15, 12), frame(15, 13)] })],
  ])('is refused whole by the database for %s', async (_, change) => {
    await commitBlock(pool, await fullBlock());
    const before = await contents();
    const write = await fullBlock();
    await expect(commitBlock(pool, { ...write, ...change(write) })).rejects.toMatchObject({ code: 'store.refused' });
    expect(await contents()).toEqual(before);
  });

  it('of two writers with the same head and fence lets one through', async () => {
    const other = await store.sealer();
    for (let round = 0; round < 5; round++) {
      const head = expectHead(await readHead(pool, ledgerId));
      const results = await Promise.allSettled([
        commitBlock(pool, nextBlock(head, 3)),
        commitBlock(other, nextBlock(head, 4)),
      ]);
      const lost = results.filter((result) => result.status === 'rejected');
      expect(lost.map(({ reason }) => (reason as { code: string }).code)).toEqual(['store.head-moved']);
      expect((await readHead(pool, ledgerId)).height).toBe(round);
    }
  });

  it('could not be got around by forgetting the check: the keys hold the chain', async () => {
    await commitBlock(pool, await blockAfterHead(pool, ledgerId));
    const insert = (height: number, first: number, entries: number) =>
      store.sql(
        `INSERT INTO everseal.block (ledger_id, height, first, next, entries, hash, sealed)
         VALUES (${ledgerId}, ${height}, ${first}, ${first + entries + 1}, ${entries}, sha256('x'), now())`,
      );
    await expect(insert(0, 0, 9)).rejects.toMatchObject({ code: '23505' }); // a second block 0
    await expect(insert(1, 2, 3)).rejects.toMatchObject({ code: '23503' }); // overlaps
    await expect(insert(1, 5, 3)).rejects.toMatchObject({ code: '23503' }); // leaves one out
    await expect(insert(2, 4, 3)).rejects.toMatchObject({ code: '23503' }); // skips a height
    await expect(insert(1, 0, 9)).rejects.toMatchObject({ code: '23503' }); // a second beginning
    await insert(1, 4, 3);
  });
});

describe('frames', () => {
  it('that wait are kept with the cursor, and sealed where they were kept', async () => {
    await commitBlock(pool, await blockAfterHead(pool, ledgerId));
    const head = expectHead(await readHead(pool, ledgerId));
    const cursor = { ...CURSOR, sequence: 9, hash: specHash('message 9') };
    const kept = [waiting(2), waiting(3, null, 'forged'), waiting(3), waiting(0, 'custody.forged', 'no frame')];
    await advanceCursor(pool, head, cursor, kept);
    await advanceCursor(pool, head, cursor, kept.slice(0, 1)); // seen again: kept once
    expect((await readHead(pool, ledgerId)).cursor).toEqual(cursor);
    const listed = await waitingFrames(pool, ledgerId);
    expect(listed.map(({ number, reason }) => [number, reason])).toEqual([
      [0, 'custody.forged'],
      [2, null],
      [3, null],
      [3, null],
    ]);
    expect((await heldFrames(pool, ledgerId, 'a', 2, 1)).map(({ bytes }) => bytes)).toEqual([kept[0]!.bytes]);
    expect(await heldFrames(pool, ledgerId, 'a', 3, 10)).toHaveLength(2);

    const write = await blockAfterHead(pool, ledgerId);
    await commitBlock(pool, { ...write, frames: [frame(1, 4), frame(2, 5), frame(3, 6)] });
    expect(await heldFrames(pool, ledgerId, 'a', 1, 10)).toMatchObject([{ number: 3, hash: specHash('forged') }]);
    const stored = await store.sql(
      `SELECT number::int, bytes IS NULL AS dropped FROM everseal.frame
       WHERE ledger_id = ${ledgerId} AND position IS NOT NULL ORDER BY number`,
    );
    expect(stored).toEqual([1, 2, 3].map((number) => ({ number, dropped: true })));
  });

  it('in quarantine can still be sealed when they turn out to be true', async () => {
    await commitBlock(pool, await blockAfterHead(pool, ledgerId));
    const head = expectHead(await readHead(pool, ledgerId));
    await advanceCursor(pool, head, CURSOR, [waiting(1, 'custody.forged')]);
    const write = await blockAfterHead(pool, ledgerId);
    await commitBlock(pool, { ...write, frames: [frame(1, 5)] });
    expect(await framesAt(pool, ledgerId, 'a', [1])).toEqual([frame(1, 5)]);
    expect(await waitingFrames(pool, ledgerId)).toEqual([]);
  });

  it('are found by number, and the newest of every lane whatever was sealed late', async () => {
    const write = await blockAfterHead(pool, ledgerId, 20);
    const frames = [frame(1, 1), frame(5, 2), frame(3, 3), frame(1, 4, 'b'), frame(12, 5, 'c'), frame(2, 6, 'c')];
    await commitBlock(pool, { ...write, frames });
    const heads = await frameHeads(pool, ledgerId);
    expect(heads.map(({ ingester, number }) => [ingester, number])).toEqual([
      ['a', 5],
      ['b', 1],
      ['c', 12],
    ]);
    expect(await framesAt(pool, ledgerId, 'a', [1, 2, 3])).toEqual([frame(1, 1), frame(3, 3)]);
    expect(await sealedFrameAfter(pool, ledgerId, 'a', 1)).toEqual(frame(3, 3));
    expect(await sealedFrameAfter(pool, ledgerId, 'a', 0)).toEqual(frame(1, 1));
    expect(await sealedFrameAfter(pool, ledgerId, 'z', 0)).toBeNull();
    expect(await framesBetween(pool, ledgerId, 'a', 2, 5)).toEqual([frame(3, 3), frame(5, 2)]);
    const other = await createLedger(pool, `audit.example.com/empty${ledgers}`, CURSOR);
    expect(await frameHeads(pool, other)).toEqual([]);
  });

  it('are sealed by the thousand in one block', async () => {
    const write = await blockAfterHead(pool, ledgerId, 8_192);
    const frames = Array.from({ length: 4_096 }, (_, i) => ({
      ...frame(i + 1, 1 + 2 * i),
      sequence: i % 2 ? i : null,
    }));
    await commitBlock(pool, { ...write, frames });
    expect(await framesAt(pool, ledgerId, 'a', [1, 2, 4_096])).toEqual([frames[0], frames[1], frames[4_095]]);
  });
});

describe('tiles', () => {
  it('come back as written, the missing ones left out', async () => {
    const tiles = [tile(0), tile(1), tile(0, 1), tile(300, 3)];
    await commitBlock(pool, { ...(await blockAfterHead(pool, ledgerId)), tiles });
    const refs = [
      { level: 0, number: 1 },
      { level: 0, number: 2 },
      { level: 3, number: 300 },
      { level: 1, number: 1 },
    ];
    const found = await readTiles(pool, ledgerId, refs);
    expect(found).toHaveLength(2);
    expect(found).toEqual(expect.arrayContaining([tiles[1], tiles[3]]));
    expect(await tileRoots(pool, ledgerId, 0, 0, 5)).toEqual(
      [0, 1].map((number) => ({ number, root: tile(number).root })),
    );
    expect(await countTiles(pool, ledgerId, 2)).toBe(0);
    expect(await readTiles(pool, ledgerId, [])).toEqual([]);
    const hashes = await readTileHashes(pool, ledgerId, refs);
    expect(hashes).toHaveLength(2);
    for (const { level, number, data } of found) expect(hashes).toContainEqual({ level, number, data });
    expect(await readTileHashes(pool, ledgerId, [])).toEqual([]);
    await store.sql(`
      ALTER TABLE everseal.tile DISABLE TRIGGER append_only, DROP CONSTRAINT tile_data_check;
      UPDATE everseal.tile SET data = data || '\\x00' WHERE ledger_id = ${ledgerId} AND level = 3;
      ALTER TABLE everseal.tile ENABLE ALWAYS TRIGGER append_only`);
    expect((await readTileHashes(pool, ledgerId, refs)).map(({ level }) => level)).toEqual([0]);
  });

  it('give single leaf hashes', async () => {
    await commitBlock(pool, { ...(await blockAfterHead(pool, ledgerId)), tiles: [tile(0), tile(1)] });
    const hashes = await readLeafHashes(pool, ledgerId, [0, 255, 256, 511, 512]);
    expect(hashes).toEqual(new Map([0, 255, 256, 511].map((position) => [position, specHash(`leaf ${position}`)])));
  });

  it('give the newest position of a leaf hash below another', async () => {
    await commitBlock(pool, { ...(await blockAfterHead(pool, ledgerId)), tiles: [tile(0), tile(1)] });
    const find = (position: number, before: number): Promise<number | null> =>
      findLeaf(pool, ledgerId, specHash(`leaf ${position}`), before);
    for (const position of [0, 1, 255, 256, 511]) {
      expect(await find(position, 9_000_000)).toBe(position);
      expect([await find(position, position), await find(position, position + 1)]).toEqual([null, position]);
    }
    expect(await find(512, 9_000_000)).toBeNull();
  });
});
