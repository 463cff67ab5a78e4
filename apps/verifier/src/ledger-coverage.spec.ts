import { beforeEach, describe, expect, it } from '@jest/globals';
import { LedgerCoverage, SWEEPS, type PassReport, type SweepName } from './ledger-coverage.js';

const DAY0 = Date.UTC(2026, 0, 1);
const BOUNDS = { behindEntries: 100, behindMs: 10_000, staleMs: 60_000 };

/** Both clocks; `day` can be set apart from the other. */
let steady: number;
let offset: number;
let size: number;
let coverage: LedgerCoverage;
const begin = (earlier: Partial<Record<SweepName, number>> = {}): LedgerCoverage => {
  const clocks = { day: () => DAY0 + steady + offset, steady: () => steady };
  return new LedgerCoverage(() => size, BOUNDS, clocks, earlier);
};
const codes = (): string[] => coverage.findings().map(({ code }) => code);

function pass(name: SweepName, over: Partial<PassReport> = {}, tookMs = 1_000): void {
  const began = { day: DAY0 + steady + offset, steady };
  steady += tookMs;
  coverage.passed(name, { entries: 500, began, notCovered: [], complete: true, ...over });
}

beforeEach(() => {
  [steady, offset, size] = [0, 0, 50];
  coverage = begin();
  coverage.sawHead(50);
});

describe('what a sweep covered', () => {
  it('is its last full pass: when, how long, how fast, and how old the oldest byte is', () => {
    expect(coverage.of('bodies')).toMatchObject({ passes: 0, endedAt: null, oldestReadAt: null });
    steady = 5_000;
    pass('bodies', {}, 250);
    expect(coverage.of('bodies')).toEqual({
      passes: 1,
      endedAt: DAY0 + 5_250,
      entries: 500,
      milliseconds: 250,
      perSecond: 2_000,
      oldestReadAt: DAY0 + 5_000,
      notCovered: [],
    });
    expect(coverage.of('index').passes).toBe(0);
  });

  it('does not count a pass that was given up, and says why', () => {
    pass('bodies');
    const full = coverage.of('bodies');
    pass('bodies', { complete: false, notCovered: [{ first: 7, height: 2, why: 'gone' }] });
    expect(coverage.of('bodies')).toEqual({ ...full, notCovered: [{ first: 7, height: 2, why: 'gone' }] });
  });

  it('does not take for re-read what was left out; tells ten stretches, shortly', () => {
    pass('bodies');
    const { oldestReadAt } = coverage.of('bodies');
    const stretch = { first: 1, height: 0, why: 'x'.repeat(5_000) };
    pass('bodies', { notCovered: Array.from({ length: 30 }, () => stretch) });
    expect(coverage.of('bodies')).toMatchObject({ passes: 2, oldestReadAt });
    expect(coverage.of('bodies').notCovered).toHaveLength(10);
    expect(JSON.stringify(coverage.coverage).length).toBeLessThan(10_000);
  });
});

describe('verifier.behind', () => {
  it('is raised by entries beyond the bound, and over when they are derived', () => {
    coverage.sawHead(150);
    expect(codes()).toEqual([]);
    coverage.sawHead(151);
    expect(codes()).toEqual(['verifier.behind']);
    size = 151;
    expect(codes()).toEqual([]);
  });

  it('is raised when a head that was seen is not reached in time', () => {
    coverage.sawHead(60);
    steady = 10_000;
    coverage.sawHead(61);
    expect(codes()).toEqual([]);
    steady = 10_001;
    expect(codes()).toEqual(['verifier.behind']);
    size = 60;
    expect(codes()).toEqual([]);
  });

  it('is not raised while a log grows without end and is followed', () => {
    for (let head = 60; steady < 100_000; steady += 1_000, head += 5, size = head - 6) {
      coverage.sawHead(head);
      expect(codes()).toEqual([]);
      for (const name of SWEEPS) pass(name, {}, 0);
    }
  });

  it('is raised when no head can be read, and counts that from the first time', () => {
    coverage.sawHead(null);
    steady = 10_000;
    coverage.sawHead(null);
    expect(codes()).toEqual([]);
    steady = 10_001;
    expect(codes()).toEqual(['verifier.behind']);
    coverage.sawHead(50);
    expect(codes()).toEqual([]);
  });
});

describe('verifier.stale', () => {
  const sweepAll = (): void => SWEEPS.forEach((name) => pass(name, {}, 0));

  it('is raised when one sweep has had no full pass within the bound', () => {
    steady = 1;
    coverage.sawHead(50);
    sweepAll();
    steady = 60_001;
    pass('bodies', {}, 0);
    pass('stored', { complete: false }, 0);
    expect(codes()).toEqual([]);
    steady = 60_002;
    const [stale] = coverage.findings();
    expect(stale).toMatchObject({ code: 'verifier.stale', detail: expect.stringMatching(/over index .* stored /) });
    expect(stale?.detail).not.toContain('bodies');
    sweepAll();
    expect(codes()).toEqual([]);
  });

  it('is not talked away by what an earlier process wrote, and not by a clock that is set', () => {
    coverage = begin({ bodies: DAY0 + 86_400_000 }); // a lie
    coverage.sawHead(50);
    steady = 60_001;
    expect(codes()).toEqual(['verifier.stale']);
    sweepAll();
    offset = 3_600_000;
    expect(codes()).toEqual([]);
    offset = -3_600_000;
    expect(codes()).toEqual([]);
  });

  it('counts from the full pass of an earlier process: restarts do not make it young', () => {
    coverage = begin({ bodies: DAY0 - 59_000 });
    coverage.sawHead(50);
    steady = 1_000;
    expect(codes()).toEqual([]);
    steady = 1_001;
    expect(codes()).toEqual(['verifier.stale']);
  });
});
