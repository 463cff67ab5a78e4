/** Keys that nobody told this verifier of: key sets as the log's own writer makes them, files as operators place them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { leafHash, signKeyOrder, signKeySet, type KeySet, type LogMemory, type LogTrust } from '@everseal/audit-core';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { genesisKeys, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { KeyGuard } from './key-guard.js';

const GENESIS = Buffer.from(signKeySet(genesisKeys(), KEYS.log, KEYS.operator));
const TRUST: LogTrust = { origin: ORIGIN, genesis: leafHash(GENESIS) };
/** Signed as it has to be, and it names only ingester a. */
const NEXT: KeySet = { ...genesisKeys(), previous: leafHash(GENESIS), ingest: [KEYS.a.verifier] };
const NEXT_NOTE = Buffer.from(signKeySet(NEXT, KEYS.log, KEYS.operator));

type InForce = Pick<LogMemory, 'keys' | 'keysHash' | 'keysIndex'>;
const AT_FIRST: InForce = { keys: genesisKeys(), keysHash: leafHash(GENESIS), keysIndex: 0 };
const LATER: InForce = { keys: NEXT, keysHash: leafHash(NEXT_NOTE), keysIndex: 42 };

let folder: TemporaryFolder;
let genesisFile: string;
let keySetsDir: string;
let alerts: SpecBook;
beforeEach(() => {
  folder = temporaryFolder('keys');
  genesisFile = path.join(folder.path, 'genesis.note');
  keySetsDir = path.join(folder.path, 'keys');
  writeFileSync(genesisFile, GENESIS);
  alerts = new SpecBook();
});
afterEach(() => {
  alerts.remove();
  folder.remove();
});

function look(inForce: InForce, dir: string | null = keySetsDir): string[] {
  new KeyGuard(alerts.book, { trust: TRUST, genesisFile, keySetsDir: dir, memory: () => inForce }).look();
  return alerts.open;
}

describe('a key set in the log', () => {
  it('that this verifier was not told of raises key.unknown, until it is told', async () => {
    expect(look(AT_FIRST)).toEqual([]);
    expect(look(LATER)).toEqual(['key.unknown']);
    expect(look(LATER)).toEqual(['key.unknown']);
    expect((await alerts.lastRaised()).detail).toContain('entry 42');
    mkdirSync(keySetsDir);
    expect(look(LATER)).toEqual(['key.unknown']);
    writeFileSync(path.join(keySetsDir, '42.note'), NEXT_NOTE);
    expect(look(LATER)).toEqual([]);
    expect(await alerts.sent()).toHaveLength(2);
    expect(look(LATER, null)).toEqual(['key.unknown']);
  });

  it('that it was told of beforehand raises nothing; control: another set does', () => {
    mkdirSync(keySetsDir);
    writeFileSync(path.join(keySetsDir, '2026-02.note'), NEXT_NOTE);
    writeFileSync(path.join(keySetsDir, 'README'), 'not a note');
    expect(look(AT_FIRST)).toEqual([]);
    expect(look(LATER)).toEqual([]);
    const another = { ...NEXT, ingest: [KEYS.b.verifier] };
    expect(look({ keys: another, keysHash: leafHash(Buffer.from('another')), keysIndex: 42 })).toEqual(['key.unknown']);
  });

  it('is told by the order for it as well, before the log key has signed', () => {
    mkdirSync(keySetsDir);
    writeFileSync(path.join(keySetsDir, 'order.note'), signKeyOrder(NEXT, KEYS.operator));
    writeFileSync(path.join(keySetsDir, 'spoiled.note'), 'not a note');
    expect(look(LATER)).toEqual([]);
  });

  it('is not asked for before the first block was read', () => {
    expect(look({ keys: null, keysHash: Buffer.alloc(32), keysIndex: -1 })).toEqual([]);
  });
});

describe('the genesis file of the settings', () => {
  it.each([
    ['was replaced', () => writeFileSync(genesisFile, NEXT_NOTE), 'another key set'],
    ['is gone', () => rmSync(genesisFile), 'is gone'],
  ])('that %s raises key.changed, until it is put back', async (_, spoil, words) => {
    expect(look(AT_FIRST)).toEqual([]);
    spoil();
    expect(look(AT_FIRST)).toEqual(['key.changed']);
    expect((await alerts.lastRaised()).detail).toContain(words);
    writeFileSync(genesisFile, GENESIS);
    expect(look(AT_FIRST)).toEqual([]);
  });
});
