/** `npm test -- --again`: what runs a second time, and what the run comes to. Jest is played: what it says is its report and exit code. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { repositoryRoot } from '@everseal/local';

type Jest = (args: string[]) => number;
type TestAgain = (args: string[], jest: Jest, say: (line: string) => void) => number;
const script = path.join(repositoryRoot(), 'scripts', 'test-again.mjs');
const { testAgain } = (await import(script)) as { testAgain: TestAgain };

const spec = (name: string): string => path.join(repositoryRoot(), name);

/** A run in which these specs fail, and a second one with this exit code. */
function again(failed: string[], first: number, second = 0): { code: number; runs: string[][]; said: string } {
  const runs: string[][] = [];
  const said: string[] = [];
  const jest: Jest = (args) => {
    runs.push(args);
    if (runs.length > 1) return second;
    const results = [
      ...failed.map((name) => ({ name, status: 'failed' })),
      { name: spec('good.spec.ts'), status: 'passed' },
    ];
    const report = args.find((arg) => arg.startsWith('--outputFile='))!.slice('--outputFile='.length);
    writeFileSync(report, JSON.stringify({ testResults: results }));
    return first;
  };
  const code = testAgain(['--ci'], jest, (line) => said.push(line));
  return { code, runs, said: said.join('') };
}

describe('npm test -- --again', () => {
  it('runs once what passes', () => {
    const { code, runs, said } = again([], 0);
    expect([code, runs.length, said]).toEqual([0, 1, '']);
    expect(runs[0]).toContain('--ci');
  });

  it('runs a spec that failed once more, alone, and names it when it passes then', () => {
    const failed = [spec('a.spec.ts'), spec('b.spec.ts')];
    const { code, runs, said } = again(failed, 1);
    expect([code, runs[1]]).toEqual([0, ['--runInBand', '--runTestsByPath', ...failed]]);
    expect(said).toContain('UNSTABLE: failed once and passed alone, see the first run above: a.spec.ts, b.spec.ts');
  });

  it('fails with one that fails twice', () => {
    const { code, said } = again([spec('a.spec.ts')], 1, 1);
    expect(code).toBe(1);
    expect(said).not.toContain('UNSTABLE');
  });

  it('does not run more than three again, and none where no spec is to blame', () => {
    const many = ['a', 'b', 'c', 'd'].map((name) => spec(`${name}.spec.ts`));
    for (const failed of [many, []]) {
      const { code, runs, said } = again(failed, 1);
      expect([code, runs.length, said]).toEqual([1, 1, '']);
    }
    expect(again(many.slice(1), 1).runs).toHaveLength(2); // control
  });
});
