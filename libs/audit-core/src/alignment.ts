/**
 * Which records differ between the entries that a verifier remembers and the entries that stand in the store now.
 *
 * Both sides are sequences of leaf hashes. Equal ends are cut off; what is left in the middle decides the verdict: same
 * hashes in another order are *reordered*, fewer are *missing*, more are *inserted*, as many but others are *altered*.
 * A mixture is named by what it does to the length, and the first position that differs is the first bad record.
 */

import { equalHash, type Hash } from './hash.js';

export type Difference = 'altered' | 'missing' | 'inserted' | 'reordered';

export interface Misalignment {
  readonly difference: Difference;
  /** Position in the remembered sequence of the first bad record; for `inserted` the position it was put before. */
  readonly position: number;
  /** How many records are altered, missing, inserted or out of place. */
  readonly count: number;
}

/** Null when the two sequences are equal. Works in time linear in their length. */
export function align(remembered: readonly Hash[], stored: readonly Hash[]): Misalignment | null {
  const shorter = Math.min(remembered.length, stored.length);
  let head = 0;
  while (head < shorter && equalHash(remembered[head]!, stored[head]!)) head++;
  if (head === remembered.length && head === stored.length) return null;
  let tail = 0;
  while (
    tail < shorter - head &&
    equalHash(remembered[remembered.length - 1 - tail]!, stored[stored.length - 1 - tail]!)
  ) {
    tail++;
  }
  const gone = remembered.slice(head, remembered.length - tail);
  const came = stored.slice(head, stored.length - tail);
  return diagnose(head, gone, came);
}

function diagnose(head: number, gone: readonly Hash[], came: readonly Hash[]): Misalignment {
  if (gone.length > came.length) {
    return { difference: 'missing', position: head + firstNotIn(gone, came), count: gone.length - came.length };
  }
  if (came.length > gone.length) {
    // The first stranger marks the place; every remembered record before it still stands where it was.
    const stranger = firstNotIn(came, gone);
    return {
      difference: 'inserted',
      position: head + Math.min(stranger, gone.length),
      count: came.length - gone.length,
    };
  }
  const out = gone.filter((hash, i) => !equalHash(hash, came[i]!)).length;
  const permuted = counts(gone);
  const difference = came.every((hash) => take(permuted, hash)) ? 'reordered' : 'altered';
  return { difference, position: head, count: out };
}

/** Position of the first hash of `a` that `b` does not hold (as often); 0 when `b` holds them all. */
function firstNotIn(a: readonly Hash[], b: readonly Hash[]): number {
  const held = counts(b);
  const at = a.findIndex((hash) => !take(held, hash));
  return at < 0 ? 0 : at;
}

function counts(hashes: readonly Hash[]): Map<string, number> {
  const held = new Map<string, number>();
  for (const hash of hashes) {
    const key = hash.toString('latin1');
    held.set(key, (held.get(key) ?? 0) + 1);
  }
  return held;
}

function take(held: Map<string, number>, hash: Hash): boolean {
  const key = hash.toString('latin1');
  const left = held.get(key) ?? 0;
  if (left > 0) held.set(key, left - 1);
  return left > 0;
}
