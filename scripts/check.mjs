/** `npm run check`: formatting, lint, types and dead code, all at once. One line a tool; more only where one complains. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, runScript, setup } from './setup.mjs';

const SHOWN_LINES = 60;

function run(name, command) {
  const started = performance.now();
  const env = {
    ...process.env,
    PATH: `${path.join(ROOT, 'node_modules', '.bin')}${path.delimiter}${process.env.PATH}`,
  };
  const child = spawn(command, { cwd: ROOT, env, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} ${seconds} s`);
      resolve({ name, code, output: Buffer.concat(output).toString('utf8').trimEnd() });
    });
  });
}

await runScript(async () => {
  setup({ build: false, nats: false });
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const results = await Promise.all([
    run('types', scripts.types),
    run('lint', scripts.lint),
    run('format', 'prettier --check --log-level warn .'),
    run('deadcode', scripts.deadcode),
  ]);
  for (const { name, output } of results.filter(({ code }) => code !== 0)) {
    const lines = output.split('\n');
    const more = lines.length > SHOWN_LINES ? `\n… ${lines.length - SHOWN_LINES} more lines: npm run ${name}` : '';
    console.log(`\n${name}\n${lines.slice(0, SHOWN_LINES).join('\n')}${more}`);
    process.exitCode = 1;
  }
});
