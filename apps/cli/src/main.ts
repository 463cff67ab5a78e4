/**
 * The command-line tool as a process: `node main.js <command> …`, usually as `npm run everseal -- <command> …`. The only
 * file of it that touches process and environment.
 *
 * The first Ctrl-C lets what is under way come to an end, the second ends at once. A reader that goes away (`| head`) is
 * no failure.
 */
import { EXIT } from './exit-code.js';
import { runProgram } from './program.js';
import { Terminal } from './terminal.js';

const INTERRUPTED = 130;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(INTERRUPTED);
    stop.abort();
  });
}
process.on('uncaughtException', (error) => {
  process.stderr.write(`everseal: ${error.stack ?? error.message}\n`);
  process.exit(EXIT.bug); // not Node's 1, which says something else here
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runProgram(process.argv.slice(2), {
  terminal: new Terminal(process.stdout, process.stderr, !process.env['NO_COLOR']),
  stdin: process.stdin,
  now: Date.now,
  signal: stop.signal,
  dir: process.env['EVERSEAL_DIR'] || undefined,
});
