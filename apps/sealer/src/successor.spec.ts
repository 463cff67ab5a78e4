/**
 * A closed ledger is not sealed any more, and the sealer says which one continues it; the successor's block 0 holds its key set
 * and the note of the operators, and an outsider finds it good.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EMPTY_ROOT,
  leafHash,
  logKeyName,
  originOf,
  signKeySet,
  signRestore,
  splitBundle,
  verifyLog,
  type Restore,
} from '@everseal/audit-core';
import { closeLedger, createLedger, readBodies, readHead } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { temporaryFolder, TestPostgres } from '@everseal/testing';
import { DOMAIN, genesisKeys, KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { Sealing } from './sealing.fixture.js';
import { readSuccessorNote } from './successor-note.js';

const SUCCESSOR = originOf(DOMAIN, 'main-r1');
const LOG = testKey(logKeyName(SUCCESSOR));
const KEY_SET = { ...genesisKeys(), origin: SUCCESSOR, log: LOG.verifier };
const GENESIS = Buffer.from(signKeySet(KEY_SET, LOG, KEYS.operator));
const RESTORE: Restore = {
  origin: SUCCESSOR,
  closed: ORIGIN,
  checkpoint: { size: 100, root: leafHash(Buffer.from('lost')) },
  surviving: { size: 0, root: EMPTY_ROOT },
  reason: 'a spec',
  time: '2026-06-01T00:00:00.000Z',
};

let server: TestPostgres;
let sealing: Sealing;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  sealing = await Sealing.create(server, `successor${databases++}`);
});
afterEach(() => sealing.close());
afterAll(() => server.stop());

/** What sealing the successor from its beginning leaves behind. */
async function sealSuccessor(successor: Buffer | null): Promise<Buffer[]> {
  const ledgerId = await createLedger(sealing.pool, SUCCESSOR, { epoch: '', created: '', sequence: 0, hash: null });
  sealing.start({ origin: SUCCESSOR, ledgerId, logKeyOf: () => LOG, genesis: GENESIS, successor });
  const isSealed = async (): Promise<boolean> => (await readHead(sealing.pool, ledgerId)).height >= 0;
  await waitUntil(isSealed, { what: 'block 0 of the successor', timeoutMs: 20_000 });
  await sealing.stop();
  // It goes on behind its own block 0.
  sealing.start({ origin: SUCCESSOR, ledgerId, logKeyOf: () => LOG, genesis: GENESIS, successor });
  await sealing.stop();
  expect(sealing.stopped).toBeNull();
  const bodies: Buffer[] = [];
  for await (const { body } of readBodies(sealing.pool, ledgerId, 0, 10)) bodies.push(body!);
  return bodies;
}

describe('a closed ledger', () => {
  it('is not sealed any more: the sealer stops and names the successor', async () => {
    const [first] = sealing.frames('a', 2);
    sealing.start();
    await sealing.publish(first!);
    await sealing.sealedUpTo({ a: 1 });
    await sealing.stop();
    const { fence, height } = await readHead(sealing.pool, sealing.ledgerId);
    await closeLedger(sealing.pool, sealing.ledgerId, fence);
    sealing.start();
    await waitUntil(() => sealing.stopped !== null, { what: 'the sealer stopped', timeoutMs: 20_000 });
    expect(sealing.stopped).toMatchObject({ code: 'ledger.closed' });
    expect(sealing.stopped!.message).toContain(SUCCESSOR);
    expect((await readHead(sealing.pool, sealing.ledgerId)).height).toBe(height);
  });
});

describe('a successor', () => {
  it('begins with its key set and the note, and its log is good', async () => {
    const note = Buffer.from(signRestore(RESTORE, LOG, KEYS.operator));
    const bodies = await sealSuccessor(note);
    const offsets = splitBundle(bodies[0]!);
    expect(offsets.count).toBe(3);
    expect(bodies[0]!.subarray(offsets.start(1), offsets.end(1))).toEqual(note);
    const report = await verifyLog({ trust: { origin: SUCCESSOR, genesis: leafHash(GENESIS) }, bodies });
    expect(report).toMatchObject({ findings: [], size: 3 });
  });

  it('control: without the note it is an ordinary ledger of one entry and its block', async () => {
    const [body] = await sealSuccessor(null);
    expect(splitBundle(body!).count).toBe(2);
  });

  it('does not begin with a note of another ledger, or by keys of nobody', () => {
    const folder = temporaryFolder('successor');
    try {
      const file = path.join(folder.path, 'successor.note');
      const stranger = testKey(`${DOMAIN}/operator/stranger`);
      for (const bad of [
        signRestore(RESTORE, LOG, stranger),
        signRestore(
          { ...RESTORE, origin: originOf(DOMAIN, 'other-r1'), closed: originOf(DOMAIN, 'other') },
          testKey(originOf(DOMAIN, 'other-r1')),
          KEYS.operator,
        ),
        'no note',
      ]) {
        writeFileSync(file, bad);
        expect(() => readSuccessorNote(file, KEY_SET)).toThrow('put the right file there');
      }
      writeFileSync(file, signRestore(RESTORE, LOG, KEYS.operator));
      expect(readSuccessorNote(file, KEY_SET)).not.toBeNull();
      expect(readSuccessorNote(undefined, KEY_SET)).toBeNull();
    } finally {
      folder.remove();
    }
  });
});
