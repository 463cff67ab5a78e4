import { describe, expect, it } from '@jest/globals';
import { sha256, type BlockEvent } from '@everseal/audit-core';
import { PARTITION_POSITIONS } from '@everseal/ledger-store';
import { HiddenOriginals } from './hidden-originals.js';

/** An event of this identity with these bytes. */
function event(position: number, id: string | null, bytes = 'bytes', duplicateOf: number | null = null): BlockEvent {
  const identity = id === null ? null : sha256(Buffer.from(id)).subarray(0, 16);
  return { position, identity, event: Buffer.from(bytes), duplicateOf } as BlockEvent;
}

/** What a later event is said to repeat. */
function repeated(hidden: readonly BlockEvent[], later: BlockEvent): number | null {
  const originals = new HiddenOriginals();
  for (const one of hidden) originals.add([one]);
  originals.correct([later]);
  return later.duplicateOf;
}

describe('an event whose original has no right row', () => {
  it('repeats the first with its identity and bytes', () => {
    expect(repeated([event(3, 'a'), event(5, 'a')], event(9, 'a'))).toBe(3);
    expect(repeated([event(3, 'a')], event(9, 'a', 'bytes', 5))).toBe(3);
    // Control: without one that fits, what the index shows stands.
    expect(repeated([event(3, 'b'), event(4, 'a', 'others'), event(5, null)], event(9, 'a', 'bytes', 7))).toBe(7);
    expect(repeated([event(8, 'a')], event(9, 'a', 'bytes', 5))).toBe(5);
    expect(repeated([event(9, 'a')], event(9, 'a'))).toBeNull();
    expect(repeated([event(3, null)], event(9, null))).toBeNull();
  });

  it('in this partition of the index or the one before, and in no earlier one', () => {
    const [, second, third] = [0, PARTITION_POSITIONS, 2 * PARTITION_POSITIONS];
    expect(repeated([event(3, 'a')], event(second + 1, 'a'))).toBe(3);
    expect(repeated([event(3, 'a')], event(third + 1, 'a'))).toBeNull();
    expect(repeated([event(3, 'a'), event(second, 'a')], event(third + 1, 'a'))).toBe(second);
  });
});
