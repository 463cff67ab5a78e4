import { describe, expect, it } from '@jest/globals';
import { asMarkdown, asTable, isGood, type Incident, type SoakOutcome } from './soak-report.js';

const CALM: Incident = {
  name: 'kill -9 of one sealer',
  what: 'sealer-s1',
  recoveredMs: 3_200,
  expected: [],
  unexpected: [],
  stopped: [],
  problem: '',
};

function outcome(incidents: readonly Incident[], findings: readonly string[] = []): SoakOutcome {
  const counts = { receipted: 10, sealed: 11, copies: 1, attempts: 12 };
  return { date: '2026-01-01', commit: 'c', seed: 7, minutes: 2, incidents, findings, ...counts };
}

describe('a soak', () => {
  it.each([
    { what: 'a false alarm', incident: { unexpected: ['clock.skew by v1: wrong'] } },
    { what: 'a service that stopped by itself', incident: { stopped: ['sealer-s1: lease.lost'] } },
    { what: 'what is not well again', incident: { recoveredMs: null, problem: 'no receipts' } },
  ])('is not good with $what, and says so; control: it is without', ({ incident }) => {
    const bad = outcome([CALM, { ...CALM, ...incident }]);
    expect([isGood(bad), isGood(outcome([CALM]))]).toEqual([false, true]);
    const [said] = Object.values(incident)
      .flat()
      .filter((value) => typeof value === 'string');
    for (const text of [asTable(bad), asMarkdown(bad)]) expect(text).toContain(said);
  });

  it('is not good with a finding, or when nothing was done', () => {
    expect(isGood(outcome([CALM], ['1 events lost']))).toBe(false);
    expect(isGood(outcome([]))).toBe(false);
  });

  it('names its seed in what is kept', () => {
    expect(asMarkdown(outcome([CALM]))).toContain('--minutes 2 --seed 7');
  });
});
