import { describe, expect, it } from '@jest/globals';
import { asLine, asMarkdown, asTable, isGood, type RowOutcome, type SuiteOutcome } from './fault-matrix.js';

const ROW: RowOutcome = {
  row: '6',
  fault: 'kill -9 of nats-server',
  expected: 'all receipted present',
  state: 'passed',
  seen: 'started again',
  accepted: 100,
  sealed: 102,
  lost: 0,
  unmarked: 0,
  expectedAlerts: [],
  unexpectedAlerts: [],
  recoveredMs: 2_500,
  seconds: 9,
  control: 'own',
  problems: [],
};
const outcome = (...rows: RowOutcome[]): SuiteOutcome => ({
  date: '2026-01-01',
  commit: 'abc',
  machine: 'two cores',
  seed: 7,
  seconds: 60,
  rows,
  oracle: [],
  problems: [],
});
const NOT_RUN: RowOutcome = {
  ...ROW,
  row: '43',
  state: 'not run',
  seen: 'one version only',
  accepted: null,
  recoveredMs: null,
};
const FAILED: RowOutcome = { ...ROW, row: '7', state: 'failed', lost: 3, problems: ['3 accepted events are LOST'] };

describe('the matrix', () => {
  it('is good without a failure; rows that are not run say why', () => {
    expect(isGood(outcome(ROW, NOT_RUN))).toBe(true);
    expect(asTable(outcome(ROW, NOT_RUN))).toContain('not run: one version only');
    expect(asTable(outcome(ROW, NOT_RUN))).toContain('1 rows passed, 0 failed, 1 not run; seed 7');
    expect(asTable(outcome(ROW))).toContain(
      '100 events accepted, 102 sealed, 0 lost, 0 duplicates not marked, 0 false alarms',
    );
  });

  it('is not good with one, without rows, or with a problem of the whole', () => {
    for (const bad of [outcome(ROW, FAILED), outcome(), { ...outcome(ROW), problems: ['the journal differs'] }]) {
      expect(isGood(bad)).toBe(false);
      expect(asTable(bad)).toContain('NOT GOOD');
    }
    expect(asTable(outcome(FAILED))).toContain('PROBLEM in row 7: 3 accepted events are LOST');
    expect(asLine(FAILED)).toMatch(/^7 {4}failed.*\n {5}3 accepted events are LOST$/);
  });

  it('names a recovery that took longer than what is promised', () => {
    expect(asTable(outcome({ ...ROW, recoveredMs: 31_000 }))).toContain('row 6 took longer than 30 s to recover: 31 s');
  });

  it('is a document whose cells stay cells', () => {
    const text = asMarkdown(outcome({ ...ROW, seen: 'a|b' }));
    expect(text).toContain('seed 7');
    expect(
      text
        .split('\n')
        .find((line) => line.startsWith('| 6 '))
        ?.replaceAll('\\|', '')
        .split('|'),
    ).toHaveLength(14);
  });
});
