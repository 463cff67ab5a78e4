import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DebtBook,
  leafHash,
  parseAnnouncement,
  proveInclusionFromTiles,
  rootFromTiles,
  signCheckpoint,
  verifyConsistency,
  verifyInclusion,
  ZERO_HASH,
  type TileReader,
} from '@everseal/audit-core';
import { readTiles } from '@everseal/ledger-store';
import { TestPostgres } from '@everseal/testing';
import { genesisKeys, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { buildAnnouncement, proveGrowth } from './announce.js';
import { rebuildTile } from './rebuild-tile.js';
import { recoverHead } from './recover-head.js';
import type { Sealed } from './sealing.js';
import { SealerStore } from './sealer-store.fixture.js';

/** Of a frame that paid its part of a debt. */
const NO_LINK = { hash: ZERO_HASH, previous: ZERO_HASH, accepted: '' };

let server: TestPostgres;
let ledger: SealerStore;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  ledger = await SealerStore.create(server, `tiles${databases++}`);
});
afterEach(() => ledger.close());
afterAll(() => server.stop());

/** As a sealer that has just started sees it: no tile is in memory, and the lane's head is its first frame. */
async function sealed(): Promise<Sealed> {
  const { tree, tiles, keysNote, keysIndex, lanes, debts, height } = await recoverHead(ledger.recoverFrom);
  const head = lanes.head('a')!;
  return {
    height: height - 1,
    size: tree.size,
    root: tree.root(),
    sealed: '',
    keys: genesisKeys(),
    keysNote,
    keysIndex,
    keysBefore: [],
    logKey: KEYS.log,
    logKeys: [KEYS.log.verifier],
    heads: new Map([['a', head]]),
    debts,
    tiles,
    fence: 1,
  };
}

const announced = async (state: Sealed): Promise<boolean> => {
  const note = signCheckpoint({ origin: ORIGIN, size: state.size, root: state.root }, KEYS.log);
  const { keys } = parseAnnouncement(await buildAnnouncement(state, note));
  return verifyInclusion(keys.index, state.size, leafHash(Buffer.from(keys.note)), keys.proof, state.root);
};

const spoil = (tile: string): Promise<void> =>
  ledger.tamper(`UPDATE everseal.tile SET data = set_byte(data, 40, get_byte(data, 40) # 1) WHERE ${tile}`);

const fromStore: TileReader = async (refs) => {
  const rows = await readTiles(ledger.pool, ledger.ledgerId, refs);
  const stored = new Map(rows.map(({ level, number, data }) => [`${level}/${number}`, data]));
  return refs.map(({ level, number, width }) => {
    const data = stored.get(`${level}/${number}`) ?? ledger.tree.partial(level);
    return data.subarray(0, width * 32);
  });
};

describe('proofs out of stored tiles', () => {
  beforeEach(async () => {
    for (let i = 0; i < 4; i++) await ledger.sealEvents(300);
  });

  it('are made of the stored tiles, without an alert', async () => {
    expect(await announced(await sealed())).toBe(true);
    expect(ledger.alertCodes).toEqual([]);
  });

  it('go out with debts of any number of ranges, each of them covered', async () => {
    const last = Number.MAX_SAFE_INTEGER - 1;
    const links = new Map(Array.from({ length: 40_000 }, (_, i) => [last + 1 - 2 * i, NO_LINK] as const));
    links.set(1, NO_LINK);
    const state = await sealed();
    const heads = new Map([['a', { ...state.heads.get('a')!, number: last + 1 }]]);
    const debts = new DebtBook([{ ingester: 'a', first: 2, last, links }]);
    const announcement = await buildAnnouncement({ ...state, heads, debts }, 'no checkpoint');
    const [head] = parseAnnouncement(announcement).heads;
    const covered = debts
      .ranges('a')
      .every(([from, to]) => head!.debts.some(([low, high]) => low <= from && to <= high));
    expect([debts.ranges('a').length, covered]).toEqual([40_000, true]);
  });

  it.each([
    ['one byte of a tile is altered', () => spoil('level = 0 AND number = 0')],
    ['a tile is gone', () => ledger.tamper('DELETE FROM everseal.tile WHERE level = 0 AND number = 0')],
  ])('verify when %s, and it is said aloud', async (_, act) => {
    const state = await sealed();
    await act();
    expect(await announced(state)).toBe(true);
    expect(ledger.alertCodes).toEqual(['tile.altered']);
    expect(await announced(state)).toBe(true);
    expect(ledger.alertCodes).toEqual(['tile.altered']);
  });

  it('would be false without the check', async () => {
    const { size, root, keysNote } = await sealed();
    await spoil('level = 0 AND number = 0');
    const proof = await proveInclusionFromTiles(0, size, fromStore);
    expect(verifyInclusion(0, size, leafHash(Buffer.from(keysNote)), proof, root)).toBe(false);
  });

  it('of growth verify, too', async () => {
    const state = await sealed();
    const old = 301; // not a whole block: only tiles give its root
    const before = await rootFromTiles(old, fromStore);
    await spoil('level = 0 AND number = 1');
    const proof = await proveGrowth(state, old);
    expect(verifyConsistency(old, state.size, proof, before, state.root)).toBe(true);
    expect(ledger.alertCodes).toEqual(['tile.altered']);
  });

  it('are not made when the bodies are gone as well: later', async () => {
    const state = await sealed();
    await spoil('level = 0 AND number = 0');
    await ledger.tamper('DELETE FROM everseal.block_body WHERE height = 0');
    await expect(announced(state)).rejects.toMatchObject({ code: 'proof.broken', fate: 'retry' });
  });
});

describe('a tile made anew', () => {
  it('is the one of the tree on every level', async () => {
    const events = Array<string>(511).fill('{}');
    for (let block = 0; block < 9; block++) {
      await ledger.seal(...Array.from({ length: 15 }, () => ledger.writer.frame('a', events)));
    }
    const { pool, ledgerId, tree } = ledger;
    const full = (level: number, number: number) => ({ level, number, width: 256 });
    const find = async (level: number, number: number): Promise<Buffer | null> =>
      (await readTiles(pool, ledgerId, [{ level, number }]))[0]?.data ?? null;
    const stored = [await find(0, 17), await find(1, 0)];
    expect(await rebuildTile(pool, ledgerId, full(0, 17), find)).toEqual(stored[0]);
    expect(await rebuildTile(pool, ledgerId, full(1, 0), find)).toEqual(stored[1]);
    const edge = { level: 1, number: 1, width: tree.partial(1).length / 32 };
    expect(await rebuildTile(pool, ledgerId, edge, find)).toEqual(tree.partial(1));
    // Level 2 out of the tile below, which is altered and therefore made anew.
    await spoil('level = 1 AND number = 0');
    const told = (level: number, number: number): Promise<Buffer | null> =>
      level === 2 ? Promise.resolve(tree.partial(2)) : find(level, number);
    expect(await rebuildTile(pool, ledgerId, { level: 2, number: 0, width: 1 }, told)).toEqual(tree.partial(2));
  }, 60_000);
});
