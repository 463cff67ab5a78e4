/** T23: two different checkpoints for one size, wherever the second one comes from. The control: one that is the same. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sha256, signCheckpoint, type SigningKey } from '@everseal/audit-core';
import { TestPostgres } from '@everseal/testing';
import { testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { CustodyWorld, KEYS, ORIGIN, type CustodyVerifier } from './custody.fixture.js';

let server: TestPostgres;
let world: CustodyWorld;
let verifier: CustodyVerifier;
let databases = 0;

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  world = await CustodyWorld.start(server, `checkpoints${databases++}`);
  verifier = await world.verifier('guard', 'sweep');
  await verifier.look();
});
afterEach(() => world.close());

const forged = (size: number, key: SigningKey = KEYS.log): string =>
  signCheckpoint({ origin: ORIGIN, size, root: sha256(Buffer.from('another history')) }, key);

describe('two checkpoints of one size', () => {
  it('log.forked with both notes, when both come by', async () => {
    const first = world.log.writer.checkpoint();
    for (let i = 0; i < 2; i++) expect(await verifier.checkpoints.take(first, 'an announcement')).toBe(false);
    const second = forged(world.log.size);
    expect(await verifier.checkpoints.take(second, 'an announcement')).toBe(true);
    expect(verifier.open).toEqual(['log.forked']);
    await verifier.look();
    expect(verifier.alert('log.forked')).toMatchObject({
      first: { index: world.log.size },
      evidence: { first, second },
    });
  });

  it('log.forked for a size that this verifier has not derived', async () => {
    const size = world.log.size + 5;
    const other = signCheckpoint({ origin: ORIGIN, size, root: sha256(Buffer.from('one')) }, KEYS.log);
    expect(await verifier.checkpoints.take(other, 'an announcement')).toBe(false);
    expect(await verifier.checkpoints.take(forged(size), 'an announcement')).toBe(true);
  });

  it('log.forked when the row of the table is another than the one that was announced', async () => {
    await verifier.checkpoints.take(world.log.writer.checkpoint(), 'an announcement');
    const second = forged(world.log.size);
    await world.log.storeCheckpoint(second);
    // Control: a verifier that does not compare checkpoints.
    const blind = await world.verifier('guard', 'sweep', 'checkpoints');
    await blind.look();
    expect(blind.open).toEqual([]);
    await verifier.look();
    expect(verifier.open).toEqual(['log.forked']);
    expect(verifier.alert('log.forked').evidence!['second']).toBe(second);
  });

  it('log.forked after a restart: the first stands in the table, or was cosigned here', async () => {
    const first = world.log.writer.checkpoint();
    await world.log.storeCheckpoint(first);
    const size = world.log.size;
    await world.log.sealEvents('{"n":1}');
    await verifier.look();
    expect(await verifier.checkpoints.take(forged(size), 'a request')).toBe(true);

    const cosigned = await world.verifier();
    await cosigned.follow.catchUp();
    cosigned.cosigned = world.log.writer.checkpoint();
    expect(await cosigned.checkpoints.take(forged(world.log.size), 'a request')).toBe(true);
  });

  it('is no fork when there is one only, or when the log key signed neither', async () => {
    const first = world.log.writer.checkpoint();
    await world.log.storeCheckpoint(first);
    for (let i = 0; i < 2; i++) await verifier.look();
    const stranger = testKey('stranger.example.com/main');
    for (const note of [forged(world.log.size, stranger), forged(1), 'no note at all']) {
      expect(await verifier.checkpoints.take(note, 'an announcement')).toBe(false);
    }
    expect(verifier.sent).toEqual([]);
  });
});
