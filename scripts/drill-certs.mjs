/** `npm run drill:certs`: sets up, then runs the drill (test/soak/src/certificate-drill-main.ts). Arguments are passed on. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';

await runScript(() => {
  setup({ say: (line) => console.error(line) });
  const main = path.join(ROOT, 'dist', 'test', 'soak', 'src', 'certificate-drill-main.js');
  const { status } = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = status ?? 1;
});
