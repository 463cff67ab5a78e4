import { describe, expect, it } from '@jest/globals';
import { placeOfFrame, type LaneKnowledge } from './frame-place.js';
import { sha256, type Hash } from './hash.js';

const hashOf = (name: string): Hash => sha256(Buffer.from(name));
/** A log of ten entries; frame 3 is entry 4, the newest frame 7 is entry 8. */
const leafAt = (index: number): Hash | null => (index < 10 ? hashOf(`entry ${index}`) : null);
const LANE: LaneKnowledge = {
  head: { number: 7, hash: hashOf('entry 8'), index: 8, accepted: '' },
  debts: [[5, 6]],
  row: null,
  leafAt,
};
const row = (index: number, hash = hashOf(`entry ${index}`)): Partial<LaneKnowledge> => ({
  row: { hash, position: index },
});

describe('the place of a frame', () => {
  it.each<[string, number, string, Partial<LaneKnowledge>, object]>([
    ['the newest', 7, 'entry 8', {}, { state: 'sealed', index: 8 }],
    ['another of the newest number', 7, 'x', {}, { state: 'other', index: 8 }],
    ['another of the newest number, whatever a row says', 7, 'x', row(4), { state: 'other', index: 8 }],
    ['an older one by its row', 3, 'entry 4', row(4), { state: 'sealed', index: 4 }],
    ['another one by its row', 3, 'x', row(4), { state: 'other', index: 4 }],
    ['a row that the log does not confirm', 3, 'x', row(4, hashOf('x')), { state: 'unknown' }],
    ['a row beyond what was derived', 3, 'x', row(12, hashOf('x')), { state: 'unknown' }],
    ['no row', 3, 'entry 4', {}, { state: 'unknown' }],
    ['in a debt', 6, 'x', {}, { state: 'gap' }],
    ['in a debt, with a false row', 6, 'x', row(4, hashOf('x')), { state: 'gap' }],
    ['paid', 6, 'entry 9', row(9), { state: 'sealed', index: 9 }],
    ['ahead of the lane', 8, 'x', row(4, hashOf('x')), { state: 'unsealed' }],
    ['a lane without a frame', 1, 'x', { head: null }, { state: 'unsealed' }],
  ])('%s', (_, number, hash, over, place) => {
    expect(placeOfFrame(number, hashOf(hash), { ...LANE, ...over })).toEqual(place);
  });
});
