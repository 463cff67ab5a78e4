import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  encodeEventEntry,
  eventPrefix,
  formatReceipt,
  formatRefusal,
  formatTimestamp,
  FrameTree,
  ingestKeyName,
  leafHash,
  NOTE_KEY,
  parseReceipt,
  sha256,
  signFrame,
  SigningKey,
  verifyReceipt,
  ZERO_HASH,
  type RefusalCode,
} from '@everseal/audit-core';
import { codeOf, RetryLater } from '@everseal/process';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { readFileSync } from 'node:fs';
import { Outbox } from './outbox.js';
import { LEAST_REFUSALS, LEAST_REFUSED_MS, SystemLedgerWriter } from './system-ledger-writer.js';

const ORIGIN = 'audit.example.com/system';
const PRODUCER = 'verifier-v1';
const ACCEPTED = formatTimestamp(Date.UTC(2026, 0, 1));

const keyOf = (seed: string): SigningKey =>
  SigningKey.fromSeed(ingestKeyName('audit.example.com', 'a'), sha256(Buffer.from(seed)), NOTE_KEY);
const KEY = keyOf('now');
const NEXT_KEY = keyOf('next');

/** What an ingester answers to a request of this one event. */
function receiptOf(event: Buffer, key = KEY, producer = PRODUCER): Buffer {
  const leaf = leafHash(encodeEventEntry(eventPrefix(ORIGIN, producer, ACCEPTED), event));
  const tree = new FrameTree([leaf]);
  const frame = {
    origin: ORIGIN,
    ingester: 'a',
    number: 1,
    previous: ZERO_HASH,
    count: 1,
    root: tree.root,
    accepted: ACCEPTED,
  };
  return formatReceipt({ ledger: ORIGIN, frame: signFrame(frame, key), first: 0, count: 1, proof: [] });
}

const refusal = (code: RefusalCode, sent: Buffer): Buffer =>
  formatRefusal({ code, message: 'no', position: null, retryAfterMs: null }, sent);

let folder: TemporaryFolder;
let outbox: Outbox;
let logged: string[];
let clock: number;
beforeEach(() => {
  clock = 0;
  folder = temporaryFolder('writer');
  outbox = Outbox.open(folder.path);
  logged = [];
});
afterEach(() => {
  outbox.close();
  folder.remove();
});

const event = (n: number): Buffer => Buffer.from(`{"id":"${n}"}`);
const outcomes = (): string[] =>
  readFileSync(path.join(folder.path, '1.outcomes.ndjson'), 'utf8').split('\n').slice(0, -1);

function writer(answer: (event: Buffer) => Buffer | Error, refreshed = [KEY.verifier]): SystemLedgerWriter {
  let current = [KEY.verifier];
  return new SystemLedgerWriter({
    outbox,
    origin: ORIGIN,
    producer: PRODUCER,
    keys: {
      get current() {
        return current;
      },
      refresh: () => {
        current = refreshed;
        return Promise.resolve();
      },
    },
    submit: (sent) => {
      const answered = answer(sent);
      return answered instanceof Error ? Promise.reject(answered) : Promise.resolve(answered);
    },
    logger: { error: (_fields: unknown, message?: string) => void logged.push(String(message)) },
    now: () => clock,
  });
}

