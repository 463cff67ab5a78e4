import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  cosignaturesOf,
  formatCheckpointText,
  openCheckpoint,
  parseAnnouncement,
  sha256,
  signCheckpoint,
} from '@everseal/audit-core';
import { acquireLease, checkpointAt, newestCheckpoint } from '@everseal/ledger-store';
import { createLogger } from '@everseal/process';
import { TestPostgres } from '@everseal/testing';
import { DOMAIN, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { answersOf, type AnsweringVerifier } from './answering-verifiers.fixture.js';
import { CheckpointLedger } from './checkpoint-ledger.js';
import type { Sealed } from './sealing.js';
import { SealerStore } from './sealer-store.fixture.js';
import { SignerMemory } from './signer-memory.js';

let server: TestPostgres;
let ledger: SealerStore;
let sealed: Sealed;
let memory: SignerMemory;
let databases = 0;
/** Announcements, and the sizes of the rows and signatures that were there when each was published. */
let announced: { message: Buffer; row: number; signed: number }[];
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  ledger = await SealerStore.create(server, `checkpoint${databases++}`);
  await ledger.sealEvents(3);
  await ledger.sealEvents(5);
  sealed = await ledger.sealed();
  memory = SignerMemory.open(path.join(ledger.folder.path, 'main.checkpoint'), ORIGIN);
  announced = [];
});
afterEach(() => ledger.close());
afterAll(() => server.stop());

const agrees: AnsweringVerifier = { derives: () => sealed.root };
const dissents: AnsweringVerifier = { derives: () => sha256(Buffer.from('another log')) };
const silent: AnsweringVerifier = {};

function checkpoints(verifiers: Readonly<Record<string, AnsweringVerifier>>): CheckpointLedger {
  const { pool, ledgerId, alerts } = ledger;
  const made = new CheckpointLedger({
    origin: ORIGIN,
    domain: DOMAIN,
    ledger: 'main',
    ledgerId,
    pool,
    memory,
    logKeys: () => [KEYS.log.verifier],
    verifiers: Object.keys(verifiers),
    alerts,
    log: createLogger('sealer', 's1', 'silent'),
    ask: answersOf(verifiers),
    announce: async (message) => {
      const row = (await newestCheckpoint(pool, ledgerId))?.size ?? 0;
      announced.push({ message, row, signed: memory.size });
    },
    onCosigned: () => {},
  });
  made.offer(sealed);
  return made;
}

const round = (verifiers: Readonly<Record<string, AnsweringVerifier>>): Promise<number> =>
  checkpoints(verifiers).round();

/** Nothing left this process and nothing is remembered as signed. */
async function expectNothingSigned(): Promise<void> {
  expect([memory.size, announced]).toEqual([0, []]);
  expect(await newestCheckpoint(ledger.pool, ledger.ledgerId)).toBeNull();
}

describe('a checkpoint', () => {
  it('is signed, remembered, stored and announced once a verifier holds the same bytes', async () => {
    await round({ v1: { ...agrees, key: KEYS.verifier } });
    expect(announced).toMatchObject([{ row: sealed.size, signed: sealed.size }]);
    const { checkpoint } = parseAnnouncement(announced[0]!.message);
    const opened = openCheckpoint(checkpoint, [KEYS.log.verifier], ORIGIN);
    expect(opened).toMatchObject({ size: sealed.size, root: sealed.root });
    expect(cosignaturesOf(opened, [KEYS.verifier.verifier])).toHaveLength(1);
    expect(checkpoint.startsWith((await checkpointAt(ledger.pool, ledger.ledgerId, sealed.size))!.note)).toBe(true);
    expect(ledger.alertCodes).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, AnsweringVerifier>>]>([
    ['nobody answers', { v1: silent, v2: silent }],
    ['nobody holds so much yet', { v1: { derives: () => null } }],
    ['the answers are none', { v1: { says: '{"size":"all"}' }, v2: { says: '' } }],
    ['a root of another size is answered', { v1: { says: `{"size":1,"root":"${'A'.repeat(43)}="}` } }],
    ['there are no verifiers', {}],
  ])(
    'is not signed while %s; control: the bytes are there, the same round signs when one verifier says so',
    async (_, verifiers) => {
      await expect(round(verifiers)).rejects.toMatchObject({ code: 'checkpoint.not-held', fate: 'retry' });
      await expectNothingSigned();
      await round({ ...verifiers, v9: agrees });
      expect([memory.size, announced.length]).toEqual([sealed.size, 1]);
    },
  );

  it('is the one that was signed before when the process died between signing and storing', async () => {
    const note = memory.sign(sealed.size, sealed.root, KEYS.log);
    await round({ v1: agrees });
    expect(await checkpointAt(ledger.pool, ledger.ledgerId, sealed.size)).toMatchObject({ note });
  });

  it('is not announced by one that lost its lease: its row cannot be written', async () => {
    await ledger.store.sql("UPDATE everseal.ledger_head SET lease_until = now() - interval '1 minute'");
    await acquireLease(ledger.pool, ledger.ledgerId, 's2', 600_000);
    await expect(round({ v1: agrees })).rejects.toMatchObject({ fate: 'stop' });
    expect(announced).toEqual([]);
    expect(await newestCheckpoint(ledger.pool, ledger.ledgerId)).toBeNull();
  });

  it('takes a cosignature only after verifying it; without one it is announced, and releases nothing', async () => {
    const note = signCheckpoint({ origin: ORIGIN, size: sealed.size, root: sealed.root }, KEYS.log);
    const other = formatCheckpointText({ origin: ORIGIN, size: sealed.size, root: sha256(Buffer.from('x')) });
    await round({ v1: { ...agrees, key: KEYS.verifier, cosigns: other } });
    expect(parseAnnouncement(announced[0]!.message).checkpoint).toBe(note);
    // Control: the same key over the checkpoint that was asked about is the first test of this file.
  });
});

describe('a verifier that derives another root', () => {
  it('does not stop the ledger while another derives the same: one alert that names it, until it agrees', async () => {
    for (const more of [1, 4]) {
      await round({ v1: dissents, v2: agrees });
      await ledger.sealEvents(more);
      sealed = await ledger.sealed();
    }
    expect(announced).toHaveLength(2);
    expect(ledger.alerts.open).toMatchObject([{ code: 'checkpoint.mismatch', scope: `hold of ${ORIGIN} by v1` }]);
    await round({ v1: agrees, v2: agrees });
    expect(ledger.alertCodes).toEqual([]);
  });

  it('stops the process when it is the only one: control, nothing but its word is different', async () => {
    await expect(round({ v1: dissents })).rejects.toMatchObject({ code: 'checkpoint.mismatch', fate: 'stop' });
    expect(ledger.alertCodes).toEqual(['checkpoint.mismatch']);
    await expectNothingSigned();
    await round({ v1: agrees });
    expect(announced).toHaveLength(1);
  });

  it('stops the process when all of them do', async () => {
    const other = round({ v1: dissents, v2: { derives: () => sha256(Buffer.from('a third')) } });
    await expect(other).rejects.toMatchObject({ code: 'checkpoint.mismatch', fate: 'stop' });
    expect(ledger.alertCodes).toEqual(['checkpoint.mismatch', 'checkpoint.mismatch']);
    await expectNothingSigned();
  });

  it('gets nothing signed and stops nothing while the others are silent', async () => {
    const disputed = round({ v1: dissents, v2: silent });
    await expect(disputed).rejects.toMatchObject({ code: 'checkpoint.disputed', fate: 'retry' });
    expect(ledger.alertCodes).toEqual(['checkpoint.mismatch']);
    await expectNothingSigned();
  });
});
