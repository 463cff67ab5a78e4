import { describe, expect, it } from '@jest/globals';
import { array, assert, integer, property, tuple } from 'fast-check';
import { DebtBook, type Debt } from './debt.js';
import type { Frame } from './frame.js';
import type { Gap } from './gap.js';
import { sha256, ZERO_HASH, type Hash } from './hash.js';

const ACCEPTED = '2026-01-01T00:00:00.000Z';
const hashOf = (number: number): Hash => sha256(Buffer.from(`frame ${number}`));

/** Frame `number` of a chain in which every frame is followed by the next. */
function frameOf(number: number, ingester = 'a'): Frame {
  const previous = number === 1 ? ZERO_HASH : hashOf(number - 1);
  return {
    origin: 'audit.example.com/main',
    ingester,
    number,
    previous,
    count: 1,
    root: ZERO_HASH,
    accepted: ACCEPTED,
  };
}

/** A book in which frames `first` to `last` are lost. */
function bookOf(first: number, last: number, ingester = 'a'): DebtBook {
  const book = new DebtBook();
  const gap: Gap = { origin: 'audit.example.com/main', ingester, first, last, cause: 'lost', time: ACCEPTED };
  book.open(gap, { hash: hashOf(first - 1), accepted: ACCEPTED }, frameOf(last + 1, ingester));
  return book;
}

const pay = (book: DebtBook, number: number): string | null => book.pay(frameOf(number), hashOf(number));

/** The ranges that a book with this debt has, by its links alone. */
function rangesBy(debts: readonly Debt[]): [number, number][] {
  return debts.flatMap(({ first, last, links }) => {
    const ranges: [number, number][] = [];
    for (let number = first; number <= last; number++) {
      if (links.has(number)) continue;
      const open = ranges.at(-1);
      if (open?.[1] === number - 1) open[1] = number;
      else ranges.push([number, number]);
    }
    return ranges;
  });
}

describe('open debts', () => {
  it('are what is left between the frames that came, in whatever order they come', () => {
    assert(
      property(array(integer({ min: 2, max: 31 }), { maxLength: 40 }), (numbers) => {
        const book = bookOf(2, 31);
        const paid = new Set<number>();
        for (const number of numbers) {
          expect(book.owes('a', number)).toBe(!paid.has(number));
          expect(pay(book, number)).toBe(paid.has(number) ? `frame ${number} of a is already sealed` : null);
          paid.add(number);
          expect(book.ranges('a')).toEqual(rangesBy(book.all()));
          expect(new DebtBook(book.all().map((debt) => ({ ...debt, links: debt.links }))).ranges('a')).toEqual(
            book.ranges('a'),
          );
          expect(book.ofIngester('a').map(({ left }) => left)).toEqual(paid.size === 30 ? [] : [30 - paid.size]);
        }
      }),
    );
  });

  it('of a book and its clones, and what was given out, do not change each other', () => {
    assert(
      property(array(tuple(integer({ min: 0, max: 3 }), integer({ min: 2, max: 9 })), { maxLength: 30 }), (steps) => {
        const first = bookOf(2, 9);
        const books = [first, first.clone(), first.clone().clone()];
        const numbers = books.map(() => new Set<number>());
        const given = first.all();
        for (const [which, number] of steps) {
          if (which === books.length) {
            // One more clone, in the place of the first.
            books[0] = books[1]!.clone();
            numbers[0] = new Set(numbers[1]);
            continue;
          }
          pay(books[which]!, number);
          numbers[which]!.add(number);
          for (const [i, book] of books.entries()) {
            const owed = [2, 3, 4, 5, 6, 7, 8, 9].filter((one) => !numbers[i]!.has(one));
            expect(book.ranges('a').flatMap(([from, to]) => owed.filter((one) => from <= one && one <= to))).toEqual(
              owed,
            );
            expect([2, 3, 4, 5, 6, 7, 8, 9].filter((one) => book.owes('a', one))).toEqual(owed);
          }
        }
        expect(rangesBy(given)).toEqual([[2, 9]]);
      }),
    );
  });

  it('of one ingester are nothing to another, and ascend over several gaps whichever was paid last', () => {
    const book = bookOf(5, 6);
    const second: Gap = {
      origin: 'audit.example.com/main',
      ingester: 'a',
      first: 9,
      last: 12,
      cause: 'lost',
      time: ACCEPTED,
    };
    book.open(second, { hash: hashOf(8), accepted: ACCEPTED }, frameOf(13));
    expect(pay(book, 6)).toBeNull();
    expect(book.ranges('a')).toEqual([[5, 5], [9, 12]]); // prettier-ignore
    expect(book.ranges('b')).toEqual([]);
    expect([...book.ingesters()]).toEqual(['a']);
    expect(book.pay(frameOf(5, 'b'), hashOf(5))).toMatch(/already sealed/);
  });

  it('are kept apart though every second number was paid: each payment takes a range of numbers up to 2^53', () => {
    const last = Number.MAX_SAFE_INTEGER - 1;
    const book = bookOf(2, last);
    for (let i = 1; i <= 1_000; i++) expect(pay(book, last - 2 * i)).toBeNull();
    expect(book.ranges('a')).toHaveLength(1_001);
    expect(book.ranges('a').at(-1)).toEqual([last - 1, last]);
    expect(book.ranges('a')[0]).toEqual([2, last - 2_001]);
  });
});