describe('the writer of the system ledger', () => {
  it('sends event after event and keeps the receipt of each, as a proof', async () => {
    const sent: string[] = [];
    const own = writer((one) => (sent.push(one.toString()), receiptOf(one)));
    expect(await own.round()).toBe(false);
    for (const n of [1, 2]) outbox.put(event(n));
    expect([await own.round(), await own.round()]).toEqual([true, false]);
    expect(sent).toEqual(['{"id":"1"}', '{"id":"2"}']);
    const kept = parseReceipt(Buffer.from(outcomes()[1] as string));
    const submitted = { origin: ORIGIN, producer: PRODUCER, events: [event(2)] };
    expect(verifyReceipt(kept, submitted, [KEY.verifier]).number).toBe(1);
    expect(own.counts).toEqual({ receipted: 2, refused: 0 });
  });

  it.each<[string, (sent: Buffer) => Buffer | Error, string]>([
    ['no answer', () => Object.assign(new Error('x'), { code: 'nats.timeout' }), 'nats.timeout'],
    ['an answer that cannot be read', () => Buffer.from('{}'), 'system-ledger.answer'],
    ['not now', (sent) => refusal('unavailable', sent), 'system-ledger.refused'],
    ['a policy that ingest does not have yet', (sent) => refusal('event.forbidden', sent), 'system-ledger.refused'],
    ['the refusal of another event', () => refusal('event.conflict', event(9)), 'system-ledger.answer'],
    ['a receipt for other bytes', () => receiptOf(event(9)), 'system-ledger.receipt'],
    ['a receipt of another producer', (sent) => receiptOf(sent, KEY, 'sealer-s1'), 'system-ledger.receipt'],
    ['a receipt by a key that no key set names', (sent) => receiptOf(sent, NEXT_KEY), 'system-ledger.receipt'],
  ])('sends the same again after %s; control: a good receipt settles it', async (_what, answer, code) => {
    outbox.put(event(1));
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i++)
      await writer(answer)
        .round()
        .catch((error: unknown) => seen.push(codeOf(error)));
    expect([seen, outbox.waiting]).toEqual([[code, code, code], 1]);
    await writer(receiptOf).round();
    expect(outbox.waiting).toBe(0);
  });

  it('takes a receipt by a key of the newest key set', async () => {
    outbox.put(event(1));
    await writer((sent) => receiptOf(sent, NEXT_KEY), [NEXT_KEY.verifier]).round();
    expect(outbox.waiting).toBe(0);
  });

  const FINAL = ['event.conflict', 'event.invalid', 'request.too-large', 'request.malformed'] as const;

  it.each<RefusalCode>(FINAL)('asks %s again: one ingester that refuses is not the last word', async (code) => {
    outbox.put(event(1));
    // One of two: the broker gives it requests as it likes, here nearly all.
    let asked = 0;
    const own = writer((sent) => ((asked += 1) <= 500 ? refusal(code, sent) : receiptOf(sent)));
    const refusals = await askUntilSettled(own, LEAST_REFUSED_MS / 501);
    expect([refusals, outcomes()]).toEqual([500, [receiptOf(event(1)).toString()]]);
    expect([own.counts, logged]).toEqual([{ receipted: 1, refused: 0 }, []]);
  });

  it.each<RefusalCode>(FINAL)(
    'does not let an event that all refuse as %s, often and for long, hold up the next ones, and says so',
    async (code) => {
      for (const n of [1, 2]) outbox.put(event(n));
      const own = writer((sent) => (sent.equals(event(1)) ? refusal(code, sent) : receiptOf(sent)));
      expect(await askUntilSettled(own, 10_000)).toBe(LEAST_REFUSALS - 1);
      expect(outcomes()).toEqual([`{"refused":{"code":"${code}","message":"no"}}`]);
      expect(logged).toEqual([expect.stringContaining(code)]);
      expect([await own.round(), own.counts]).toEqual([false, { receipted: 1, refused: 1 }]);
    },
  );

  it('settles nothing by many refusals in a short time, nor by few in a long one', async () => {
    outbox.put(event(1));
    const own = writer((sent) => refusal('event.conflict', sent));
    const again = async (times: number, everyMs: number): Promise<void> => {
      for (let i = 0; i < times; i += 1) {
        clock += everyMs;
        await own.round().catch(() => undefined);
      }
    };
    await again(1_000, 10);
    expect(outbox.waiting).toBe(1);
    const other = writer((sent) => refusal('event.conflict', sent));
    for (let i = 1; i < LEAST_REFUSALS; i += 1) {
      clock += LEAST_REFUSED_MS;
      await other.round().catch(() => undefined);
    }
    expect(outbox.waiting).toBe(1);
    // Control: one more, and the row is as long as it has to be.
    await other.round();
    expect(outbox.waiting).toBe(0);
  });

  it.each<[string, (sent: Buffer) => Buffer | Error, number]>([
    ['begins anew behind "not now"', (sent) => refusal('unavailable', sent), LEAST_REFUSALS - 1],
    ['begins anew behind a receipt that does not verify', (sent) => receiptOf(sent, NEXT_KEY), LEAST_REFUSALS - 1],
    ['goes on over an answer that did not come', () => new RetryLater('nats.timeout', 'x'), 49],
  ])('a row of refusals %s', async (_what, between, left) => {
    outbox.put(event(1));
    let asked = 0;
    const own = writer((sent) => ((asked += 1) === 51 ? between(sent) : refusal('event.invalid', sent)));
    expect(await askUntilSettled(own, LEAST_REFUSED_MS / 10)).toBe(51 + left);
  });
});

/** Rounds as a loop makes them. @returns how many failed before the oldest event was settled */
async function askUntilSettled(own: SystemLedgerWriter, everyMs: number): Promise<number> {
  const { waiting } = outbox;
  for (let failed = 0; ; failed += 1) {
    clock += everyMs;
    await own.round().catch((error: unknown) => {
      if (codeOf(error) === undefined) throw error;
    });
    if (outbox.waiting < waiting) return failed;
  }
}
