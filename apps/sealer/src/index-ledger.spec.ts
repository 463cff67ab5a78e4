import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readIndexHead } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { TestPostgres } from '@everseal/testing';
import { ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { IndexLedger } from './index-ledger.js';
import { SealerStore } from './sealer-store.fixture.js';

let server: TestPostgres;
let ledger: SealerStore;
let index: IndexLedger;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  ledger = await SealerStore.create(server, `index${databases++}`);
  const pool = await ledger.store.sealer({ transactions: 'long', max: 2 });
  index = new IndexLedger(pool, ledger.ledgerId, ORIGIN, ledger.alerts, () => {});
  await ledger.sealEvents(5);
});
afterEach(() => ledger.close());
afterAll(() => server.stop());

const moveHead = (to: number): Promise<void> => ledger.tamper(`UPDATE everseal.index_head SET position = ${to}`);
const head = (): Promise<number> => readIndexHead(ledger.pool, ledger.ledgerId);

describe('the event index behind sealing', () => {
  it('follows the sealed blocks; a standby leaves it alone', async () => {
    await moveHead(3);
    expect(await index.round()).toBeGreaterThan(0);
    await moveHead(0);
    index.offer(ledger.tree.size, null);
    expect(await index.round()).toBe(0);
    expect(await head()).toBe(ledger.tree.size);
    expect(ledger.alertCodes).toEqual([]);
  });

  it.each([
    ['its head was moved into a block', () => moveHead(3), () => moveHead(0)],
    ['its head was moved beyond the log', () => moveHead(9_000), () => moveHead(0)],
    [
      'a body cannot be read',
      () =>
        ledger.tamper(`CREATE TABLE public.kept AS TABLE everseal.block_body;
                           UPDATE everseal.block_body SET body = '\\x00ff'`),
      () =>
        ledger.tamper('UPDATE everseal.block_body b SET body = k.body FROM public.kept k WHERE k.height = b.height'),
    ],
  ])('raises an alert when %s, tries again, and clears it', async (_, damage, repair) => {
    await damage();
    index.offer(ledger.tree.size, null);
    await expect(index.round()).rejects.toMatchObject({ code: 'index.altered', fate: 'retry' });
    await expect(index.round()).rejects.toMatchObject({ code: 'index.altered', fate: 'retry' });
    expect(ledger.alertCodes).toEqual(['index.altered']);
    await repair();
    expect(await index.round()).toBe(0);
    expect(await head()).toBe(ledger.tree.size);
    expect(ledger.alertCodes).toEqual([]);
  });

  it('raises none when another sealer has gone on with it, and follows. Control: moved beyond the log it is one', async () => {
    const pool = await ledger.store.sealer({ transactions: 'long', max: 2 });
    const other = new IndexLedger(pool, ledger.ledgerId, ORIGIN, ledger.alerts, () => {});
    index.offer(ledger.tree.size, null);
    expect(await index.round()).toBe(0);
    await ledger.sealEvents(5);
    for (const one of [other, index]) one.offer(ledger.tree.size, null);
    expect(await other.round()).toBe(0);
    await expect(index.round()).rejects.toMatchObject({ code: 'index.moved', fate: 'retry' });
    expect(await index.round()).toBeGreaterThan(0);
    expect([await head(), ledger.alertCodes]).toEqual([ledger.tree.size, []]);

    await moveHead(9_000);
    await ledger.sealEvents(5);
    index.offer(ledger.tree.size, null);
    await expect(index.round()).rejects.toMatchObject({ code: 'index.moved' });
    await expect(index.round()).rejects.toMatchObject({ code: 'index.altered' });
    expect(ledger.alertCodes).toEqual(['index.altered']);
  });

  it('raises an alert for an event that bears an earlier id with other bytes, and goes on; a copy raises none', async () => {
    const event = (content: number): string => `{"id":"x","source":"urn:a","data":${content}}`;
    await ledger.seal(ledger.writer.frame('a', [event(1), event(1)]));
    index.offer(ledger.tree.size, null);
    while ((await head()) < ledger.tree.size) await index.round();
    expect(ledger.alertCodes).toEqual([]); // the control: same bytes
    await ledger.seal(ledger.writer.frame('b', [event(2)]));
    index.offer(ledger.tree.size, null);
    while ((await head()) < ledger.tree.size) await index.round();
    expect(ledger.alertCodes).toEqual(['event.conflict']);
  });

  it('raises none when Postgres cannot be asked', async () => {
    const pool = await ledger.store.sealer({ port: 1 });
    const away = new IndexLedger(pool, ledger.ledgerId, ORIGIN, ledger.alerts, () => {});
    away.offer(ledger.tree.size, null);
    await expect(away.round()).rejects.toMatchObject({ code: 'store.unavailable' });
    expect(ledger.alertCodes).toEqual([]);
  });

  it('sends no further rows while a block is committed, and goes on after it; control: all of them when none is', async () => {
    const pool = await ledger.store.sealer({ transactions: 'long', max: 2 });
    let committing = Promise.resolve();
    let asked = 0;
    const giveWay = (): Promise<void> => {
      asked++;
      return committing;
    };
    const polite = new IndexLedger(pool, ledger.ledgerId, ORIGIN, ledger.alerts, () => {}, giveWay);
    const sealLarge = async (): Promise<void> => {
      await ledger.seal(...Array.from({ length: 16 }, () => ledger.writer.frame('a', Array<string>(512).fill('{}'))));
      polite.offer(ledger.tree.size, null);
    };
    await sealLarge();
    while ((await polite.round()) === 0);
    const before = ledger.tree.size;
    expect(await head()).toBe(before);
    expect(asked).toBeGreaterThan(1);

    await sealLarge();
    asked = 0;
    let committed = (): void => {};
    committing = new Promise((resolve) => (committed = resolve));
    const round = polite.round();
    await waitUntil(() => asked === 1, { what: 'the end of the first part' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([asked, await head()]).toEqual([1, before]);
    committed();
    expect(await round).toBe(0);
    expect(await head()).toBe(ledger.tree.size);
  });
});
