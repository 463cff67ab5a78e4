/**
 * `npm test`: setup, then jest in native ESM mode; arguments go to jest (`npm test -- libs/audit-core`).
 *
 * Only the system tests and those of libs/local run what is in dist/; with arguments that name other specs the build is left out.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';

await runScript(() => {
  const args = process.argv.slice(2);
  const named = args.filter((arg) => !arg.startsWith('-'));
  const needsBuild = named.length === 0 || named.some((name) => /^(\.\/)?(test|bench|libs\/local)\b/.test(name));
  setup({ build: needsBuild });
  const jest = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const run = spawnSync(process.execPath, [...flags, jest, ...args], { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
});
