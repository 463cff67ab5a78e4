/**
 * Open debts: frames that a gap record with cause `lost` declared missing and that may still be sealed later, once
 * each (formats.md "Gap record").
 *
 * A late frame is taken if its `previous` is the hash of the frame before, its own hash the `previous` of the frame
 * after, and its `accepted` in order, each where that neighbour is sealed. It does not move the ingester's head.
 */

import type { Frame } from './frame.js';
import type { Gap } from './gap.js';
import { equalHash, ZERO_HASH, type Hash } from './hash.js';

export interface Link {
  readonly hash: Hash | null;
  readonly previous: Hash | null;
  readonly accepted: string;
}

export interface Debt {
  readonly ingester: string;
  readonly first: number;
  readonly last: number;
  /** Sealed neighbours by number: first − 1, last + 1 and every frame paid so far. */
  readonly links: ReadonlyMap<number, Link>;
}

export class DebtBook {
  constructor(private readonly debts: Debt[] = []) {}

  clone(): DebtBook {
    return new DebtBook([...this.debts]);
  }

  all(): readonly Debt[] {
    return [...this.debts];
  }

  /** Ranges still unpaid of one ingester, ascending: [first, last] pairs of frame numbers. */
  ranges(ingester: string): [number, number][] {
    const unpaid: [number, number][] = [];
    for (const debt of this.debts) {
      if (debt.ingester !== ingester) continue;
      const sealed = [...debt.links.keys()].sort((a, b) => a - b);
      for (let i = 1; i < sealed.length; i++) {
        const [from, to] = [sealed[i - 1]! + 1, sealed[i]! - 1];
        if (from <= to) unpaid.push([from, to]);
      }
    }
    return unpaid.sort((a, b) => a[0] - b[0]);
  }

  /** Opens the debt of a gap between `before` (null when the gap starts at frame 1) and the frame that ended it. */
  open(gap: Gap, before: { hash: Hash; accepted: string } | null, after: Frame): void {
    const links = new Map<number, Link>([
      [gap.first - 1, { hash: before?.hash ?? ZERO_HASH, previous: null, accepted: before?.accepted ?? '' }],
      [gap.last + 1, { hash: null, previous: after.previous, accepted: after.accepted }],
    ]);
    this.replace(null, { ingester: gap.ingester, first: gap.first, last: gap.last, links });
  }

  /** Pays the debt of one late frame. Returns why it cannot, or null when it is paid. */
  pay(frame: Frame, hash: Hash): string | null {
    const what = `frame ${frame.number} of ${frame.ingester}`;
    const debt = this.debts.find(
      (d) => d.ingester === frame.ingester && d.first <= frame.number && frame.number <= d.last,
    );
    if (!debt || debt.links.has(frame.number)) return `${what} is already sealed`;
    const before = debt.links.get(frame.number - 1);
    const after = debt.links.get(frame.number + 1);
    if (before && (!equalHash(before.hash!, frame.previous) || frame.accepted < before.accepted)) {
      return `${what} does not continue the frame before it`;
    }
    if (after && (!equalHash(after.previous!, hash) || after.accepted < frame.accepted)) {
      return `${what} is not continued by the frame after it`;
    }
    const links = new Map(debt.links).set(frame.number, { hash, previous: frame.previous, accepted: frame.accepted });
    const paid = links.size === debt.last - debt.first + 3;
    this.replace(debt, paid ? null : { ...debt, links });
    return null;
  }

  private replace(old: Debt | null, updated: Debt | null): void {
    if (old) this.debts.splice(this.debts.indexOf(old), 1);
    if (updated) this.debts.push(updated);
  }
}
