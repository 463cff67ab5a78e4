/** Claims: what a producer learns of its receipt at every stage of its frame, what is refused, and what raises an alert. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  encodeEventEntry,
  eventPrefix,
  formatReceipt,
  FrameTree,
  leafHash,
  parseClaimAnswer,
  parseReceipt,
  verifyClaimAnswer,
  type ClaimAnswer,
} from '@everseal/audit-core';
import { TestPostgres } from '@everseal/testing';
import type { MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { CustodyWorld, KEYS, ORIGIN, OVERDUE_MS, type CustodyVerifier } from './custody.fixture.js';

const PAST = OVERDUE_MS + 1;
const TRUST = { logKeys: [KEYS.log.verifier], verifiers: [KEYS.verifier.verifier] };

let server: TestPostgres;
let world: CustodyWorld;
let verifier: CustodyVerifier;
let made: MadeFrame;
let databases = 0;

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  world = await CustodyWorld.start(server, `claims${databases++}`);
  verifier = await world.verifier('guard', 'sweep');
  await verifier.look();
  made = world.log.writer.frame('a', ['{"n":1}', '{"n":2}', '{"n":3}']);
});
afterEach(() => world.close());

function receiptOf({ note, entries }: MadeFrame, first = 1, count = 1): Buffer {
  const tree = new FrameTree(entries.map((entry) => leafHash(entry)));
  const proof = tree.proveRange(first, count);
  return formatReceipt({ ledger: ORIGIN, frame: note.toString(), first, count, proof });
}

async function claim(receipt = receiptOf(made), producer = 'billing'): Promise<ClaimAnswer> {
  return parseClaimAnswer(await verifier.claims.claim(producer, receipt));
}

const refusal = (receipt: Buffer, producer = 'billing'): Promise<unknown> =>
  claim(receipt, producer).then(
    () => 'granted',
    ({ code }: { code: string }) => code,
  );

async function seal(...frames: MadeFrame[]): Promise<void> {
  await world.log.seal(...frames);
  await verifier.follow.catchUp();
}

describe('the state of a claim', () => {
  it('pending, then sealed with a proof that the receipt alone is enough to check', async () => {
    expect(await claim()).toEqual({ state: 'pending' });
    await seal(made);
    // In the log, and below no cosigned checkpoint yet.
    expect(await claim()).toEqual({ state: 'pending' });
    verifier.cosigned = world.log.writer.checkpoint();
    await seal();
    for (const [first, count] of [
      [0, 3],
      [0, 1],
      [2, 1],
    ] as const) {
      const receipt = receiptOf(made, first, count);
      const answer = await claim(receipt);
      expect(answer).toMatchObject({ state: 'sealed', index: 3 + first });
      if (answer.state !== 'sealed') continue;
      expect(verifyClaimAnswer(answer, parseReceipt(receipt), TRUST).checkpoint.size).toBe(7);
      const other = world.log.writer.frame('b', ['{"n":1}', '{"n":2}', '{"n":3}']);
      const asOther = (): unknown => verifyClaimAnswer(answer, parseReceipt(receiptOf(other, first, count)), TRUST);
      expect(asOther).toThrow(expect.objectContaining({ code: 'claim-answer.inclusion' }));
    }
    expect(verifier.sent).toEqual([]);
  });

  it('overdue past the bound, which raises an alert with the receipt; it clears when the frame is sealed', async () => {
    expect(await claim()).toEqual({ state: 'pending' });
    await verifier.look();
    world.now += PAST;
    await verifier.custody.look();
    const receipt = receiptOf(made);
    expect(await claim(receipt)).toEqual({ state: 'overdue' });
    expect(await claim(receipt)).toEqual({ state: 'overdue' });
    // The lane's own alert, and the one of the claim.
    expect(verifier.open).toEqual(['custody.overdue', 'custody.overdue']);
    await verifier.alerts.flush();
    expect(verifier.alert('custody.overdue').evidence!['receipt']).toBe(receipt.toString());
    await seal(made);
    await verifier.look();
    expect(verifier.open).toEqual([]);
  });

  it('overdue stands, so that it is acknowledged where nobody can look it up any more; control: the alert of a lane', async () => {
    await claim();
    await verifier.look();
    world.now += PAST;
    await verifier.custody.look();
    await claim();
    // Whoever holds a stolen key claims frames that nobody will seal, more of them than notes are kept. After a restart no look
    // knows of them, and of the first ones not even without one.
    const before = verifier.alerts.open.map(({ number }) => number);
    writeFileSync(path.join(world.folder.path, 'custody.json'), '{"frames":[]}');
    const again = await world.verifier('guard', 'sweep');
    for (let i = 0; i < 2; i++, world.now += PAST) await again.look();
    expect(again.alerts.open.map(({ number, stands }) => [number, stands])).toEqual([
      [before[0], undefined],
      [before[1], true],
    ]);
    const said = {
      source: 'audit.example.com/verifier/v1',
      time: world.log.writer.time(),
      by: 'eva',
      reason: 'stolen',
    };
    const acknowledge = (number: number): boolean =>
      again.alerts.acknowledge({ ...said, code: 'custody.overdue', number });
    expect([acknowledge(before[0]!), acknowledge(before[1]!)]).toEqual([false, true]);
    expect(again.alerts.open.map(({ number }) => number)).toEqual([before[0]]);
  });

  it('overdue for a frame in a gap: custody.gap-false; for one whose number another has: custody.conflict', async () => {
    const next = world.log.writer.frame('a', ['{"n":4}']);
    await claim();
    await world.log.seal(world.log.writer.gap('a', 1, 1), next);
    await verifier.look();
    world.now += PAST;
    await verifier.look();
    expect(await claim()).toEqual({ state: 'overdue' });
    expect(new Set(verifier.open)).toEqual(new Set(['custody.gap-false']));
    const twin = world.twin(next);
    expect(await claim(receiptOf(twin, 0, 1))).toEqual({ state: 'overdue' });
    expect(verifier.open).toContain('custody.conflict');
    await verifier.alerts.flush();
    expect(verifier.alert('custody.conflict').evidence).toMatchObject({
      first: next.note.toString(),
      second: twin.note.toString(),
      receipt: receiptOf(twin, 0, 1).toString(),
    });
  });
});

describe('a claim is refused', () => {
  it('when it is no receipt of this ledger, or no ingester signed its frame', async () => {
    expect(await refusal(Buffer.from('{}'))).toBe('receipt.ledger');
    const receipt = JSON.parse(receiptOf(made).toString()) as Record<string, unknown>;
    const altered = (over: object): Buffer => Buffer.from(JSON.stringify({ ...receipt, ...over }));
    expect(await refusal(altered({ proof: [] }))).toBe('claim.range');
    expect(await refusal(altered({ first: 3 }))).toBe('receipt.first');
    const forged = made.note
      .toString()
      .replace('\n1\n', '\n1000\n')
      .replace(/\n[^\n]{44}\n/, `\n${'B'.repeat(42)}A=\n`);
    expect(await refusal(altered({ frame: forged }))).toBe('note.signature');
    expect(verifier.sent).toEqual([]);
    // Nothing of it is kept.
    await verifier.look();
    world.now += PAST;
    for (let i = 0; i < 2; i++) await verifier.look();
    expect(verifier.open).toEqual([]);
  });

  it('when the sealed events are others than its proof is of, or another producer’s', async () => {
    await seal(made);
    verifier.cosigned = world.log.writer.checkpoint();
    expect(await refusal(receiptOf(made), 'orders')).toBe('claim.producer');
    const elsewhere = encodeEventEntry(eventPrefix(ORIGIN, 'billing', made.frame.accepted), Buffer.from('{"n":9}'));
    const others = { ...made, entries: made.entries.with(0, elsewhere) };
    expect(await refusal(receiptOf(others))).toBe('claim.root');
    expect(await refusal(receiptOf(made))).toBe('granted');
  });

  it('for now, when somebody took away the row that says where its frame stands', async () => {
    const next = world.log.writer.frame('a', ['{"n":4}']);
    await seal(made, next);
    verifier.cosigned = world.log.writer.checkpoint();
    await world.log.tamper('DELETE FROM everseal.frame WHERE number = 1');
    expect(await refusal(receiptOf(made))).toBe('claim.unsettled');
    expect(verifier.sent).toEqual([]);
  });
});
