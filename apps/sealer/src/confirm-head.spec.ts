import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NOTE_KEY, sha256, signCheckpoint, SigningKey, type Hash } from '@everseal/audit-core';
import { readHead } from '@everseal/ledger-store';
import { createLogger } from '@everseal/process';
import { TestPostgres } from '@everseal/testing';
import { DOMAIN, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { answersOf, type AnsweringVerifier } from './answering-verifiers.fixture.js';
import { CheckpointLedger } from './checkpoint-ledger.js';
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

/** What recovery finds, confirmed against what these verifiers say and what the log key signed last, if anything. */
async function confirm(
  verifiers: Readonly<Record<string, AnsweringVerifier>>,
  signed?: { size: number; root: Hash },
): Promise<void> {
  const memory = SignerMemory.open(path.join(ledger.folder.path, 'main.checkpoint'), ORIGIN);
  if (signed) memory.sign(signed.size, signed.root, KEYS.log);
  const checkpoints = new CheckpointLedger({
    origin: ORIGIN,
    domain: DOMAIN,
    ledger: 'main',
    ledgerId: ledger.ledgerId,
    pool: ledger.pool,
    memory,
    logKeys: () => [KEYS.log.verifier],
    verifiers: Object.keys(verifiers),
    alerts: ledger.alerts,
    log: createLogger('sealer', 's1', 'silent'),
    ask: answersOf(verifiers),
    announce: () => Promise.reject(new Error('nothing is announced here')),
    onCosigned: () => {},
  });
  const { size } = await readHead(ledger.pool, ledger.ledgerId);
  await checkpoints.confirmHead(size, size === 0 ? null : await ledger.sealed());
}

/** A verifier that cosigned this; without an argument, nothing yet. */
function witness(checkpoint?: { size: number; root: Hash }, key = KEYS.log): AnsweringVerifier {
  const { size = 0, root } = checkpoint ?? {};
  return { derives: () => null, cosigned: root ? signCheckpoint({ origin: ORIGIN, size, root }, key) : '' };
}

const silent: AnsweringVerifier = {};
const other = sha256(Buffer.from('another history'));

describe('what verifiers have cosigned against the head', () => {
  it('lets sealing go on when the database has all of it', async () => {
    const older = await ledger.sealEvents(300);
    const newest = await ledger.sealEvents(300);
    for (const known of [undefined, older, newest]) await confirm({ v1: witness(known) });
    expect(ledger.alertCodes).toEqual([]);
  });

  it('stops when a cosigned checkpoint is larger than the database, whoever of them knows it', async () => {
    const older = await ledger.sealEvents(3);
    const behind = { size: older.size + 9, root: other };
    const confirming = confirm({ v1: witness(older), v2: witness(behind), v3: silent });
    await expect(confirming).rejects.toMatchObject({ code: 'log.rolled-back', fate: 'stop' });
    expect(ledger.alertCodes).toEqual(['log.rolled-back']);
    // Control: of the others alone nothing is to be seen.
    await confirm({ v1: witness(older), v3: silent });
  });

  it('stops when the database is empty and a checkpoint exists; an empty ledger nobody knows may begin', async () => {
    await confirm({ v1: silent });
    await expect(confirm({ v1: witness({ size: 9, root: other }) })).rejects.toMatchObject({ code: 'log.rolled-back' });
  });

  it.each([0, 1])('stops for another root at the newest size minus %i blocks', async (back) => {
    const cuts = [await ledger.sealEvents(300), await ledger.sealEvents(300)];
    const { size, root } = cuts[1 - back]!;
    await expect(confirm({ v1: witness({ size, root: other }) })).rejects.toMatchObject({
      code: 'checkpoint.mismatch',
    });
    await confirm({ v1: witness({ size, root }) });
  });

  it('waits while no verifier says what it cosigned; a note that the log key did not sign says nothing', async () => {
    const { size } = await ledger.sealEvents(3);
    const forged = witness({ size: size + 9, root: other }, SigningKey.fromSeed(ORIGIN, other, NOTE_KEY));
    for (const said of [silent, forged, { says: 'x' }]) {
      await expect(confirm({ v1: said })).rejects.toMatchObject({ code: 'head.unconfirmed', fate: 'retry' });
    }
    await confirm({ v1: forged, v2: witness() });
  });
});

describe("the signer's memory against the head", () => {
  it('lets sealing go on when both sizes and roots agree, now and at an older size', async () => {
    const older = await ledger.sealEvents(300);
    const newest = await ledger.sealEvents(300);
    await confirm({ v1: witness() }, older);
    await confirm({ v1: witness() }, newest);
  });

  it('does not mind a spoiled tile', async () => {
    const older = await ledger.sealEvents(300);
    await ledger.sealEvents(300);
    await ledger.tamper('UPDATE everseal.tile SET data = set_byte(data, 9, get_byte(data, 9) # 1) WHERE number = 1');
    await confirm({ v1: witness() }, older);
    expect(ledger.alertCodes).toEqual(['tile.altered']);
  });

  it.each([0, 1])('stops for another root at the newest size minus %i blocks', async (back) => {
    const cuts = [await ledger.sealEvents(300), await ledger.sealEvents(300)];
    const { size } = cuts[1 - back]!;
    await expect(confirm({ v1: witness() }, { size, root: other })).rejects.toMatchObject({
      code: 'checkpoint.mismatch',
    });
  });

  it('stops when more was signed than the database holds', async () => {
    const { size, root } = await ledger.sealEvents(3);
    await expect(confirm({ v1: witness() }, { size: size + 1, root })).rejects.toMatchObject({
      code: 'log.rolled-back',
    });
  });
});
