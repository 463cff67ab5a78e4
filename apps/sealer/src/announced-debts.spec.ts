import { describe, expect, it } from '@jest/globals';
import { formatAnnouncement, MAX_MESSAGE_BYTES, parseAnnouncement, ZERO_HASH } from '@everseal/audit-core';
import { array, assert, integer, property } from 'fast-check';
import { announcedDebts } from './announced-debts.js';

/** Ranges between these steps. */
function rangesOf(steps: readonly number[]): [number, number][] {
  let at = 0;
  return steps.map((step) => {
    const first = at + step;
    at = first + step;
    return [first, at];
  });
}

describe('debts as they are announced', () => {
  it('are themselves where they are few, else fewer that cover them', () => {
    assert(
      property(array(integer({ min: 1, max: 9 }), { maxLength: 40 }), integer({ min: 1, max: 20 }), (steps, most) => {
        const ranges = rangesOf(steps);
        const announced = announcedDebts(ranges, most);
        expect(announced.length).toBe(Math.min(ranges.length, most));
        if (ranges.length <= most) expect(announced).toEqual(ranges);
        for (const [first, last] of ranges) {
          expect(announced.some(([from, to]) => from <= first && last <= to)).toBe(true);
        }
        expect(announced.at(-1)?.[1]).toBe(ranges.at(-1)?.[1]);
      }),
    );
  });

  it('of two ingesters with as many as can be, and with the largest numbers, find room in one message; control: all do not', () => {
    const all = rangesOf(Array.from({ length: 20_000 }, () => 1)).map(([first, last]) => {
      const base = Number.MAX_SAFE_INTEGER - 100_000;
      return [base + first, base + last] as const;
    });
    const message = (debts: typeof all): Buffer => {
      const head = { number: Number.MAX_SAFE_INTEGER, index: 1, proof: [], debts };
      const heads = [{ ingester: 'a', ...head }, { ingester: 'b', ...head }]; // prettier-ignore
      return formatAnnouncement({ checkpoint: 'x', keys: { note: 'x', index: 0, proof: [ZERO_HASH] }, heads });
    };
    const bytes = message(announcedDebts(all, 4_096));
    expect(bytes.length).toBeLessThan(MAX_MESSAGE_BYTES - 300_000);
    expect(parseAnnouncement(bytes).heads[0]!.debts).toHaveLength(4_096);
    expect(() => message(all)).toThrow(/at most 1048576/);
  });
});
