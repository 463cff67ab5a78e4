import { describe, expect, it } from '@jest/globals';
import { sha256 } from './hash.js';
import { ORIGIN } from './log.fixture.js';
import { SeenCheckpoints, type Shown } from './seen-checkpoints.js';

const checkpoint = (size: number, root: string): { origin: string; size: number; root: Buffer } => {
  return { origin: ORIGIN, size, root: sha256(Buffer.from(root)) };
};
const codes = (shown: readonly Shown[]): string[] => shown.map(({ finding }) => finding.code);

describe('the checkpoints that were seen', () => {
  it('are one root a size, whoever shows it, and the two notes are the evidence', () => {
    const seen = new SeenCheckpoints();
    expect(seen.take(checkpoint(8, 'a'), 'note a', 'v1')).toEqual([]);
    expect(seen.take(checkpoint(8, 'a'), 'note a again', 'v2')).toEqual([]);
    const [shown] = seen.take(checkpoint(8, 'b'), 'note b', null);
    expect(shown).toMatchObject({
      finding: { code: 'log.forked', index: 8 },
      evidence: { first: 'note a', second: 'note b' },
    });
    expect(seen.largest).toBe(8);
  });

  it('only grow for one who vouches for the newest, and may come late from one who passes them on', () => {
    const seen = new SeenCheckpoints();
    seen.take(checkpoint(8, 'a'), 'eight', 'v1');
    expect(codes(seen.take(checkpoint(5, 'c'), 'five', null))).toEqual([]);
    expect(codes(seen.take(checkpoint(5, 'c'), 'five', 'v2'))).toEqual([]);
    expect(codes(seen.take(checkpoint(5, 'c'), 'five', 'v1'))).toEqual(['log.rolled-back']);
  });

  it('are kept for the newest sizes', () => {
    const seen = new SeenCheckpoints(3);
    for (const size of [3, 1, 4, 2, 5]) seen.take(checkpoint(size, `${size}`), `note ${size}`, null);
    expect(seen.notes).toEqual(['note 3', 'note 4', 'note 5']);
    expect(codes(seen.take(checkpoint(4, 'other'), 'x', null))).toEqual(['log.forked']);
  });
});
