/**
 * `npm run test:faults`: sets up, then runs the fault suite (test/faults/src/main.ts). Arguments are passed on. Where we may, in a mount
 * namespace of its own: the small file systems of some rows are then seen by nobody else and gone with the suite, however it ends.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';

await runScript(() => {
  setup({ say: (line) => console.error(line) });
  const main = path.join(ROOT, 'dist', 'test', 'faults', 'src', 'main.js');
  const own = ['unshare', '--mount', '--'];
  const isOwn = spawnSync(own[0], [...own.slice(1), 'true']).status === 0;
  const [command, ...args] = [...(isOwn ? own : []), process.execPath, main, ...process.argv.slice(2)];
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = status ?? 1;
});
