/**
 * `npm test`: setup, then jest in native ESM mode; arguments go to jest (`npm test -- libs/audit-core`).
 *
 * Only the system tests and those of libs/local run what is in dist/; with arguments that name other specs the build is left out.
 *
 * `--again`: specs that failed, if they are few, run a second time (test-again.mjs).
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';
import { testAgain } from './test-again.mjs';

await runScript(() => {
  const args = process.argv.slice(2).filter((arg) => arg !== '--again');
  const named = args.filter((arg) => !arg.startsWith('-'));
  const needsBuild = named.length === 0 || named.some((name) => /^(\.\/)?(test|bench|libs\/local)\b/.test(name));
  setup({ build: needsBuild });
  process.exitCode = process.argv.includes('--again') ? testAgain(args, jest) : jest(args);
});

/** @returns the exit code */
function jest(args) {
  const bin = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  return spawnSync(process.execPath, [...flags, bin, ...args], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}
