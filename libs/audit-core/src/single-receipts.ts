/**
 * Takes the receipt of a request apart into receipts of its single events, so that whoever holds one event needs nobody
 * else's bytes to prove it. Each is a receipt like any other: count 1, its proof the inclusion proof of that position.
 *
 * A request's receipt proves a range of positions: the roots outside the range stand in its proof, those inside follow from
 * the events. Together these are all the roots that the proof of one position asks for.
 */
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { parseFrameText } from './frame.js';
import { leafHash, nodeHash, type Hash } from './hash.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';
import type { Receipt, Submitted } from './receipt.js';
import { splitPoint } from './segment.js';

/**
 * @param receipt one that `verifyReceipt` took for `submitted`; of another one nothing comes that verifies
 * @returns a receipt for each event, in their order
 * @throws RangeError when the receipt is not one of so many events
 */
export function singleReceipts(receipt: Receipt, submitted: Submitted): Receipt[] {
  const { first, count } = receipt;
  if (submitted.events.length !== count) throw new RangeError(`a receipt of ${count} events, not of these`);
  if (count === 1) return [receipt];
  const frame = parseFrameText(parseNote(receipt.frame, MOST_ENTRY_BYTES).text);
  const prefix = eventPrefix(submitted.origin, submitted.producer, frame.accepted);
  const leaves = submitted.events.map((event) => leafHash(encodeEventEntry(prefix, event)));
  const roots = rootsOf(receipt, frame.count, leaves);
  return leaves.map((_, i) => {
    return { ...receipt, first: first + i, count: 1, proof: pathOf(first + i, frame.count, roots) };
  });
}

/** The root of every subtree that the recursion of range-proof.ts meets, by its bounds. */
function rootsOf({ first, count, proof }: Receipt, size: number, leaves: readonly Hash[]): Map<number, Hash> {
  const roots = new Map<number, Hash>();
  let used = 0;
  const fold = (lo: number, hi: number): Hash => {
    let root: Hash | undefined;
    if (hi <= first || lo >= first + count) root = proof[used++];
    else if (hi - lo === 1) root = leaves[lo - first];
    else {
      const middle = lo + splitPoint(hi - lo);
      const left = fold(lo, middle); // in this order: hashes are taken left to right
      root = nodeHash(left, fold(middle, hi));
    }
    if (root === undefined) throw new RangeError('the receipt has too few hashes: it was not verified');
    roots.set(keyOf(lo, hi, size), root);
    return root;
  };
  fold(0, size);
  return roots;
}

function pathOf(position: number, size: number, roots: ReadonlyMap<number, Hash>): Hash[] {
  const path: Hash[] = [];
  const walk = (lo: number, hi: number): void => {
    if (hi - lo === 1) return;
    const middle = lo + splitPoint(hi - lo);
    if (position < middle) {
      walk(lo, middle);
      path.push(roots.get(keyOf(middle, hi, size)) as Hash);
    } else {
      path.push(roots.get(keyOf(lo, middle, size)) as Hash);
      walk(middle, hi);
    }
  };
  walk(0, size);
  return path;
}

const keyOf = (lo: number, hi: number, size: number): number => lo * (size + 1) + hi;
