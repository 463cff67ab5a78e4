/** Specs that stand for a row or hold its control: run once by jest, all together, and asked afterwards. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@everseal/local';
import { temporaryFolder } from '@everseal/testing';
import { notRun, type RowOutcome } from './fault-matrix.js';
import { isAct, isSpec, type Row, type SpecRow } from './row.js';

export interface RanTest {
  readonly file: string;
  readonly name: string;
  readonly hasPassed: boolean;
}

/** What npm test leaves out is run as well. */
const ALL = ['--testPathIgnorePatterns=/node_modules/'];

type Named = readonly [file: string, test: RegExp];

export class SpecRunner {
  constructor(private readonly tests: readonly RanTest[]) {}

  /** Runs every spec that these rows name. @param signal ends jest, which ends what its specs have started */
  static async run(rows: readonly Row[], say: (line: string) => void, signal: AbortSignal): Promise<SpecRunner> {
    const files = specsOf(rows);
    if (files.length === 0) return new SpecRunner([]);
    say(`running ${files.length} spec files`);
    const folder = temporaryFolder('specs');
    try {
      const report = path.join(folder.path, 'report.json');
      const jest = path.join(repositoryRoot(), 'node_modules', 'jest', 'bin', 'jest.js');
      const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest];
      const output = ['--json', `--outputFile=${report}`, '--maxWorkers=2', ...ALL];
      const child = spawn(process.execPath, [...node, ...output, '--runTestsByPath', ...files], {
        cwd: repositoryRoot(),
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      signal.addEventListener('abort', () => child.kill('SIGINT'), { once: true });
      await once(child, 'exit');
      if (!existsSync(report)) throw new Error('jest ended without a report');
      return new SpecRunner(readReport(readFileSync(report, 'utf8'), repositoryRoot()));
    } finally {
      folder.remove();
    }
  }

  /** The tests of this name, in a few words. */
  said(named: Named): { text: string; isGood: boolean } {
    const found = this.matching([named]);
    const file = path.basename(named[0]);
    const failed = found.filter(({ hasPassed }) => !hasPassed).length;
    if (found.length === 0) return { text: `no test of ${file} is called like ${named[1].source}`, isGood: false };
    return { text: failed === 0 ? `passed: ${file}` : `${failed} tests of ${file} failed`, isGood: failed === 0 };
  }

  rowOutcome(row: SpecRow): RowOutcome {
    const missing = row.specs.filter((named) => this.matching([named]).length === 0);
    const found = this.matching(row.specs);
    const failed = found.filter(({ hasPassed }) => !hasPassed);
    const problems = [
      ...missing.map(([file, test]) => `no test of ${file} is called like ${test.source}`),
      ...failed.map(({ file, name }) => `${file}: ${name}`),
    ];
    const files = row.specs.map(([file]) => path.basename(file)).join(', ');
    return {
      ...notRun(row, `${found.length} tests passed: ${files}`),
      state: problems.length === 0 ? 'passed' : 'failed',
      control: 'in its specs',
      problems,
    };
  }

  private matching(specs: readonly Named[]): RanTest[] {
    return this.tests.filter(({ file, name }) => specs.some(([part, test]) => file.includes(part) && test.test(name)));
  }
}

/** Paths from the repository's root, each once. */
export function specsOf(rows: readonly Row[]): string[] {
  const named = rows.flatMap((row): Named[] => {
    if (isSpec(row)) return [...row.specs];
    return isAct(row) && row.control !== 'own' ? [row.control] : [];
  });
  return [...new Set(named.map(([file]) => file))].sort();
}

/** @param text of jest's `--json` */
export function readReport(text: string, root: string): RanTest[] {
  interface File {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { fullName: string; status: string }[];
  }
  return (JSON.parse(text) as { testResults: File[] }).testResults.flatMap(({ name, message, assertionResults }) => {
    const file = path.relative(root, name);
    // A file that did not come so far as to have tests.
    if (assertionResults.length === 0) return [{ file, name: message, hasPassed: false }];
    return assertionResults.map(({ fullName, status }) => ({ file, name: fullName, hasPassed: status === 'passed' }));
  });
}
