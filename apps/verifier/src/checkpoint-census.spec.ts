import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Finding } from '@everseal/audit-core';
import { CheckpointCensus } from './checkpoint-census.js';

type Row = readonly [size: number, cosignatures: number];

function pass(census: CheckpointCensus, rows: readonly Row[]): Finding[] {
  const read = census.begin();
  for (const [size, cosignatures] of rows) read.take(size, cosignatures);
  return read.end(true);
}
const rows = (count: number): Row[] => Array.from({ length: count }, (_, i) => [7 * i + 3, 1]);

describe('the census of checkpoints', () => {
  it('finds nothing while rows are only added: checkpoints at the end, cosignatures anywhere', () => {
    const census = new CheckpointCensus();
    for (const count of [0, 1, 2, 255, 256, 257, 257, 700, 1_500]) expect(pass(census, rows(count))).toEqual([]);
    expect(pass(census, rows(1_500).with(40, [283, 2]))).toEqual([]);
  });

  it('names a checkpoint that is gone by its size, as long as it is gone, whatever comes meanwhile', () => {
    const growth = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(growth, fc.nat(), fc.nat(300), (steps, which, more) => {
        const census = new CheckpointCensus();
        let count = 0;
        for (const step of steps) expect(pass(census, rows((count += step)))).toEqual([]);
        const at = which % count;
        const size = 7 * at + 3;
        for (const now of [count, count + more]) {
          expect(pass(census, rows(now).toSpliced(at, 1))).toMatchObject([
            { code: 'checkpoint.mismatch', index: size },
          ]);
          const unsigned = pass(census, rows(now).with(at, [size, 0]));
          expect(unsigned).toMatchObject([{ code: 'checkpoint.signature', index: size }]);
        }
        expect(pass(census, rows(count + more))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('names the stretch when several are gone', () => {
    const census = new CheckpointCensus();
    pass(census, rows(600));
    expect(pass(census, rows(600).slice(2))).toMatchObject([
      { index: 7 * 255 + 3, detail: expect.stringContaining('2 of') },
    ]);
    expect(pass(census, [])).toHaveLength(3);
  });

  it('knows nothing of what was gone before its first pass (control)', () => {
    expect(pass(new CheckpointCensus(), rows(600).slice(2))).toEqual([]);
  });
});
