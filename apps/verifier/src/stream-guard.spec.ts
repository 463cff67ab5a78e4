/**
 * The stream itself: acts T20 and T21 of the threat model, and how near its edge the unsealed frames are, on a real
 * nats-server. The control of each act is the same act without the guard: then nothing is raised.
 */
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sha256 } from '@everseal/audit-core';
import { ALERTS, provisionStreams } from '@everseal/policy';
import { TestPostgres } from '@everseal/testing';
import type { MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { CustodyWorld, OVERDUE_MS, POLICY, type CustodyVerifier } from './custody.fixture.js';
import { headroomOf, isShort, type RingState } from './stream-guard-headroom.js';

const PAST = OVERDUE_MS + 1;

let server: TestPostgres;
let world: CustodyWorld;
let databases = 0;

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  world = await CustodyWorld.start(server, `guard${databases++}`);
});
afterEach(() => world.close());

const frame = (...events: string[]): MadeFrame => world.log.writer.frame('a', events.length > 0 ? events : ['{"n":1}']);

async function sealedFrame(): Promise<MadeFrame> {
  const made = frame();
  await world.publish(made);
  await world.log.seal(made);
  return made;
}

describe('T20: the stream is replaced under its name', () => {
  /** Deleted and provisioned again, with one frame that was on it and not sealed. */
  async function act(verifier: CustodyVerifier): Promise<MadeFrame> {
    await sealedFrame();
    const unsealed = frame('{"n":2}');
    await world.publish(unsealed);
    await verifier.look();
    await world.api('DELETE');
    await provisionStreams(world.admin.nc, POLICY);
    await verifier.look();
    return unsealed;
  }

  it('stream.replaced, also over a restart, until nothing that was heard of is missing in the log', async () => {
    const unsealed = await act(await world.verifier());
    const verifier = await world.verifier();
    for (let i = 0; i < 2; i++) await verifier.look();
    expect(verifier.open).toEqual(['stream.replaced']);
    world.now += PAST;
    await verifier.look();
    // Heard of before, and gone with the old stream.
    expect(verifier.open).toEqual(['stream.replaced', 'custody.overdue']);
    await world.publish(unsealed);
    await world.log.seal(unsealed);
    for (let i = 0; i < 2; i++) await verifier.look();
    expect(verifier.open).toEqual([]);
    await verifier.look();
    expect(verifier.open).toEqual([]);
  });

  it('control: without the guard, nothing of the stream', async () => {
    const verifier = await world.verifier('guard');
    await act(verifier);
    for (let i = 0; i < 3; i++, world.now += PAST) await verifier.look();
    expect(verifier.sent.filter(({ code }) => code.startsWith('stream.'))).toEqual([]);
  });

  it('stream.replaced for one that was put back from an older copy: numbers go back, or name other messages', async () => {
    const verifier = await world.verifier();
    await sealedFrame();
    await verifier.look();
    const { epoch, created } = verifier.memory.identity!;
    for (const [sequence, why] of [
      [9, 'it ends at message 1, 9 was read'],
      [1, 'message 1 is another one'],
    ] as const) {
      const hash = sha256(Buffer.from('another')).toString('base64');
      const remembered = { epoch, created, message: { sequence, hash } };
      writeFileSync(path.join(world.folder.path, 'stream.json'), JSON.stringify(remembered));
      const again = await world.verifier();
      await again.look();
      expect(again.alert('stream.replaced').detail).toContain(why);
      for (let i = 0; i < 2; i++, world.now += PAST) await again.look();
      expect(again.open).toEqual([]);
    }
  });
});

describe('T21: the stream is given other limits', () => {
  it('stream.config names the fields; it clears when they are as the policy says', async () => {
    for (const on of [false, true]) {
      const verifier = await world.verifier(...(on ? [] : (['guard'] as const)));
      await verifier.look();
      const config = await world.config();
      await world.api('UPDATE', { ...config, max_bytes: 2_097_152, discard: 'new' });
      for (let i = 0; i < 2; i++) await verifier.look();
      expect(verifier.open).toEqual(on ? ['stream.config'] : []);
      if (on) expect(verifier.alert('stream.config').detail).toContain('max_bytes is 2097152, should be 4194304');
      await world.api('UPDATE', config);
      await verifier.look();
      expect(verifier.open).toEqual([]);
    }
  });

  it('stream.config for the stream of alerts, which a smaller bound makes forget', async () => {
    const verifier = await world.verifier();
    await verifier.look();
    const config = await world.config(ALERTS);
    await world.api('UPDATE', { ...config, max_bytes: 1_048_576 }, ALERTS);
    await verifier.look();
    expect(verifier.open).toEqual(['stream.config']);
    await world.api('UPDATE', config, ALERTS);
    await verifier.look();
    expect(verifier.open).toEqual([]);
  });

  it('stream.config for a stream that is not there, once it was missed twice', async () => {
    const verifier = await world.verifier('sweep');
    await verifier.look();
    await world.api('DELETE');
    await verifier.look();
    expect(verifier.open).toEqual([]);
    await verifier.look();
    expect(verifier.open).toEqual(['stream.config']);
    await provisionStreams(world.admin.nc, POLICY);
    await verifier.look();
    expect(verifier.open).toEqual(['stream.replaced']);
  });
});

describe('headroom', () => {
  it('stream.headroom while what the sealer has not taken fills most of the ring, until it has', async () => {
    const verifier = await world.verifier('sweep');
    await verifier.look();
    const large = (): MadeFrame =>
      frame(...Array.from({ length: 10 }, (_, n) => `{"n":${n},"x":"${'x'.repeat(60_000)}"}`));
    const made = Array.from({ length: 4 }, large);
    for (const one of made.slice(0, 3)) await world.publish(one);
    world.now += 1_000;
    await verifier.look();
    expect(verifier.open).toEqual([]);
    await world.publish(made[3]!);
    world.now += 1_000;
    await verifier.look();
    expect(verifier.open).toEqual(['stream.headroom']);
    const { epoch, created } = verifier.memory.identity!;
    await world.log.store.sql(
      `UPDATE everseal.ledger_head SET stream_epoch = '${epoch}', stream_created = '${created}', stream_sequence = 4`,
    );
    await verifier.look();
    expect(verifier.open).toEqual([]);
  });

  const RING: RingState = {
    maxBytes: 1_000,
    maxAgeMs: 1_000_000,
    bytes: 1_000,
    messages: 100,
    waiting: 60,
    oldestAgeMs: 1_000,
    bytesPerSecond: 10,
  };

  it.each<[string, Partial<RingState>, number, boolean]>([
    ['by bytes, at the present rate', {}, 40_000, true],
    ['a faster rate', { bytesPerSecond: 100 }, 4_000, true],
    ['nothing comes in', { bytesPerSecond: 0 }, 999_000, false],
    ['most of it is taken', { waiting: 40, bytesPerSecond: 1_000_000 }, 0.6, false],
    ['by age', { bytesPerSecond: 0, waiting: 1, oldestAgeMs: 980_000 }, 20_000, true],
    ['without a bound on age', { maxAgeMs: 0, bytesPerSecond: 0 }, Infinity, false],
    ['nothing waits', { waiting: 0 }, Infinity, false],
    ['an empty stream', { messages: 0, bytes: 0 }, Infinity, false],
    ['beyond its age', { oldestAgeMs: 2_000_000 }, 0, true],
  ])('%s', (_, over, leftMs, short) => {
    const headroom = headroomOf({ ...RING, ...over });
    expect(headroom.leftMs).toBeCloseTo(leftMs);
    expect(isShort(headroom, 600_000)).toBe(short);
  });
});
