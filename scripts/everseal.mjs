/** `npm run everseal -- <command>`: the command-line tool, built if need be. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';

await runScript(() => {
  setup({ say: (line) => console.error(line), nats: false }); // standard output belongs to the tool
  const main = path.join(ROOT, 'dist', 'apps', 'cli', 'src', 'main.js');
  const run = spawnSync(process.execPath, ['--enable-source-maps', main, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = run.status ?? 1;
});
