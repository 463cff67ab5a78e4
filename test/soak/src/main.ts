/**
 * `npm run test:soak`: a whole installation under load while everything happens to it that happens in a good month. Nothing may be
 * lost, and nothing may raise an alert but what disturbances.ts expects.
 *
 *   npm run test:soak -- --minutes 30     how long disturbances are begun; default 30
 *   npm run test:soak -- --seed 7         the order of an earlier run again; else a new one, which is printed
 *   npm run test:soak -- --only clock,-9  only disturbances with one of these in their name
 *   npm run test:soak -- --json           one JSON object instead of the table
 *   npm run test:soak -- --evidence       writes docs/evidence/soak.md, too
 *
 * Exit code 0 when all is well, 1 when not.
 */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '@everseal/local';
import { Soak } from './soak.js';
import { asMarkdown, asTable, isGood, type SoakOutcome } from './soak-report.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean' },
    evidence: { type: 'boolean' },
  },
});
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) throw new Error('--minutes is a number above 0, --seed an integer');
const say = (line: string): void => void process.stderr.write(`${line}\n`);

say(`seed ${seed}`);
const soak = await Soak.start({ seed, minutes, only: values.only?.split(',') ?? [], say });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void soak.stop().then(() => process.exit(1)));
let exitCode = 1;
try {
  await soak.run();
  const outcome = await soak.judge(new Date().toISOString(), commitOf());
  console.log(values.json ? JSON.stringify(outcome) : asTable(outcome));
  if (values.evidence) writeEvidence(outcome);
  exitCode = isGood(outcome) ? 0 : 1;
} catch (error) {
  console.error(error);
}
await soak.stop();
process.exit(exitCode);

function commitOf(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: repositoryRoot(), encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', with changes';
  return `${git('rev-parse', 'HEAD')}${changed}`;
}

function writeEvidence(outcome: SoakOutcome): void {
  const file = path.join(repositoryRoot(), 'docs', 'evidence', 'soak.md');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, asMarkdown(outcome));
}
