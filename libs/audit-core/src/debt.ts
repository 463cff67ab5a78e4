/**
 * Open debts: frames that a gap record with cause `lost` declared missing and that may still be sealed later, once
 * each (formats.md "Gap record").
 *
 * A late frame is taken if its `previous` is the hash of the frame before, its own hash the `previous` of the frame
 * after, and its `accepted` in order, each where that neighbour is sealed. It does not move the ingester's head.
 *
 * An ingester decides how many frames pay a debt and in which order, so a payment costs the same however many came
 * before it. A book and its clones share their debts until one of them is paid.
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

/** Numbers from the first to the last. */
export type NumberRange = readonly [first: number, last: number];

export class DebtBook {
  private readonly debts: OpenDebt[];

  constructor(debts: readonly Debt[] = []) {
    this.debts = debts.map((debt) => (debt instanceof OpenDebt ? debt : OpenDebt.of(debt)));
  }

  clone(): DebtBook {
    return new DebtBook(this.all());
  }

  /** As they are now; payments do not change what was given out. */
  all(): readonly Debt[] {
    for (const debt of this.debts) debt.isShared = true;
    return [...this.debts];
  }

  /** Who owes something. */
  ingesters(): Set<string> {
    return new Set(this.debts.map(({ ingester }) => ingester));
  }

  /** The debts of one ingester, and how many frames of each are missing still. */
  ofIngester(ingester: string): { readonly first: number; readonly last: number; readonly left: number }[] {
    const own = this.debts.filter((debt) => debt.ingester === ingester);
    return own.map(({ first, last, links }) => ({ first, last, left: last - first + 3 - links.size }));
  }

  /** Ranges still unpaid of one ingester, ascending. */
  ranges(ingester: string): NumberRange[] {
    const own = this.debts.filter((debt) => debt.ingester === ingester).sort((a, b) => a.first - b.first);
    return own.flatMap(({ unpaid }) => unpaid);
  }

  /** Is this frame missing still? */
  owes(ingester: string, number: number): boolean {
    const debt = this.debtWith(ingester, number);
    return debt !== undefined && !debt.links.has(number);
  }

  /** Opens the debt of a gap between `before` (null when the gap starts at frame 1) and the frame that ended it. */
  open(gap: Gap, before: { hash: Hash; accepted: string } | null, after: Frame): void {
    const links = new Map<number, Link>([
      [gap.first - 1, { hash: before?.hash ?? ZERO_HASH, previous: null, accepted: before?.accepted ?? '' }],
      [gap.last + 1, { hash: null, previous: after.previous, accepted: after.accepted }],
    ]);
    this.debts.push(OpenDebt.of({ ingester: gap.ingester, first: gap.first, last: gap.last, links }));
  }

  /** Pays the debt of one late frame. Returns why it cannot, or null when it is paid. */
  pay(frame: Frame, hash: Hash): string | null {
    const what = `frame ${frame.number} of ${frame.ingester}`;
    const debt = this.debtWith(frame.ingester, frame.number);
    if (!debt || debt.links.has(frame.number)) return `${what} is already sealed`;
    const before = debt.links.get(frame.number - 1);
    const after = debt.links.get(frame.number + 1);
    if (before && (!equalHash(before.hash!, frame.previous) || frame.accepted < before.accepted)) {
      return `${what} does not continue the frame before it`;
    }
    if (after && (!equalHash(after.previous!, hash) || after.accepted < frame.accepted)) {
      return `${what} is not continued by the frame after it`;
    }
    const own = debt.isShared ? OpenDebt.of(debt) : debt;
    own.pay(frame.number, { hash, previous: frame.previous, accepted: frame.accepted });
    this.debts.splice(this.debts.indexOf(debt), 1, ...(own.unpaid.length > 0 ? [own] : []));
    return null;
  }

  private debtWith(ingester: string, number: number): OpenDebt | undefined {
    return this.debts.find((debt) => debt.ingester === ingester && debt.first <= number && number <= debt.last);
  }
}

/** A debt that can be paid, as long as nobody else has it. */
class OpenDebt implements Debt {
  /** It was given out, or is in another book as well: to be paid it is copied. */
  isShared = false;

  private constructor(
    readonly ingester: string,
    readonly first: number,
    readonly last: number,
    readonly links: Map<number, Link>,
    /** What lies between the links, ascending. */
    readonly unpaid: NumberRange[],
  ) {}

  /** One of its own. */
  static of(debt: Debt): OpenDebt {
    const { ingester, first, last, links } = debt;
    const unpaid = debt instanceof OpenDebt ? [...debt.unpaid] : between([...links.keys()].sort((a, b) => a - b));
    return new OpenDebt(ingester, first, last, new Map(links), unpaid);
  }

  /** @param number one that is unpaid */
  pay(number: number, link: Link): void {
    this.links.set(number, link);
    const at = this.indexOf(number);
    const [first, last] = this.unpaid[at]!;
    this.unpaid.splice(at, 1, ...between([first - 1, number, last + 1]));
  }

  /** Of the range that holds the number. */
  private indexOf(number: number): number {
    let [low, high] = [0, this.unpaid.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.unpaid[middle]![1] < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The ranges between these numbers, which ascend. */
function between(numbers: readonly number[]): NumberRange[] {
  const ranges: NumberRange[] = [];
  for (let i = 1; i < numbers.length; i++) {
    const [first, last] = [numbers[i - 1]! + 1, numbers[i]! - 1];
    if (first <= last) ranges.push([first, last]);
  }
  return ranges;
}
