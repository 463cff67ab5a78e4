/**
 * `npm test`: setup, then jest in native ESM mode; arguments go to jest (`npm test -- libs/audit-core`).
 *
 * Only the system tests and those of libs/local run what is in dist/; with arguments that name other specs the build is left out.
 *
 * `--again`: specs that failed, if they are few, run a second time, one after the other. One that passes then is named as
 * unstable and does not fail the run: on a machine that other work shares, some spec of two hundred meets a deadline of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';

/** More than these are no accident. */
const MOST_UNSTABLE_SPECS = 3;

await runScript(() => {
  const args = process.argv.slice(2).filter((arg) => arg !== '--again');
  const named = args.filter((arg) => !arg.startsWith('-'));
  const needsBuild = named.length === 0 || named.some((name) => /^(\.\/)?(test|bench|libs\/local)\b/.test(name));
  setup({ build: needsBuild });
  process.exitCode = process.argv.includes('--again') ? testAgain(args) : jest(args);
});

/** @returns the exit code */
function jest(args) {
  const bin = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  return spawnSync(process.execPath, [...flags, bin, ...args], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}

function testAgain(args) {
  const folder = mkdtempSync(path.join(tmpdir(), 'everseal-test-'));
  try {
    const report = path.join(folder, 'report.json');
    const first = jest(['--json', `--outputFile=${report}`, ...args]);
    if (first === 0) return 0;
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const failed = testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
    if (failed.length === 0 || failed.length > MOST_UNSTABLE_SPECS) return first;
    const names = failed.map((name) => path.relative(ROOT, name)).join(', ');
    console.log(`\nfailed, and run once more, alone: ${names}\n`);
    const second = jest(['--runInBand', '--runTestsByPath', ...failed]);
    if (second === 0) console.log(`\nUNSTABLE: failed once and passed alone, see the first run above: ${names}\n`);
    return second;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
