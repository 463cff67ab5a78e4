import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  addKey,
  keepKey,
  keySetOfNote,
  leafHash,
  NOTE_KEY,
  parseAnnouncement,
  sha256,
  signGapOrder,
  signKeyOrder,
  signKeySet,
  SigningKey,
  type KeySet,
  type KeySetEntry,
  type VerifierKey,
} from '@everseal/audit-core';
import { listGaps } from '@everseal/ledger-store';
import { waitUntil } from '@everseal/local';
import { TestPostgres } from '@everseal/testing';
import { KEYS, ORIGIN } from '../../../libs/audit-core/src/log.fixture.js';
import { buildAnnouncement } from './announce.js';
import type { SealLedger } from './seal-ledger.js';
import type { Sealed, SealerParts } from './sealing.js';
import { Sealing } from './sealing.fixture.js';

let server: TestPostgres;
let sealing: Sealing;
let databases = 0;
beforeAll(async () => {
  server = await TestPostgres.start();
});
beforeEach(async () => {
  sealing = await Sealing.create(server, `seal_keys${databases++}`);
});
afterEach(() => sealing.close());
afterAll(() => server.stop());

const TIME = '2026-02-01T00:00:00.000Z';
const fresh = (key: SigningKey, seed: string): SigningKey =>
  SigningKey.fromSeed(key.name, sha256(Buffer.from(seed)), NOTE_KEY);
const LOG_2 = fresh(KEYS.log, 'second log key');
const A_2 = fresh(KEYS.a, 'second key of a');
const A: Parameters<typeof addKey>[1] = { role: 'ingest', name: 'a' };
const LOG: Parameters<typeof addKey>[1] = { role: 'log', name: '' };

/** A sealer that has these log keys; `newest` is what it sealed last. */
function start(keys: readonly SigningKey[], over: Partial<SealerParts> = {}): { sealer: SealLedger; newest: Sealed[] } {
  const newest: Sealed[] = [];
  const sealer = sealing.start({
    logKeyOf: ({ vkey }: VerifierKey) => keys.find(({ verifier }) => verifier.vkey === vkey) ?? null,
    onSealed: (sealed) => newest.splice(0, 1, sealed),
    ...over,
  });
  return { sealer, newest };
}

/** The set in force, as the sealer says it, to continue. */
function inForce(sealer: SealLedger): KeySetEntry {
  const { note } = sealer.keySets().at(-1)!;
  return { set: keySetOfNote(note), hash: leafHash(Buffer.from(note)) };
}

/** Orders this set; resolves with its index once it is in the log. */
async function follow(sealer: SealLedger, set: KeySet, operator = KEYS.operator): Promise<number> {
  await sealer.followKeys(signKeyOrder(set, operator));
  return sealer.keySets().at(-1)!.index;
}

const running = (sealer: SealLedger): Promise<unknown> =>
  waitUntil(
    () => {
      try {
        return sealer.keySets().length > 0;
      } catch {
        return false;
      }
    },
    { what: 'the sealer at work', timeoutMs: 20_000 },
  );

/** What an outsider finds good, with these newest frames. */
async function expectGood(heads: Readonly<Record<string, number>>): Promise<void> {
  const report = await sealing.report();
  expect(report.findings).toEqual([]);
  expect(report.heads).toEqual(heads);
}

