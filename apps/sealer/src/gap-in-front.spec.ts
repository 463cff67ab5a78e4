import { describe, expect, it } from '@jest/globals';
import { sha256 } from '@everseal/audit-core';
import { LogWriter, type MadeFrame } from '../../../libs/audit-core/src/log.fixture.js';
import { checkedOf } from './checked-frames.fixture.js';
import { gapInFront, type UnsealableCause, type UnsealableFrame } from './gap-in-front.js';
import type { LaneHead } from './lanes.js';

function frames(count: number): MadeFrame[] {
  const log = new LogWriter();
  return Array.from({ length: count }, () => log.frame('a', ['{}']));
}
const [first, second, third, fourth, fifth] = frames(5) as [MadeFrame, MadeFrame, MadeFrame, MadeFrame, MadeFrame];
const headOf = ({ frame, hash, note }: MadeFrame): LaneHead => {
  const { number, accepted } = frame;
  return { number, hash, accepted, position: 1, note: note.toString() };
};
const never = (cause: UnsealableCause, ...made: MadeFrame[]): UnsealableFrame[] =>
  made.map(({ frame, hash }) => ({ frame, hash, cause }));

describe('the gap in front of a waiting frame', () => {
  it('is what lies between the head and it, and lost', () => {
    const ending = checkedOf(fifth);
    expect(gapInFront(headOf(first), [ending], [])).toEqual({ first: 2, last: 4, cause: 'lost', ending });
    expect(gapInFront(undefined, [ending], [])).toMatchObject({ first: 1, last: 4 });
  });

  it('is closed for good when every missing frame is named by the one behind it and can never be sealed', () => {
    for (const cause of ['malformed', 'key-revoked'] as const) {
      const missing = never(cause, third, second, fourth);
      expect(gapInFront(headOf(first), [checkedOf(fifth)], missing)).toMatchObject({ first: 2, last: 4, cause });
      expect(gapInFront(undefined, [checkedOf(second)], never(cause, first))).toMatchObject({
        first: 1,
        last: 1,
        cause,
      });
    }
  });

  it('is only lost when one of them is not at hand, is another one, or is left out for another reason', () => {
    const twin = new LogWriter().frame('a', ['{"x":1}'], { number: 3, previous: second.hash });
    const doubts = [
      never('malformed', second, third),
      never('malformed', second, twin, fourth),
      [...never('malformed', second, third), ...never('key-revoked', fourth)],
    ];
    for (const unsealable of doubts) {
      expect(gapInFront(headOf(first), [checkedOf(fifth)], unsealable)).toMatchObject({ cause: 'lost' });
    }
    // They do not lead to this head.
    const head = { ...headOf(first), hash: sha256(Buffer.from('x')) };
    const all = never('malformed', second, third, fourth);
    expect(gapInFront(head, [checkedOf(fifth)], all)).toMatchObject({ cause: 'lost' });
  });

  it('is none where no frame, or no one frame, could end it', () => {
    expect(gapInFront(headOf(first), [], [])).toMatch(/no good frame/);
    expect(gapInFront(headOf(first), [checkedOf(third), checkedOf(third)], [])).toMatch(/two different/);
    expect(gapInFront(headOf(first), [checkedOf(second)], [])).toMatch(/not missing/);
    const late = { ...headOf(first), accepted: '2030-01-01T00:00:00.000Z' };
    expect(gapInFront(late, [checkedOf(third)], [])).toMatch(/accepted before/);
  });
});
