/**
 * What was signed and does not come to be sealed: acts T19 and T22 of the threat model on a real stream and a real database.
 * The control of each act is the same act with the look that finds it left out: then nothing is raised.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeFrameMessage, signKeySet, type KeySet } from '@everseal/audit-core';
import { waitUntil } from '@everseal/local';
import { TestPostgres } from '@everseal/testing';
import { genesisKeys, KEYS, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { CustodyWorld, OVERDUE_MS, type Look } from './custody.fixture.js';

const NS = 1_000_000;
const PAST = OVERDUE_MS + 1;

let server: TestPostgres;
let world: CustodyWorld;
let databases = 0;

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  world = await CustodyWorld.start(server, `custody${databases++}`);
});
afterEach(() => world.close());

/** Everything on the stream is gone, by the limits of the stream, which are as before afterwards. */
async function purge(): Promise<void> {
  const config = await world.config();
  await world.api('UPDATE', { ...config, max_age: 100 * NS, duplicate_window: 100 * NS });
  await waitUntil(async () => ((await world.api('INFO'))['state'] as { messages: number }).messages === 0, {
    what: 'the stream is empty',
  });
  await world.api('UPDATE', config);
}

const frame = (...events: string[]): MadeFrame => world.log.writer.frame('a', events.length > 0 ? events : ['{"n":1}']);

describe('an untouched ledger', () => {
  it('raises nothing: frames that come, wait and are sealed, heartbeats, a restart', async () => {
    const verifier = await world.verifier();
    for (let i = 0; i < 3; i++) {
      const made = frame(`{"n":${i}}`);
      await world.publish(made);
      await verifier.look();
      verifier.hear(made);
      world.now += OVERDUE_MS / 2;
      await world.log.seal(made);
      await verifier.look();
    }
    world.now += PAST;
    const again = await world.verifier();
    for (let i = 0; i < 2; i++, world.now += PAST) await again.look();
    expect([...verifier.sent, ...again.sent]).toEqual([]);
  });

  it('raises nothing while this verifier has yet to derive the block that seals a frame', async () => {
    const verifier = await world.verifier();
    const made = frame();
    verifier.hear(made);
    await verifier.look();
    verifier.hear(made);
    await world.log.seal(made);
    world.now += PAST;
    // Custody looks, and the tail is late: what stands in the database by now is not derived.
    await verifier.custody.look();
    world.now += PAST;
    await verifier.custody.look();
    expect(verifier.open).toEqual([]);
    await verifier.look();
    expect(verifier.sent).toEqual([]);
  });
});

describe('a heartbeat costs one signature at most', () => {
  it('the first note of this ledger is opened, and no other; control: each in a heartbeat of its own', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    const made = [frame('{"n":1}'), frame('{"n":2}'), frame('{"n":3}')];
    verifier.hear(...made);
    await verifier.look();
    expect(verifier.custody.marks()).toEqual(new Map([['a', 1]]));
    for (const one of made) verifier.hear(one);
    expect(verifier.custody.marks()).toEqual(new Map([['a', 3]]));
  });

  it('is not read above 64 KiB; control: the same with that many bytes', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    const heartbeat = JSON.stringify({ frames: [frame().note.toString()] });
    const ofBytes = (size: number): string => heartbeat + ' '.repeat(size - Buffer.byteLength(heartbeat));
    verifier.hearBytes(ofBytes(65_537));
    expect(verifier.custody.marks()).toEqual(new Map());
    verifier.hearBytes(ofBytes(65_536));
    expect(verifier.custody.marks()).toEqual(new Map([['a', 1]]));
  });
});