describe('an order for another key set', () => {
  it('is sealed as a block of its own, that and everything after it by the new log key, across a restart', async () => {
    const { sealer, newest } = start([KEYS.log, LOG_2]);
    await sealing.publish(...sealing.frames('a', 2));
    await sealing.sealedUpTo({ a: 2 });
    const set = addKey(inForce(sealer), LOG, LOG_2.verifier, { instead: false, time: TIME });
    const index = await follow(sealer, set);
    expect(sealer.keySets().map((one) => one.index)).toEqual([0, index]);
    await sealing.publish(...sealing.frames('a', 2));
    await sealing.sealedUpTo({ a: 4 });
    await expectGood({ a: 4 });
    expect(newest[0]!.logKey.verifier.vkey).toBe(LOG_2.verifier.vkey);
    expect(newest[0]!.logKeys.map(({ vkey }) => vkey)).toEqual([LOG_2, KEYS.log].map(({ verifier }) => verifier.vkey));
    await sealing.stop();
    // The old key is not needed any more.
    start([LOG_2]);
    await sealing.publish(...sealing.frames('a', 1));
    await sealing.sealedUpTo({ a: 5 });
    await expectGood({ a: 5 });
  });

  it('sent twice, also to a sealer that has just started, is carried out once', async () => {
    let { sealer } = start([KEYS.log, LOG_2]);
    await running(sealer);
    const order = signKeyOrder(
      addKey(inForce(sealer), LOG, LOG_2.verifier, { instead: false, time: TIME }),
      KEYS.operator,
    );
    await Promise.all([sealer.followKeys(order), sealer.followKeys(order)]);
    await sealing.stop();
    ({ sealer } = start([KEYS.log, LOG_2]));
    await running(sealer);
    await sealer.followKeys(order);
    expect(sealer.keySets()).toHaveLength(2);
    await expectGood({});
  });

  it('is refused when it is not an operator’s, not for now, or names a log key that this sealer does not have', async () => {
    const { sealer } = start([KEYS.log]);
    await running(sealer);
    const first = inForce(sealer);
    const next = addKey(first, A, A_2.verifier, { instead: false, time: TIME });
    const stranger = fresh(KEYS.operator, 'a stranger');
    await expect(follow(sealer, next, stranger)).rejects.toMatchObject({ code: 'note.line-key' });
    const elsewhere = { ...next, previous: sha256(Buffer.from('elsewhere')) };
    await expect(follow(sealer, elsewhere)).rejects.toMatchObject({ code: 'key-order.place' });
    const other = addKey(first, LOG, LOG_2.verifier, { instead: false, time: TIME });
    await expect(follow(sealer, other)).rejects.toMatchObject({ code: 'key-order.log-key' });
    await expect(sealer.followKeys(signKeySet(next, KEYS.log, KEYS.operator))).rejects.toMatchObject({
      code: 'note.line-count',
    });
    expect(sealer.keySets()).toHaveLength(1);
    expect(sealing.stopped).toBeNull();
    // Control: the same change, signed as it must be, is sealed.
    await follow(sealer, next);
    await expectGood({});
    await sealing.stop();
    await expect(sealer.followKeys('')).rejects.toMatchObject({ code: 'sealer.standby' });
  });

  it('leaves a sealer without the log key in force unable to seal, and says why', async () => {
    const { sealer } = start([KEYS.log, LOG_2]);
    await running(sealer);
    await follow(sealer, addKey(inForce(sealer), LOG, LOG_2.verifier, { instead: false, time: TIME }));
    await sealing.stop();
    start([KEYS.log]);
    await waitUntil(() => sealing.stopped !== null, { what: 'the sealer without the key stopped', timeoutMs: 20_000 });
    expect(sealing.stopped).toMatchObject({ code: 'key.changed' });
    expect(sealing.stopped!.message).toContain(LOG_2.verifier.vkey);
  });

  it('is announced with the sets before it, so that whoever knows only the first follows', async () => {
    const { sealer, newest } = start([KEYS.log, LOG_2]);
    await running(sealer);
    await follow(sealer, addKey(inForce(sealer), A, A_2.verifier, { instead: false, time: TIME }));
    await follow(sealer, addKey(inForce(sealer), LOG, LOG_2.verifier, { instead: false, time: TIME }));
    const { keys } = parseAnnouncement(await buildAnnouncement(newest[0]!, 'no checkpoint'));
    const notes = sealer.keySets().map(({ note }) => note);
    expect([...(keys.before ?? []), keys.note]).toEqual(notes.slice(1));
    expect(keys.index).toBe(sealer.keySets().at(-1)!.index);
  });
});

describe('an ingest key that is rotated', () => {
  it('has both keys seal, then the new one alone', async () => {
    const { sealer } = start([KEYS.log]);
    await sealing.publish(...sealing.frames('a', 2));
    await sealing.sealedUpTo({ a: 2 });
    await follow(sealer, addKey(inForce(sealer), A, A_2.verifier, { instead: false, time: TIME }));
    await sealing.publish(...sealing.frames('a', 1));
    sealing.writer.keys = { ...KEYS, a: A_2 };
    await sealing.publish(...sealing.frames('a', 2));
    await sealing.sealedUpTo({ a: 5 });
    await follow(sealer, keepKey(inForce(sealer), A, A_2.verifier, TIME));
    await sealing.publish(...sealing.frames('a', 1));
    await sealing.sealedUpTo({ a: 6 });
    await expectGood({ a: 6 });
    expect(sealing.alertCodes).toEqual([]);
  });

  it.each(['on the stream', 'held back'])(
    'is revoked at once: frames of it that are %s are a gap by that cause',
    async (where) => {
      const { sealer } = start([KEYS.log]);
      await sealing.publish(...sealing.frames('a', 1));
      await sealing.sealedUpTo({ a: 1 });
      const [missing, held] = sealing.frames('a', 2);
      if (where === 'held back') {
        const [sequence] = await sealing.publish(held!);
        await sealing.cursorAt(sequence!);
      }
      await follow(sealer, addKey(inForce(sealer), A, A_2.verifier, { instead: true, time: TIME }));
      await sealing.publish(missing!, held!);
      sealing.writer.keys = { ...KEYS, a: A_2 };
      const [sequence] = await sealing.publish(...sealing.frames('a', 1));
      await sealing.cursorAt(sequence!);
      await expectGood({ a: 1 });
      await sealer.declare(
        signGapOrder({ origin: ORIGIN, ingester: 'a', first: 2, last: 3, time: TIME }, KEYS.operator),
      );
      await sealing.sealedUpTo({ a: 4 });
      await expectGood({ a: 4 });
      const gaps = await listGaps(sealing.pool, sealing.ledgerId);
      expect(gaps.map(({ cause }) => cause)).toEqual(['key-revoked']);
    },
  );
});
