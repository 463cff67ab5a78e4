import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  formatTimestamp,
  ingestKeyName,
  leafHash,
  NOTE_KEY,
  operatorKeyName,
  sha256,
  signKeySet,
  SigningKey,
  type Hash,
  type KeySet,
} from '@everseal/audit-core';
import { TestPostgres } from '@everseal/testing';
import { DOMAIN, genesisKeys, KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { recoverHead } from './recover-head.js';
import { SealerStore } from './sealer-store.fixture.js';

let server: TestPostgres;
let ledger: SealerStore;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  ledger = await SealerStore.create(server, `keys${databases++}`);
  await ledger.sealEvents(3);
  previous = leafHash(ledger.writer.genesis);
  current = genesisKeys();
});
afterEach(() => ledger.close());
afterAll(() => server.stop());

/** The newest set, and the hash of its note. */
let current: KeySet;
let previous: Hash;
const seeded = (name: string, seed: string): SigningKey =>
  SigningKey.fromSeed(name, sha256(Buffer.from(seed)), NOTE_KEY);
const LATER_LOG = seeded(ORIGIN, 'a later log key');

/** The next key set, changed so, signed as it must be unless told otherwise. */
function nextSet(over: Partial<KeySet>, { log = KEYS.log, operator = KEYS.operator } = {}): string {
  const time = formatTimestamp(Date.parse(current.time) + 1_000);
  const set = { ...current, previous, time, ...over };
  const note = signKeySet(set, log, operator);
  [current, previous] = [set, leafHash(Buffer.from(note))];
  return note;
}

const ingestKey = (name: string): SigningKey => testKey(ingestKeyName(DOMAIN, name));
const recovered = async (): Promise<[KeySet, number]> => {
  const { keys, keysIndex } = await recoverHead(ledger.recoverFrom);
  return [keys, keysIndex];
};

describe('the key set in force', () => {
  it('is found over any number of sets, near and far apart, and over a change of the log key', async () => {
    const [c, d, e] = ['c', 'd', 'e'].map((name) => ingestKey(name).verifier);
    expect(await recovered()).toEqual([current, 0]);
    const first = await ledger.sealKeys(nextSet({ ingest: [...current.ingest, c!] }));
    expect(await recovered()).toEqual([current, first]);
    for (let i = 0; i < 3; i++) await ledger.sealEvents(300);
    const second = await ledger.sealKeys(nextSet({ log: LATER_LOG.verifier, ingest: [d!] }), LATER_LOG);
    const third = await ledger.sealKeys(nextSet({ ingest: [e!] }, { log: LATER_LOG }));
    expect(await recovered()).toEqual([current, third]);
    const { formerIngest } = await recoverHead(ledger.recoverFrom);
    expect(formerIngest.map(({ name }) => name)).toEqual([...genesisKeys().ingest, c!, d!].map(({ name }) => name));
    // Back to the tiles from behind them, and within the last 256 entries.
    expect(third - second).toBeLessThan(256);
    expect(second - first).toBeGreaterThan(2 * 256);
    for (let i = 0; i < 2; i++) await ledger.sealEvents(300);
    expect(await recovered()).toEqual([current, third]);
  });

  it.each<[string, { log?: SigningKey; operator?: SigningKey }, string]>([
    ['a log key of its own', { log: seeded(ORIGIN, 'thief') }, 'note.line-key'],
    ['an operator that nobody named', { operator: seeded(operatorKeyName(DOMAIN, 'x'), 'thief') }, 'note.line-key'],
  ])('is none in whose chain a set is signed by %s; control: the same sets, signed right', async (_, by, cause) => {
    for (const signers of [{}, by]) {
      await ledger.sealKeys(nextSet({ time: formatTimestamp(Date.parse(current.time) + 1_000) }, signers));
      await ledger.sealEvents(1);
      await ledger.sealKeys(nextSet({}));
      const found = recoverHead(ledger.recoverFrom);
      if (signers === by) {
        await expect(found).rejects.toMatchObject({ code: 'head.damaged', fate: 'stop', cause: { code: cause } });
      } else expect((await found).keys).toEqual(current);
    }
  });

  it('is none that leads to no set of this log', async () => {
    const other = sha256(Buffer.from('a set of another log'));
    await ledger.sealKeys(nextSet({ previous: other }));
    await expect(recoverHead(ledger.recoverFrom)).rejects.toMatchObject({ code: 'head.keys', fate: 'stop' });
  });

  it('is none that skips a set between', async () => {
    await ledger.sealKeys(nextSet({ operators: [seeded(operatorKeyName(DOMAIN, 'new'), 'new').verifier] }));
    const skipping = nextSet({ previous: leafHash(ledger.writer.genesis) });
    // Its own chain is whole, from entry 0 on: that a set stands between is for the verifier to see, who reads all.
    await ledger.sealKeys(skipping);
    await expect(recoverHead(ledger.recoverFrom)).resolves.toMatchObject({ keys: { previous: current.previous } });
  });

  it('is no frame, whatever the head row says', async () => {
    await ledger.tamper('UPDATE everseal.ledger_head SET keys_index = 2');
    await expect(recoverHead(ledger.recoverFrom)).rejects.toMatchObject({ code: 'head.damaged', fate: 'stop' });
  });
});
