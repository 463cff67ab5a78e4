import { describe, expect, it } from '@jest/globals';
import { TILE_WIDTH, type TileRef } from '@everseal/audit-core';
import { TileFetch, type FoundTile } from './tile-fetch.js';

const ref = (number: number): TileRef => ({ level: 0, number, width: TILE_WIDTH });
const found = ({ level, number }: TileRef): FoundTile => ({ level, number, data: Buffer.from(`tile ${number}`) });
/** Until all that is ready to run has run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A store whose statements end when the spec says so. */
class SlowStore {
  readonly statements: {
    refs: readonly TileRef[];
    end: (rows: readonly FoundTile[]) => void;
    fail: (error: Error) => void;
  }[] = [];
  readonly fetch = new TileFetch((refs) => new Promise((end, fail) => void this.statements.push({ refs, end, fail })));

  get asked(): number[][] {
    return this.statements.map(({ refs }) => refs.map(({ number }) => number));
  }

  endAll(): void {
    for (const { refs, end } of this.statements) end(refs.map(found));
  }
}

describe('reading tiles for many', () => {
  it('asks at once for what one caller wants, with one statement, each tile once', async () => {
    const store = new SlowStore();
    const all = Promise.all([3, 1, 3].map((number) => store.fetch.get(ref(number))));
    await settled();
    expect(store.asked).toEqual([[3, 1]]);
    store.endAll();
    expect((await all).map(String)).toEqual(['tile 3', 'tile 1', 'tile 3']);
  });

  it('runs two statements, and collects for the next what comes meanwhile', async () => {
    const store = new SlowStore();
    const all: Promise<Buffer | undefined>[] = [];
    for (let number = 0; number < 8; number++) {
      all.push(store.fetch.get(ref(number)));
      await settled();
    }
    expect(store.asked).toEqual([[0], [1]]);
    store.statements[1]!.end([found(ref(1))]);
    await settled();
    expect(store.asked).toEqual([[0], [1], [2, 3, 4, 5, 6, 7]]);
    store.endAll();
    expect((await Promise.all(all)).map(String)).toEqual(all.map((_, number) => `tile ${number}`));
  });

  it('asks for 64 tiles at most with one statement', async () => {
    const store = new SlowStore();
    const all = Promise.all(Array.from({ length: 150 }, (_, number) => store.fetch.get(ref(number))));
    for (const statements of [2, 3]) {
      await settled();
      expect(store.asked).toHaveLength(statements);
      store.endAll();
    }
    expect(store.asked.map(({ length }) => length)).toEqual([64, 64, 22]);
    expect((await all).map(String)).toEqual(Array.from({ length: 150 }, (_, number) => `tile ${number}`));
  });

  it('has nothing for a tile that is not there', async () => {
    const store = new SlowStore();
    const both = Promise.all([store.fetch.get(ref(0)), store.fetch.get(ref(1))]);
    await settled();
    store.statements[0]!.end([found(ref(1))]);
    expect((await both).map((tile) => tile?.toString())).toEqual([undefined, 'tile 1']);
  });

  it('fails all who wait for a statement that failed, and goes on with the next', async () => {
    const store = new SlowStore();
    const first = [store.fetch.get(ref(0)), store.fetch.get(ref(1))];
    await settled();
    const second = store.fetch.get(ref(2));
    await settled();
    store.statements[0]!.fail(new Error('away'));
    expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const third = store.fetch.get(ref(3));
    await settled();
    store.endAll();
    expect([String(await second), String(await third)]).toEqual(['tile 2', 'tile 3']);
  });
});
