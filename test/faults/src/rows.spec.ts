import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@everseal/local';
import { isAct, isSpec } from './row.js';
import { isQuick, rowsOf } from './rows.js';
import { readReport, SpecRunner, specsOf } from './spec-runner.js';

const rows = rowsOf(1, true, null);
const ROWS_OF_THE_MATRIX = 45;

describe('the matrix', () => {
  it('has every row of the design, in order, each under a name of its own', () => {
    const numbers = rows.map(({ row }) => Number.parseInt(row, 10));
    const wanted = Array.from({ length: ROWS_OF_THE_MATRIX }, (_, i) => i + 1);
    expect([...new Set(numbers)]).toEqual(wanted);
    expect(new Set(rows.map(({ row }) => row)).size).toBe(rows.length);
  });

  it('names specs that are there', () => {
    const missing = specsOf(rows).filter((file) => !existsSync(path.join(repositoryRoot(), file)));
    expect(missing).toEqual([]);
  });

  it('is explained: the page names every row', () => {
    const page = readFileSync(path.join(repositoryRoot(), 'docs', 'operations', 'faults.md'), 'utf8');
    const named = new Set(page.match(/\b\d+[a-d]?\b/g));
    // "21 to 26" names those between.
    const missing = rows.filter(({ row }) => !named.has(row) && !(Number(row) > 21 && Number(row) < 26));
    expect(missing.map(({ row }) => row)).toEqual([]);
  });

  it('does the quick subset to real processes only', () => {
    const quick = rows.filter(isQuick);
    expect(quick.every(isAct)).toBe(true);
    expect(quick.length).toBeGreaterThan(25);
    expect(rows.filter(isSpec).some(isQuick)).toBe(false);
  });
});

describe('specs that stand for rows', () => {
  const report = JSON.stringify({
    testResults: [
      {
        name: '/r/a.spec.ts',
        message: '',
        assertionResults: [
          { fullName: 'x holds', status: 'passed' },
          { fullName: 'x control', status: 'failed' },
        ],
      },
      { name: '/r/b.spec.ts', message: 'cannot be read', assertionResults: [] },
    ],
  });
  const runner = new SpecRunner(readReport(report, '/r'));
  const row = (...specs: [string, RegExp][]) => ({ row: '9', fault: 'f', expected: 'e', specs });

  it('pass when every test of the name has passed', () => {
    expect(runner.rowOutcome(row(['a.spec.ts', /holds/]))).toMatchObject({ state: 'passed', problems: [] });
    expect(runner.said(['a.spec.ts', /holds/])).toEqual({ text: 'passed: a.spec.ts', isGood: true });
  });

  it('fail when one has failed, when none is called so, and when the file did not come so far', () => {
    expect(runner.rowOutcome(row(['a.spec.ts', /x/]))).toMatchObject({
      state: 'failed',
      problems: ['a.spec.ts: x control'],
    });
    expect(runner.rowOutcome(row(['a.spec.ts', /gone/])).problems).toEqual([
      'no test of a.spec.ts is called like gone',
    ]);
    expect(runner.rowOutcome(row(['b.spec.ts', /read/])).problems).toEqual(['b.spec.ts: cannot be read']);
    expect(runner.said(['a.spec.ts', /control/]).isGood).toBe(false);
    expect(runner.said(['a.spec.ts', /gone/]).isGood).toBe(false);
  });
});