describe('T19: messages that are gone before they were sealed', () => {
  async function act(...off: Look[]) {
    const verifier = await world.verifier(...off);
    await verifier.look();
    const made = [frame('{"n":1}'), frame('{"n":2}')];
    for (const one of made) await world.publish(one);
    await verifier.look();
    await purge();
    world.now += PAST;
    await verifier.look();
    return { verifier, made };
  }

  it('custody.overdue with the signed notes; it clears when the resent frames are sealed', async () => {
    const { verifier, made } = await act();
    await verifier.look();
    expect(verifier.open).toEqual(['custody.overdue']);
    expect(verifier.alert('custody.overdue')).toMatchObject({
      detail: expect.stringContaining('frame 1 of a'),
      evidence: { frame: made[0]!.note.toString(), newest: made[1]!.note.toString() },
    });
    await world.log.seal(...made);
    await verifier.look();
    expect(verifier.open).toEqual([]);
    expect(verifier.sent.map(({ state }) => state)).toEqual(['raised', 'cleared']);
  });

  it('control: without the look at what was heard, nothing', async () => {
    const { verifier } = await act('custody');
    expect(verifier.sent).toEqual([]);
  });

  it('is not said of frames whose key the operators have revoked meanwhile (control: above)', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    const made = frame();
    verifier.hear(made);
    await verifier.look();
    const { writer } = world.log;
    const set: KeySet = { ...genesisKeys(), previous: writer.trust.genesis, time: writer.time(), ingest: [] };
    await world.log.seal(Buffer.from(signKeySet(set, KEYS.log, KEYS.operator)));
    for (let i = 0; i < 2; i++, world.now += PAST) await verifier.look();
    expect(verifier.sent).toEqual([]);
  });

  it('is cleared when the key was revoked while the verifier did not run; control: not while it is in force', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    verifier.hear(frame());
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    expect(verifier.open).toEqual(['custody.overdue']);
    const asBefore = await world.verifier();
    for (let i = 0; i < 2; i++) await asBefore.look();
    expect(asBefore.open).toEqual(['custody.overdue']);
    const { writer } = world.log;
    const ingest = genesisKeys().ingest.filter(({ name }) => name !== KEYS.a.verifier.name);
    const set: KeySet = { ...genesisKeys(), previous: writer.trust.genesis, time: writer.time(), ingest };
    await world.log.seal(Buffer.from(signKeySet(set, KEYS.log, KEYS.operator)));
    const again = await world.verifier();
    for (let i = 0; i < 2; i++) await again.look();
    expect(again.open).toEqual([]);
  });

  it('is missed through heartbeats alone, and after a restart, though nobody shows the frame again', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    const made = frame();
    verifier.hear(made);
    await verifier.look();
    const again = await world.verifier();
    await again.look();
    expect(again.open).toEqual([]);
    for (let i = 0; i < 2; i++, world.now += PAST) await again.look();
    expect(again.open).toEqual(['custody.overdue']);
    // Standing across a restart: neither cleared nor raised again.
    const third = await world.verifier();
    await third.look();
    await third.look();
    expect({ open: third.open, sent: third.sent }).toEqual({ open: ['custody.overdue'], sent: [] });
    await world.log.seal(made);
    await third.look();
    expect(third.open).toEqual([]);
  });

  it('control: a verifier whose file of notes is gone does not know of it after a restart', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    verifier.hear(frame());
    await verifier.look();
    writeFileSync(path.join(world.folder.path, 'custody.json'), '{"frames":[]}');
    const again = await world.verifier();
    for (let i = 0; i < 3; i++, world.now += PAST) await again.look();
    expect(again.sent).toEqual([]);
  });

  it('believes no note in its file that an ingester did not sign', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    verifier.hear(frame());
    await verifier.look();
    const file = path.join(world.folder.path, 'custody.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('\\n1\\n', '\\n2\\n'));
    const again = await world.verifier();
    for (let i = 0; i < 3; i++, world.now += PAST) await again.look();
    expect(again.sent).toEqual([]);
  });
});

describe('T19: a gap record over frames that exist', () => {
  async function act(...off: Look[]) {
    const verifier = await world.verifier(...off);
    const made = [frame('{"n":1}'), frame('{"n":2}'), frame('{"n":3}')];
    await world.log.seal(made[0]!);
    await world.publish(made[1]!);
    await verifier.look();
    const gap = world.log.writer.gap('a', 2, 2);
    await world.log.seal(gap, made[2]!);
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    return { verifier, made, gap };
  }

  it('custody.gap-false with both notes; it clears when the frame is sealed after all', async () => {
    const { verifier, made, gap } = await act();
    expect(verifier.open).toEqual(['custody.gap-false']);
    expect(verifier.alert('custody.gap-false')).toMatchObject({
      first: { index: world.log.size - 4 },
      evidence: { frame: made[1]!.note.toString(), gap: gap.toString() },
    });
    await world.log.seal(made[1]!);
    await verifier.look();
    expect(verifier.open).toEqual([]);
  });

  it('is found for a frame that only a heartbeat named, and not at all for one that nobody saw', async () => {
    const verifier = await world.verifier();
    const made = [frame('{"n":1}'), frame('{"n":2}'), frame('{"n":3}')];
    await verifier.look();
    await world.log.seal(world.log.writer.gap('a', 1, 2), made[2]!);
    for (let i = 0; i < 2; i++, world.now += PAST) await verifier.look();
    expect(verifier.open).toEqual([]);
    verifier.hear(made[1]!);
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    expect(verifier.open).toEqual(['custody.gap-false']);
  });

  it('control: without the look at what was heard, nothing', async () => {
    const { verifier } = await act('custody');
    expect(verifier.sent).toEqual([]);
  });
});

