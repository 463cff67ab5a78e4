import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { cosign, COSIGNATURE_KEY, parseNote, signCheckpoint, type SigningKey } from '@everseal/audit-core';
import { insertCosignature } from '@everseal/ledger-store';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { ForeignLog } from '../../../libs/audit-core/src/foreign-log.fixture.js';
import { KEYS, ORIGIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { LostKeys } from './lost-keys.js';
import { StoredLog } from './stored-log.fixture.js';

const NEXT = testKey('audit.example.com/verifier/v1-next', COSIGNATURE_KEY);

let server: TestPostgres;
let log: StoredLog;
let folder: TemporaryFolder;
let databases = 0;
/** Sizes of the two checkpoints that are stored and cosigned. */
let sizes: number[];

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = temporaryFolder('lost');
  log = await StoredLog.create(server, `lost${databases++}`);
  await log.seal();
  sizes = [];
  for (const event of ['{"a":1}', '{"a":2}']) {
    await log.sealEvents(event);
    sizes.push(log.size);
    const note = signCheckpoint({ origin: ORIGIN, size: log.size, root: log.writer.range.root() }, KEYS.log);
    await log.storeCheckpoint(note);
    await storeLine(log.size, cosign(parseNote(note).text, KEYS.verifier, 1_800_000_000));
  }
});
afterEach(async () => {
  await log.close();
  folder.remove();
});

function storeLine(size: number, line: string, by = KEYS.verifier): Promise<void> {
  const { name, id: keyId } = by.verifier;
  return insertCosignature(log.sealer, log.ledgerId, { size, signer: name, keyId, line });
}

/** Whether this verifier may use its keys for other logs, after a start with this memory of its ledger. */
async function usable(remembered: number, keys: SigningKey[] = [KEYS.verifier]): Promise<boolean[]> {
  const { trust } = log.writer;
  const lost = LostKeys.open(folder.path);
  await lost.look(log.verifier, [{ trust, ledgerId: log.ledgerId, remembered }], keys);
  const left = lost.without(keys);
  return keys.map((key) => left.includes(key));
}

describe('a key whose cosignatures were forgotten', () => {
  it('is one that signed more than is remembered: the folder is gone, or was set back', async () => {
    const [before, newest] = sizes;
    expect(await usable(newest!)).toEqual([true]);
    expect(await usable(newest! + 3)).toEqual([true]);
    expect(await usable(before!)).toEqual([false]);
  });

  it('stays one when the memory has caught up, and is not so without its file: control', async () => {
    expect(await usable(0)).toEqual([false]);
    expect(await usable(sizes[1]!)).toEqual([false]);
    folder.remove();
    folder = temporaryFolder('lost');
    expect(await usable(sizes[1]!)).toEqual([true]);
  });

  it('is that key alone: a new one may be used at once', async () => {
    expect(await usable(0, [NEXT, KEYS.verifier])).toEqual([true, false]);
    expect(await usable(0, [NEXT])).toEqual([true]);
  });

  it('is not made one by whoever writes in the database: another size, another log, a false signature', async () => {
    const [, newest] = sizes;
    await log.sealEvents('{"a":3}');
    const { size } = log;
    const foreign = ForeignLog.of('log.example.org/one', 40);
    const cosigned = cosign(parseNote(foreign.checkpoint(size)).text, KEYS.verifier, 1_800_000_000);
    // A checkpoint of another log that this key did cosign, put in the place of ours.
    await log.tamper(
      `INSERT INTO everseal.checkpoint (ledger_id, size, note) VALUES (${log.ledgerId}, ${size}, '${foreign.checkpoint(size)}')`,
    );
    await storeLine(size, cosigned);
    expect(await usable(newest!)).toEqual([true]);
    for (const line of ['nonsense', cosigned.replace(/.{8}\n?$/, 'AAAAAAA=')]) {
      await log.tamper(`UPDATE everseal.cosignature SET line = '${line}' WHERE size = ${size}`);
      expect(await usable(newest!)).toEqual([true]);
    }
  });
});
