import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeBundle } from '@everseal/audit-core';
import { TestPostgres } from '@everseal/testing';
import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Pool } from 'pg';
import { blockAfterHead, CURSOR, SpecStore } from '../store.fixture.js';
import { commitBlock } from './block.js';
import { bodyOf, MAX_BODY_BYTES, readBodies, type StoredBlock } from './body.js';
import { databaseTime } from './clock.js';
import { readEntry } from './entry.js';
import { acquireLease } from './lease.js';
import { createLedger } from './ledger.js';

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let sweeper: Pool;
let ledgerId: number;
let ledgers = 0;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'body');
  pool = await store.sealer();
  sweeper = await store.verifier();
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

async function ledgerWith(bodies: readonly Buffer[], entries = 3): Promise<void> {
  ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
  await acquireLease(pool, ledgerId, 's1', 600_000);
  for (const body of bodies) await commitBlock(pool, { ...(await blockAfterHead(pool, ledgerId, entries)), body });
}

async function read(from: number, most: number, by = sweeper): Promise<StoredBlock[]> {
  const blocks: StoredBlock[] = [];
  for await (const block of readBodies(by, ledgerId, from, most)) blocks.push(block);
  return blocks;
}

describe('readBodies', () => {
  it('gives back every byte, of small and large bodies', async () => {
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const bodies = [
      Buffer.alloc(2),
      everyByte,
      Buffer.alloc(100_000, 0xff),
      randomBytes(5_000_000),
      randomBytes(65_536),
    ];
    await ledgerWith(bodies);
    const blocks = await read(0, 10);
    expect(blocks.map(({ height, first, next, entries }) => [height, first, next, entries])).toEqual(
      bodies.map((_, i) => [i, 4 * i, 4 * i + 4, 3]),
    );
    blocks.forEach(({ body, bodyBytes }, i) => {
      expect(body!.equals(bodies[i]!)).toBe(true);
      expect(bodyBytes).toBe(bodies[i]!.length);
    });
    expect((await read(3, 1)).map(({ height }) => height)).toEqual([3]);
    expect(await read(5, 10)).toEqual([]);
  });

  it('reads a hundred thousand entries in constant memory', async () => {
    const body = randomBytes(10_000 * 400);
    await ledgerWith(
      Array.from({ length: 10 }, () => body),
      9_999,
    );
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    gc();
    const before = process.memoryUsage().arrayBuffers;
    let entries = 0;
    let most = 0;
    for await (const block of readBodies(sweeper, ledgerId, 0, 10)) {
      entries += block.next - block.first;
      expect(block.body!.equals(body)).toBe(true);
      gc();
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    expect(entries).toBe(100_000);
    // 40 MB came through: one body of 4 MB at a time, and the socket's chunks.
    expect(most - before).toBeLessThan(16_000_000);
  });

  it('shows what is missing or far too large, and goes on', async () => {
    await ledgerWith([Buffer.from('00'), Buffer.from('01'), Buffer.from('02')]);
    await store.sql(`
      SET session_replication_role = 'replica';
      ALTER TABLE everseal.block_body DISABLE TRIGGER append_only, DROP CONSTRAINT block_body_body_check;
      DELETE FROM everseal.block_body WHERE ledger_id = ${ledgerId} AND height = 0;
      UPDATE everseal.block_body SET body = repeat('x', ${MAX_BODY_BYTES + 1})::bytea WHERE ledger_id = ${ledgerId} AND height = 1`);
    const blocks = await read(0, 10);
    expect(blocks.map(({ body, bodyBytes }) => [body?.toString() ?? null, bodyBytes])).toEqual([
      [null, null],
      [null, MAX_BODY_BYTES + 1],
      ['02', 2],
    ]);
  });

  it('refuses a number that is none, instead of rounding it', async () => {
    await ledgerWith([Buffer.from('00')]);
    await store.sql(`
      SET session_replication_role = 'replica';
      ALTER TABLE everseal.block DISABLE TRIGGER append_only;
      UPDATE everseal.block SET next = 9007199254740993, first = 9007199254740993 - entries - 1, height = 1
      WHERE ledger_id = ${ledgerId}`);
    await expect(read(0, 1)).rejects.toMatchObject({ code: 'store.unsafe-integer' });
  });

  it('may be left early; the pool goes on with other connections', async () => {
    await ledgerWith(Array.from({ length: 4 }, () => randomBytes(3_000_000)));
    const small = await store.sealer({ max: 1 });
    for (let round = 0; round < 3; round++) {
      for await (const block of readBodies(small, ledgerId, 0, 4)) {
        expect(block.height).toBe(0);
        break;
      }
    }
    expect(await read(0, 4, small)).toHaveLength(4);
  });

  it('takes nothing but integers into its SQL', async () => {
    await expect(read('0; DROP TABLE x' as never, 1)).rejects.toThrow(RangeError);
    await expect(read(0, 1.5)).rejects.toThrow(RangeError);
  });
});

describe('single entries', () => {
  it('come from the block they are in', async () => {
    const entries = ['a', 'b', 'c', 'block note'].map((entry) => Buffer.from(entry));
    await ledgerWith([encodeBundle(entries), encodeBundle(entries)]);
    expect((await bodyOf(pool, ledgerId, 3))?.height).toBe(0);
    expect((await bodyOf(pool, ledgerId, 4))?.height).toBe(1);
    expect(await bodyOf(pool, ledgerId, 8)).toBeNull();
    expect((await readEntry(pool, ledgerId, 5)).toString()).toBe('b');
    expect((await readEntry(pool, ledgerId, 7)).toString()).toBe('block note');
    await expect(readEntry(pool, ledgerId, 8)).rejects.toMatchObject({ code: 'store.unexpected-value' });
  });

  it('and the database tells its time', async () => {
    const [row] = await store.sql('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now');
    expect(await databaseTime(pool)).toBeGreaterThanOrEqual(Math.floor(row!.now as number));
  });
});
