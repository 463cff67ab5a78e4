/**
 * `npm run test:faults`: the fault matrix against real processes under load. What is accepted is never lost, whatever breaks.
 *
 *   npm run test:faults                   the quick subset, at most eight minutes
 *   npm run test:faults -- --all          every row, times and amounts of the matrix, controls; writes docs/evidence/faults.md
 *   npm run test:faults -- --row 7,8      these rows; a number means all its variants
 *   npm run test:faults -- --minutes 30   row 45 for so long: random faults, several at once
 *   npm run test:faults -- --seed 7       the same random choices again; else a seed is drawn and printed
 *   npm run test:faults -- --json         one JSON object instead of the table
 *
 * Progress goes to stderr. Exit code 0 when all is as it must be, 1 when not.
 */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import path from 'node:path';
import { repositoryRoot } from '@everseal/local';
import { seededRandom } from '../../soak/src/schedule.js';
import { Engine } from './engine.js';
import { parseFaultArguments, selectRows } from './fault-arguments.js';
import { asMarkdown, asTable, isGood, type SuiteOutcome } from './fault-matrix.js';
import { canInject } from './injected-failures.js';
import type { Need, Row } from './row.js';
import { isQuick, rowsOf } from './rows.js';
import { SmallFileSystem } from './small-file-system.js';
import { SpecRunner } from './spec-runner.js';

/** The quick subset begins no row after this; with the last one and the end it stays below eight minutes. */
const QUICK_MS = 430_000;

const args = parseFaultArguments(process.argv.slice(2));
const seed = args.seed ?? randomInt(2 ** 31);
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const known = rowsOf(seed, args.all, args.minutes);
const rows = chosen();
const began = performance.now();
say(`${rows.length} rows, seed ${seed}`);

const lacking: Record<Need, string | null> = {
  mount: SmallFileSystem.isPossible ? null : 'file systems cannot be mounted here (takes root)',
  strace: canInject() ? null : 'strace is not installed or may not attach',
};
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort());
const specs = args.all ? await SpecRunner.run(rows, say, interrupted.signal) : null;
const isQuickRun = !args.all && args.rows.length === 0 && args.minutes === null;
const until = isQuickRun ? began + QUICK_MS : Infinity;
const options = {
  random: seededRandom(seed),
  isLong: args.all,
  say,
  lacks: (need: Need) => lacking[need],
  specs,
  until,
};
const engine = new Engine(options);
interrupted.signal.addEventListener('abort', () => void engine.stop());
if (interrupted.signal.aborted) await engine.stop();

let exitCode = 1;
try {
  const outcome: SuiteOutcome = {
    rows: await engine.run(rows),
    date: new Date().toISOString(),
    commit: commitOf(),
    machine: machine(),
    seed,
    seconds: Math.round((performance.now() - began) / 1_000),
    oracle: engine.oracle,
    problems: engine.problems,
  };
  console.log(args.json ? JSON.stringify(outcome) : asTable(outcome));
  if (args.all && !engine.isStopped) writeEvidence(outcome);
  exitCode = isGood(outcome) && !engine.isStopped ? 0 : 1;
} catch (error) {
  console.error(error);
}
await engine.stop();
process.exit(exitCode);

function chosen(): Row[] {
  if (args.minutes !== null) return selectRows(known, ['45']);
  const all = args.rows.length > 0 ? selectRows(known, args.rows) : known;
  return args.all || args.rows.length > 0 ? all : all.filter(isQuick);
}

function commitOf(): string {
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd: repositoryRoot(), encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', with changes';
  return `${git('rev-parse', 'HEAD')}${changed}`;
}

function machine(): string {
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${type()} ${release()}, ${availableParallelism()} cores (${processor}), ${gib} GiB, Node ${process.versions.node}`;
}

function writeEvidence(outcome: SuiteOutcome): void {
  const file = path.join(repositoryRoot(), 'docs', 'evidence', 'faults.md');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, asMarkdown(outcome));
  say(`written: ${path.relative(repositoryRoot(), file)}`);
}