describe('T22: messages that should not be on the stream', () => {
  it('leaves forged frames to the sealer, and takes no notice of one that is replayed', async () => {
    const verifier = await world.verifier();
    const made = frame();
    await world.publish(made);
    await world.log.seal(made);
    await world.publish(made);
    const forged = Buffer.from(made.note.toString().replace('\n1\n', '\n9\n'));
    await world.publish(made, { message: encodeFrameMessage(forged, made.entries) });
    await world.publish(made, { lane: 'b', message: Buffer.from('no frame at all') });
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    expect(verifier.sent).toEqual([]);
  });

  async function secondFrame(...off: Look[]) {
    const verifier = await world.verifier(...off);
    const made = frame();
    await world.publish(made);
    await world.log.seal(made);
    await world.log.seal(frame('{"n":2}'));
    await verifier.look();
    const twin = world.twin(made);
    await world.publish(twin);
    for (let i = 0; i < 2; i++, world.now += PAST) await verifier.look();
    return { verifier, made, twin };
  }

  it('custody.conflict for other content under a sealed number, with both notes, once and for good', async () => {
    const { verifier, made, twin } = await secondFrame();
    expect(verifier.open).toEqual(['custody.conflict']);
    const evidence = { first: made.note.toString(), second: twin.note.toString() };
    expect(verifier.alert('custody.conflict')).toMatchObject({ first: { index: 2 }, evidence });
    expect(verifier.sent).toHaveLength(1);
  });

  it('control: without custody, nothing', async () => {
    expect((await secondFrame('custody', 'sweep', 'guard')).verifier.sent).toEqual([]);
  });

  it('custody.conflict for two frames of one number of which none is sealed', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    const made = frame();
    verifier.hear(made);
    verifier.hear(world.twin(made));
    await verifier.look();
    expect(verifier.open).toEqual(['custody.conflict']);
  });

  it('custody.altered for a sealed frame that stands on the stream with other events, until it is gone', async () => {
    for (const off of [['sweep'], []] as Look[][]) {
      const verifier = await world.verifier(...off);
      const made = frame('{"n":1}', '{"n":2}');
      await world.log.seal(made);
      const entries = made.entries.toReversed();
      await world.publish(made, { message: encodeFrameMessage(made.note, entries) });
      await verifier.look();
      expect(verifier.open).toEqual(off.length > 0 ? [] : ['custody.altered']);
      await purge();
      await verifier.look();
      expect(verifier.open).toEqual([]);
    }
  });

  it('goes on when the database does not let itself be read, which others say', async () => {
    const verifier = await world.verifier();
    const made = [frame('{"n":1}'), frame('{"n":2}')];
    await verifier.look();
    verifier.hear(made[0]!);
    await world.log.seal(...made);
    await verifier.follow.catchUp();
    await world.log.store.sql(
      'REVOKE SELECT ON everseal.frame, everseal.ledger_head, everseal.checkpoint FROM everseal_verifier',
    );
    for (let i = 0; i < 3; i++, world.now += PAST) {
      await verifier.custody.look();
      await verifier.guard.look();
      await verifier.checkpoints.look();
    }
    expect(verifier.sent).toEqual([]);
  });

  it('a lane is not overdue by a row that somebody spoiled, and no row makes a frame sealed', async () => {
    const verifier = await world.verifier();
    const made = [frame('{"n":1}'), frame('{"n":2}')];
    await world.log.seal(...made);
    await world.log.tamper(`UPDATE everseal.frame SET position = position + 1 WHERE number = 1`);
    await world.publish(made[0]!);
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    expect(verifier.sent).toEqual([]);
    const never = frame('{"n":3}');
    verifier.hear(never);
    const row = `(1, 'a', 3, decode('${never.hash.toString('hex')}', 'hex'), 2, 1)`;
    await world.log.tamper(
      `INSERT INTO everseal.frame (ledger_id, ingester, number, hash, position, sequence) VALUES ${row}`,
    );
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    expect(verifier.open).toEqual(['custody.overdue']);
  });
});
