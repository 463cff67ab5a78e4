/**
 * A log whose log key and verifier key were rotated, under every sweep: what was signed before is judged by the keys of its time.
 */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  cosign,
  formatCheckpointText,
  leafHash,
  LogState,
  sha256,
  signCheckpoint,
  signKeySet,
  SigningKey,
  type KeySet,
  type KeysOfLog,
} from '@everseal/audit-core';
import { insertCosignature } from '@everseal/ledger-store';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { genesisKeys, KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { LeafFile } from './leaf-file.js';
import { Pace } from './pace.js';
import { RememberedTree } from './remembered-tree.js';
import { StoredLog } from './stored-log.fixture.js';
import { SweepAnchors } from './sweep-anchors.js';
import { SweepStored } from './sweep-stored.js';
import { SweptLog } from './swept-log.fixture.js';

let server: TestPostgres;
let folder: TemporaryFolder;
let log: StoredLog;
let swept: SweptLog;
beforeAll(async () => {
  folder = temporaryFolder('rotated');
  server = await TestPostgres.start();
  log = await StoredLog.create(server, 'rotated');
  await writeRotated();
  swept = await SweptLog.follow(log);
});
afterAll(async () => {
  await swept?.close();
  await server?.stop();
  folder.remove();
});

const fresh = ({ name, verifier }: SigningKey): SigningKey =>
  SigningKey.fromSeed(name, sha256(Buffer.from(`another ${name}`)), verifier.type);
const [LOG_2, VERIFIER_2] = [fresh(KEYS.log), fresh(KEYS.verifier)];
const NEXT: Partial<KeySet> = { log: LOG_2.verifier, verifiers: [VERIFIER_2.verifier] };

/** Checkpoints and cosignatures on either side of a key set that changes the keys of both. */
async function writeRotated(): Promise<void> {
  await log.seal();
  await log.sealEvents('{"n":1}', '{"n":2}');
  await cosigned(KEYS.log, KEYS.verifier);
  const { writer } = log;
  const set = { ...genesisKeys(), previous: leafHash(writer.genesis), time: writer.time(), ...NEXT };
  writer.logKey = LOG_2;
  await log.seal(Buffer.from(signKeySet(set, KEYS.log, KEYS.operator)));
  await cosigned(LOG_2, VERIFIER_2);
  await log.sealEvents('{"n":3}');
  await cosigned(LOG_2, VERIFIER_2);
}

async function cosigned(logKey: SigningKey, verifier: SigningKey): Promise<void> {
  const { size } = log;
  const checkpoint = { origin: ORIGIN, size, root: log.writer.range.root() };
  await log.storeCheckpoint(signCheckpoint(checkpoint, logKey));
  const line = cosign(formatCheckpointText(checkpoint), verifier, 1_767_225_600);
  const keyId = Buffer.from(verifier.verifier.idHex, 'hex');
  await insertCosignature(log.sealer, log.ledgerId, { size, signer: verifier.name, keyId, line });
}

/** What a pass over tiles and checkpoints finds for a verifier that knows these keys. */
async function storedPass(name: string, knows: (keys: KeysOfLog) => KeysOfLog): Promise<string[]> {
  const state = LogState.empty(log.writer.trust);
  const tree = await RememberedTree.load(LeafFile.open(path.join(folder.path, name)), 0);
  for (const body of log.writer.bodies) {
    const read = state.readBlock(body);
    if (!read.ok) throw new Error(read.finding.detail);
    tree.append(read.leaves, read.growth);
  }
  const keys = (): KeysOfLog => knows(state.memory());
  const { verifier: pool, ledgerId } = log;
  const pace = new Pace(() => Infinity);
  const anchors = new SweepAnchors(pool, ledgerId, ORIGIN, keys, [], pace);
  const sweep = new SweepStored(pool, ledgerId, ORIGIN, tree, keys, () => log.size, pace, anchors);
  const { findings } = await sweep.pass(new AbortController().signal);
  tree.close();
  return findings.map(({ code, index }) => `${code} ${index}`);
}

describe('a log after its keys were rotated', () => {
  it('raises nothing in any sweep', async () => {
    expect(await swept.look(['tail', 'bodies', 'stored'])).toEqual([]);
    expect(await storedPass('all', (keys) => keys)).toEqual([]);
  });

  it('would, to whoever knew the newest key set alone (control)', async () => {
    const found = await storedPass('newest', ({ keys }) => ({ keys, retired: [] }));
    expect(found).toEqual([expect.stringMatching(/^checkpoint\.signature /)]);
  });
});
