import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { blockAfterHead, CURSOR, SpecStore } from '../store.fixture.js';
import { anchorsAt, insertAnchor } from './anchor.js';
import { commitBlock } from './block.js';
import { checkpointAt, checkpointsAfter, insertCheckpoint, newestCheckpoint } from './checkpoint.js';
import { cosignedCheckpoints } from './audited-checkpoint.js';
import { cosignaturesAt, insertCosignature, newestCosignatureBy } from './cosignature.js';
import { acquireLease, releaseLease } from './lease.js';
import { createLedger, findLedger, listLedgers } from './ledger.js';
import { newestCosignedBy } from './published.js';

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let ledgers = 0;
let ledgerId: number;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'checkpoint');
  pool = await store.sealer();
});
beforeEach(async () => {
  ledgerId = await createLedger(pool, `audit.example.com/l${ledgers++}`, CURSOR);
  await acquireLease(pool, ledgerId, 's1', 600_000);
  // Sizes 4, 8, 12.
  for (let i = 0; i < 3; i++) await commitBlock(pool, await blockAfterHead(pool, ledgerId, 3));
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

const NOTE = 'audit.example.com/main\n4\nroot\n\n— line é\n';

describe('checkpoints', () => {
  it('are found by size, newest and in order', async () => {
    expect(await newestCheckpoint(pool, ledgerId)).toBeNull();
    await insertCheckpoint(pool, ledgerId, 1, { size: 4, note: NOTE });
    await insertCheckpoint(pool, ledgerId, 1, { size: 12, note: 'other' });
    expect(await checkpointAt(pool, ledgerId, 4)).toEqual({ size: 4, note: NOTE });
    expect(await checkpointAt(pool, ledgerId, 8)).toBeNull();
    expect(await newestCheckpoint(pool, ledgerId)).toEqual({ size: 12, note: 'other' });
    expect((await checkpointsAfter(pool, ledgerId, 3, 1)).map(({ size }) => size)).toEqual([4]);
    expect((await checkpointsAfter(pool, ledgerId, 4, 9)).map(({ size }) => size)).toEqual([12]);
  });

  it('may be stored again, but not another one of the same size', async () => {
    await insertCheckpoint(pool, ledgerId, 1, { size: 4, note: NOTE });
    await insertCheckpoint(pool, ledgerId, 1, { size: 4, note: NOTE });
    const other = insertCheckpoint(pool, ledgerId, 1, { size: 4, note: `${NOTE}x` });
    await expect(other).rejects.toMatchObject({ code: 'store.checkpoint-conflict', fate: 'stop' });
    expect(await checkpointAt(pool, ledgerId, 4)).toEqual({ size: 4, note: NOTE });
  });

  it('are stored under the fence only', async () => {
    await releaseLease(pool, ledgerId, 1);
    await acquireLease(pool, ledgerId, 's2', 600_000);
    const late = insertCheckpoint(pool, ledgerId, 1, { size: 4, note: NOTE });
    await expect(late).rejects.toMatchObject({ code: 'store.fence-lost' });
    expect(await newestCheckpoint(pool, ledgerId)).toBeNull();
    await insertCheckpoint(pool, ledgerId, 2, { size: 4, note: NOTE });
  });

  it('stand at the end of a block', async () => {
    for (const size of [3, 5, 16]) {
      const inside = insertCheckpoint(pool, ledgerId, 1, { size, note: NOTE });
      await expect(inside).rejects.toMatchObject({ code: 'store.refused' });
    }
  });
});

describe('what others say about a checkpoint', () => {
  const line = {
    size: 4,
    signer: 'audit.example.com/verifier/v1',
    keyId: Buffer.from([0, 1, 254, 255]),
    line: '— v1 AAAA',
  };
  const anchor = { size: 4, kind: 'rfc3161', target: 'tsa.example.com', evidence: Buffer.from([0, 255, 1]) };

  it('is kept once a signer and once an anchor', async () => {
    await insertCheckpoint(pool, ledgerId, 1, { size: 4, note: NOTE });
    await insertCosignature(pool, ledgerId, line);
    await insertCosignature(pool, ledgerId, { ...line, line: '— v1 later' });
    await insertCosignature(pool, ledgerId, { ...line, keyId: Buffer.alloc(4) });
    expect(await cosignaturesAt(pool, ledgerId, 4)).toEqual([{ ...line, keyId: Buffer.alloc(4) }, line]);
    await insertAnchor(pool, ledgerId, anchor);
    await insertAnchor(pool, ledgerId, { ...anchor, evidence: Buffer.from('later') });
    expect(await anchorsAt(pool, ledgerId, 4)).toEqual([anchor]);
    expect(await anchorsAt(pool, ledgerId, 5)).toEqual([]);
  });

  it('is looked for by who says it', async () => {
    for (const size of [4, 8, 12]) await insertCheckpoint(pool, ledgerId, 1, { size, note: `note ${size}` });
    await insertCosignature(pool, ledgerId, line);
    await insertCosignature(pool, ledgerId, { ...line, size: 8 });
    await insertCosignature(pool, ledgerId, { ...line, size: 8, signer: 'north', line: '— north AAAA' });
    const newest = async (signers: string[], least = 0): Promise<number[]> =>
      (await newestCosignedBy(pool, ledgerId, signers, least, 9)).map(({ size }) => size);
    expect(await newest([line.signer])).toEqual([8, 4]);
    expect(await newest([line.signer], 8)).toEqual([8]);
    expect(await newest(['north', 'south'])).toEqual([8]);
    expect(await newest(['south'])).toEqual([]);
    const [both] = await newestCosignedBy(pool, ledgerId, ['north'], 0, 1);
    expect(both).toEqual({ size: 8, note: 'note 8', cosignatures: ['— v1 AAAA', '— north AAAA'] });
    const over = async (
      entry: number,
      which: 'first' | 'newest',
      signers: string[] | null,
      behind: number | null = null,
    ): Promise<number[]> => {
      const rows = await cosignedCheckpoints(pool, ledgerId, { over: entry, which, signers, behind, most: 9 });
      return rows.map(({ size }) => size);
    };
    expect(await over(0, 'first', null)).toEqual([4, 8]);
    expect(await over(0, 'newest', null)).toEqual([8, 4]);
    expect(await over(4, 'first', null)).toEqual([8]);
    expect(await over(0, 'first', ['north'])).toEqual([8]);
    expect(await over(8, 'first', null)).toEqual([]);
    expect(await over(0, 'first', null, 4)).toEqual([8]);
    expect(await over(0, 'newest', null, 8)).toEqual([4]);
    expect(await newestCosignatureBy(pool, ledgerId, line.signer, line.keyId)).toEqual({
      size: 8,
      note: 'note 8',
      line: line.line,
    });
    expect(await newestCosignatureBy(pool, ledgerId, line.signer, Buffer.alloc(4))).toBeNull();
  });

  it('needs the checkpoint', async () => {
    await expect(insertCosignature(pool, ledgerId, line)).rejects.toMatchObject({ code: 'store.refused' });
    await expect(insertAnchor(pool, ledgerId, anchor)).rejects.toMatchObject({ code: 'store.refused' });
  });
});

describe('ledgers', () => {
  it('are created once and found again', async () => {
    const origin = 'audit.example.com/again';
    expect(await findLedger(pool, origin)).toBeNull();
    const id = await createLedger(pool, origin, CURSOR);
    expect(await createLedger(pool, origin, CURSOR)).toBe(id);
    expect(await findLedger(pool, origin)).toBe(id);
    expect(await listLedgers(await store.reader())).toContainEqual({ ledgerId: id, origin });
  });

  it('are created once by several who start at the same time', async () => {
    const asked = Array.from({ length: 4 }, () => createLedger(pool, 'audit.example.com/at-once', CURSOR));
    expect(new Set(await Promise.all(asked)).size).toBe(1);
  });
});
