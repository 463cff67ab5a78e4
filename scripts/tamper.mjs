/**
 * `npm run test:tamper`: every act of the tamper suite and a thousand random changes of the store, on real engines. Prints a
 * matrix (act, verdict expected, verdict seen, seconds, first bad record, control) and writes it to docs/evidence/tamper.md.
 *
 *     --seed n          of the random changes; drawn when not given
 *     --mutations n     how many of them; default 1000
 *     --only a,b        spec files whose names contain one of these; the evidence is then left as it is
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, runScript, setup, SetupFailure } from './setup.mjs';
import { ACTS, SPECS } from './tamper-acts.mjs';

const EVIDENCE = path.join(ROOT, 'docs', 'evidence', 'tamper.md');
/** What npm test leaves out belongs to the suite as well. */
const ALL = ['--testPathIgnorePatterns=/node_modules/'];
const COLUMNS = ['act', 'what is done', 'expected', 'seen', 's', 'tests', 'control', 'named'];

await runScript(() => {
  const options = readOptions();
  setup({});
  const folder = mkdtempSync(path.join(tmpdir(), 'everseal-tamper-'));
  try {
    const began = Date.now();
    const { tests, records } = runSpecs(options, folder);
    const seconds = Math.round((Date.now() - began) / 1_000);
    const rows = ACTS.map((act) => rowOf(act, tests, records));
    print(rows, records);
    const failed = tests.filter(({ status }) => status === 'failed');
    for (const { fullName } of failed) console.log(`FAILED ${fullName}`);
    const isComplete = rows.every(({ state, control }) => state !== 'missing' && control !== 'missing');
    if (options.only === null) {
      mkdirSync(path.dirname(EVIDENCE), { recursive: true });
      writeFileSync(EVIDENCE, evidence(rows, records, tests, options, seconds));
      console.log(`written: ${path.relative(ROOT, EVIDENCE)}, after ${seconds} s`);
    }
    process.exitCode = failed.length > 0 || tests.length === 0 || (options.only === null && !isComplete) ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function readOptions() {
  const options = { seed: { type: 'string' }, mutations: { type: 'string' }, only: { type: 'string' } };
  const { values } = parseArgs({ options });
  const number = (name, otherwise) => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new SetupFailure(`--${name} takes a whole number from 1 on`);
    return value;
  };
  const seed = number('seed', 1 + Math.floor(Math.random() * 2 ** 31));
  return { seed, mutations: number('mutations', 1_000), only: values.only?.split(',') ?? null };
}

/** Tests as jest reports them, each with its file; records as the specs wrote them (libs/testing, tamper-run.ts). */
function runSpecs({ seed, mutations, only }, folder) {
  const [report, recordsFile] = ['report.json', 'records'].map((name) => path.join(folder, name));
  const specs = SPECS.filter((spec) => only === null || only.some((part) => spec.includes(part)));
  if (specs.length === 0) throw new SetupFailure(`no spec of the suite is called like ${only.join(', ')}`);
  console.log(`${specs.length} spec files, ${mutations} random changes, seed ${seed}`);
  const jest = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest];
  const globals = JSON.stringify({ eversealTamper: { seed, mutations, records: recordsFile } });
  const output = ['--json', `--outputFile=${report}`, '--maxWorkers=2', `--globals=${globals}`];
  const stdio = ['ignore', 'ignore', 'inherit'];
  const run = spawnSync(process.execPath, [...node, ...output, ...ALL, '--runTestsByPath', ...specs], {
    cwd: ROOT,
    stdio,
  });
  if (!existsSync(report))
    throw new SetupFailure(`jest ended without a report (${run.signal ?? `code ${run.status}`})`);
  const tests = JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap(({ name, assertionResults, message }) => {
    const file = path.relative(ROOT, name);
    // A file that did not come so far as to have tests.
    if (assertionResults.length === 0)
      return [{ file, fullName: `${file}: ${message}`, status: 'failed', duration: 0 }];
    return assertionResults.map(({ fullName, status, duration }) => ({ file, fullName, status, duration }));
  });
  const lines = existsSync(recordsFile) ? readFileSync(recordsFile, 'utf8').trimEnd().split('\n') : [];
  return { tests, records: lines.map((line) => JSON.parse(line)) };
}

function matching(tests, patterns) {
  return tests.filter(({ file, fullName }) =>
    patterns.some(([part, pattern]) => path.basename(file).includes(part) && new RegExp(pattern).test(fullName)),
  );
}

function rowOf({ act, what, expected, cases = [], controls = [], notRun = null }, tests, records) {
  const row = { act, what, expected };
  if (notRun !== null) return { ...row, state: 'not run', notRun };
  const numbered = new RegExp(`\\b${act}\\b[^:]{0,12}:`);
  const own = tests.filter(({ fullName }) => numbered.test(fullName));
  const all = [...new Set([...own, ...matching(tests, cases)])];
  const controlled = matching(tests, controls);
  const ok = (list) => list.length > 0 && list.every(({ status }) => status === 'passed');
  const recorded = records.filter((record) => record.act === act);
  const codes = [...new Set(recorded.flatMap(({ seen }) => seen))];
  return {
    ...row,
    state: all.length === 0 ? 'missing' : ok(all) ? 'passed' : 'failed',
    // Specs that write nothing down assert the codes themselves, exactly.
    seen: !ok(all) ? 'not as expected' : codes.length > 0 ? codes.join(', ') : 'as expected',
    seconds: recorded.length > 0 ? Math.max(...recorded.map((record) => record.seconds)).toFixed(1) : '',
    passed: `${all.filter(({ status }) => status === 'passed').length}/${all.length}`,
    control: controlled.length === 0 ? 'missing' : ok(controlled) ? `${controlled.length} passed` : 'failed',
    named: recorded.find(({ named }) => named !== '')?.named ?? '',
  };
}

function cells({ act, what, expected, state, seen, seconds, passed, control, named, notRun }) {
  if (state === 'not run') return [act, what, expected, `not run: ${notRun}`, '', '', '', ''];
  if (state === 'missing') return [act, what, expected, 'not run', '', '', control, ''];
  return [act, what, expected, seen, seconds, passed, control, named];
}

function print(rows, records) {
  const table = [COLUMNS, ...rows.map(cells)].map((row) => row.slice(0, 7));
  const widths = COLUMNS.slice(0, 7).map((_, i) => Math.max(...table.map((row) => row[i].length)));
  for (const row of table)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
  for (const { what, seconds } of records.filter(({ act }) => act === 'random')) {
    console.log(`random: ${what}, in ${Math.round(seconds)} s`);
  }
}

function evidence(rows, records, tests, { seed, mutations }, seconds) {
  const git = (...args) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim() ?? '';
  const changed = git('status', '--porcelain') === '' ? '' : ', with changes that are not committed';
  const line = (row) =>
    `| ${row.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const random = records.filter(({ act }) => act === 'random').map(({ what }) => what);
  const open = records.filter(({ act }) => act === 'open');
  return `<!-- Written by npm run test:tamper (scripts/tamper.mjs). -->

# Tampering, done and found

${new Date().toISOString()}, commit ${git('rev-parse', 'HEAD')}${changed}, Node ${process.versions.node}, ${seconds} s.
${passed} of ${tests.length} tests passed. ${mutations} random changes with seed ${seed}.

Each act was done to running services or real engines, as database superuser, broker administrator or with files on disk. *Seen* is what
stood in the alerts while the change did, and nothing else was raised; where it says "as expected", the tests compare the codes exactly and
write nothing down. *s* is the longest time until all of it was raised. *Control* is the same act with the check off, which must find nothing.

${line(COLUMNS)}
${line(COLUMNS.map(() => '---'))}
${rows.map((row) => line(cells(row))).join('\n')}

## Random changes

${random.join('\n') || 'None were made.'}

Any byte, any value, any row of any table, one at a time; each found by the look whose business it is and by no other, with the record named,
and cleared once it was healed. Not judged, because no sealed byte says what they must be:

| column or table | why |
| --- | --- |
${open.map(({ what, named }) => line([`\`${what}\``, named])).join('\n')}
`;
}
