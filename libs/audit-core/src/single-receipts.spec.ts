import { describe, expect, it } from '@jest/globals';
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { signFrame } from './frame.js';
import { leafHash, ZERO_HASH } from './hash.js';
import { NOTE_KEY, SigningKey } from './key.js';
import { ingestKeyName, originOf } from './names.js';
import { FrameTree } from './range-proof.js';
import { formatReceipt, parseReceipt, verifyReceipt, type Receipt } from './receipt.js';
import { singleReceipts } from './single-receipts.js';
import { formatTimestamp } from './timestamp.js';

const DOMAIN = 'audit.example.com';
const origin = originOf(DOMAIN, 'main');
const producer = 'billing';
const key = SigningKey.fromSeed(ingestKeyName(DOMAIN, 'a'), Buffer.alloc(32, 1), NOTE_KEY);
const accepted = formatTimestamp(Date.UTC(2026, 0, 1));
const prefix = eventPrefix(origin, producer, accepted);
const events = Array.from({ length: 33 }, (_, i) => Buffer.from(`{"id":"${i}"}`));
const leaves = events.map((event) => leafHash(encodeEventEntry(prefix, event)));

function receiptOf(first: number, count: number, size: number): Receipt {
  const tree = new FrameTree(leaves.slice(0, size));
  const frame = { origin, ingester: 'a', number: 1, previous: ZERO_HASH, count: size, root: tree.root, accepted };
  return { ledger: origin, frame: signFrame(frame, key), first, count, proof: tree.proveRange(first, count) };
}

/** Whether each single receipt proves its own event and no other. */
function hold(first: number, count: number, size: number): boolean {
  const sent = events.slice(first, first + count);
  return singleReceipts(receiptOf(first, count, size), { origin, producer, events: sent }).every((single, i) => {
    const read = parseReceipt(formatReceipt(single));
    verifyReceipt(read, { origin, producer, events: [sent[i]!] }, [key.verifier]);
    const other = sent[i + 1] ?? Buffer.from('{"id":"other"}');
    expect(() => verifyReceipt(read, { origin, producer, events: [other] }, [key.verifier])).toThrow(/positions/);
    return read.count === 1 && read.first === first + i;
  });
}

describe('single receipts', () => {
  it('prove each event of every request in every frame of up to 12 events', () => {
    for (let size = 1; size <= 12; size += 1) {
      for (let first = 0; first < size; first += 1) {
        for (let count = 1; first + count <= size; count += 1) expect(hold(first, count, size)).toBe(true);
      }
    }
  });

  it('prove each event of a larger one', () => {
    expect(hold(3, 27, 33)).toBe(true);
  });

  it('are not made for other events than the receipt has', () => {
    const submitted = { origin, producer, events: events.slice(0, 2) };
    expect(() => singleReceipts(receiptOf(0, 3, 8), submitted)).toThrow(RangeError);
  });
});
