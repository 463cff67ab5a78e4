import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { formatHoldAnswer, sha256, type Hash } from '@everseal/audit-core';
import { createLogger } from '@everseal/process';
import { TestPostgres } from '@everseal/testing';
import { DOMAIN, genesisKeys, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { CheckpointLedger } from './checkpoint-ledger.js';
import { recoverHead } from './recover-head.js';
import type { Sealed } from './seal-ledger.js';
import { SealerStore } from './sealer-store.fixture.js';
import { SignerMemory } from './signer-memory.js';

let server: TestPostgres;
let ledger: SealerStore;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  ledger = await SealerStore.create(server, `confirm${databases++}`);
});
afterEach(() => ledger.close());
afterAll(() => server.stop());

/** The sealed state that recovery finds, confirmed against a signer that signed this; no verifier cosigned anything. */
async function confirm(size: number, root: Hash): Promise<void> {
  const { tree, height, tiles, keysNote, keysIndex, lanes } = await recoverHead(ledger.recoverFrom);
  const sealed: Sealed = {
    height: height - 1,
    size: tree.size,
    root: tree.root(),
    sealed: '',
    keys: genesisKeys(),
    keysNote,
    keysIndex,
    heads: lanes.snapshot(),
    tiles,
    fence: 1,
  };
  const memory = SignerMemory.open(path.join(ledger.folder.path, 'main.checkpoint'), ORIGIN, KEYS.log);
  memory.sign(size, root);
  const answer = formatHoldAnswer({ size: 0, root: Buffer.alloc(32), checkpoint: '' });
  const checkpoints = new CheckpointLedger({
    origin: ORIGIN,
    domain: DOMAIN,
    ledger: 'main',
    ledgerId: ledger.ledgerId,
    pool: ledger.pool,
    memory,
    logKey: KEYS.log.verifier,
    verifiers: ['v1'],
    alerts: ledger.alerts,
    log: createLogger('sealer', 's1', 'silent'),
    ask: () => Promise.resolve({ status: null, data: answer }),
    announce: () => Promise.reject(new Error('nothing is announced here')),
    onCosigned: () => {},
  });
  await checkpoints.confirmHead(tree.size, sealed);
}

describe("the signer's memory against the head", () => {
  it('lets sealing go on when both sizes and roots agree, now and at an older size', async () => {
    const older = await ledger.sealEvents(300);
    const newest = await ledger.sealEvents(300);
    await confirm(older.size, older.root);
    await confirm(newest.size, newest.root);
  });

  it('does not mind a spoiled tile', async () => {
    const older = await ledger.sealEvents(300);
    await ledger.sealEvents(300);
    await ledger.tamper('UPDATE everseal.tile SET data = set_byte(data, 9, get_byte(data, 9) # 1) WHERE number = 1');
    await confirm(older.size, older.root);
    expect(ledger.alertCodes).toEqual(['tile.altered']);
  });

  it.each([0, 1])('stops for another root at the newest size minus %i blocks', async (back) => {
    const cuts = [await ledger.sealEvents(300), await ledger.sealEvents(300)];
    const other = sha256(Buffer.from('another history'));
    await expect(confirm(cuts[1 - back]!.size, other)).rejects.toMatchObject({ code: 'checkpoint.mismatch' });
  });

  it('stops when more was signed than the database holds', async () => {
    const { size, root } = await ledger.sealEvents(3);
    await expect(confirm(size + 1, root)).rejects.toMatchObject({ code: 'log.rolled-back' });
  });
});
