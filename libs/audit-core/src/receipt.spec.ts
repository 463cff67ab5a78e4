import { describe, expect, it } from '@jest/globals';
import { assert, integer, nat, property, uint8Array } from 'fast-check';
import { at, CAST, ORIGIN } from '../vectors/cast.js';
import { FRAME, FRAME_NOTE, TREE } from '../vectors/make/frame.js';
import { readReceipt, type ReceiptInput } from '../vectors/make/receipt.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { signFrame } from './frame.js';
import { leafHash } from './hash.js';
import { FrameTree } from './range-proof.js';
import { formatReceipt, parseReceipt, receiptWriter, verifyReceipt } from './receipt.js';

const file = readVectors<ReceiptInput>('receipt');
const KEYS = [CAST.a.verifier];

/** A frame of `n` events of one producer, and the receipt writer of it. */
function frameOf(n: number): { events: Buffer[]; tree: FrameTree; write: ReturnType<typeof receiptWriter> } {
  const prefix = eventPrefix(ORIGIN, 'orders', at(1));
  const events = Array.from({ length: n }, (_, i) => Buffer.from(`{"id":"${i}"}`));
  const tree = new FrameTree(events.map((event) => leafHash(encodeEventEntry(prefix, event))));
  return { events, tree, write: receiptWriter(signFrame({ ...FRAME, count: n, root: tree.root }, CAST.a)) };
}

describe('receipt', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readReceipt(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('verifies for every range of every small frame, and for no other range', () => {
    for (let n = 1; n <= 9; n++) {
      const { events, tree, write } = frameOf(n);
      for (let first = 0; first < n; first++) {
        for (let count = 1; first + count <= n; count++) {
          const receipt = parseReceipt(write(first, count, tree.proveRange(first, count)));
          const sent = { origin: ORIGIN, producer: 'orders', events: events.slice(first, first + count) };
          expect(verifyReceipt(receipt, sent, KEYS).count).toBe(n);
          if (first + count === n) continue;
          const shifted = { ...receipt, first: first + 1 };
          expect(outcome(() => verifyReceipt(shifted, sent, KEYS))).toHaveProperty('code');
        }
      }
    }
  });

  it('has at most 18 hashes in the largest frame', () => {
    const { events, tree, write } = frameOf(512);
    assert(
      property(nat(511), nat(511), (one, other) => {
        const first = Math.min(one, other);
        const count = Math.max(one, other) - first + 1;
        const receipt = parseReceipt(write(first, count, tree.proveRange(first, count)));
        const sent = { origin: ORIGIN, producer: 'orders', events: events.slice(first, first + count) };
        expect(verifyReceipt(receipt, sent, KEYS).count).toBe(512);
      }),
      { numRuns: 20 },
    );
    expect(tree.proveRange(255, 2)).toHaveLength(16);
  });

  it('is refused with any byte changed', () => {
    const bytes = formatReceipt({
      ledger: ORIGIN,
      frame: FRAME_NOTE,
      first: 1,
      count: 1,
      proof: TREE.proveRange(1, 1),
    });
    const input = { origin: ORIGIN, producer: 'billing', events: ['{"id":"2"}'] };
    const keys = keysOf(file);
    const read = (receipt: Buffer) =>
      outcome(() => readReceipt({ ...input, receipt: [{ hex: receipt.toString('hex') }] }, keys));
    expect(read(bytes)).toHaveProperty('value');
    for (let place = 0; place < bytes.length; place++) {
      for (const mask of [1 << (place % 8), 0x20]) {
        const changed = Buffer.from(bytes);
        changed[place]! ^= mask;
        expect(read(changed)).toHaveProperty('code');
      }
    }
    assert(
      property(integer({ min: 0, max: bytes.length - 1 }), integer({ min: 1, max: 255 }), (place, mask) => {
        const changed = Buffer.from(bytes);
        changed[place]! ^= mask;
        expect(read(changed)).toHaveProperty('code');
      }),
      { numRuns: 500 },
    );
  });

  it('survives any bytes with a code', () => {
    assert(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcome(() => parseReceipt(bytes))).toHaveProperty('code');
      }),
    );
  });

  it('is not written for a place outside the frame, nor for what is no frame', () => {
    const { write } = frameOf(3);
    for (const [first, count] of [
      [-1, 1],
      [0, 0],
      [0, 4],
      [3, 1],
      [NaN, 1],
      [0.5, 1],
    ] as const) {
      // prettier-ignore
      expect(() => write(first, count, [])).toThrow(RangeError);
    }
    expect(outcome(() => receiptWriter('no note'))).toHaveProperty('code');
    const other = { ledger: 'audit.example.com/test', frame: FRAME_NOTE, first: 0, count: 3, proof: [] };
    expect(() => formatReceipt(other)).toThrow(RangeError);
  });
});
