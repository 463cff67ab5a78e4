/** What the fault suite has done and seen: as a table for people, as a document for the records. */

export interface RowOutcome {
  readonly row: string;
  readonly fault: string;
  readonly expected: string;
  readonly state: 'passed' | 'failed' | 'not run';
  /** What was seen; why it was not run. */
  readonly seen: string;
  /** Of this row alone; null for a row without load of its own. */
  readonly accepted: number | null;
  readonly sealed: number | null;
  /** Over everything that was ever sent to this installation. */
  readonly lost: number | null;
  readonly unmarked: number | null;
  readonly expectedAlerts: readonly string[];
  readonly unexpectedAlerts: readonly string[];
  /** From when what was broken is being put right until all is well again, milliseconds. */
  readonly recoveredMs: number | null;
  /** All of the row, an installation that was started for it included. */
  readonly seconds: number;
  readonly control: string;
  readonly problems: readonly string[];
}

export interface SuiteOutcome {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly seed: number;
  readonly seconds: number;
  readonly rows: readonly RowOutcome[];
  /** Installations judged once more at their end, by the journal in the file, and the oracle's own controls. */
  readonly oracle: readonly string[];
  readonly problems: readonly string[];
}

/** A service that takes longer is slower than what we promise; said, and not failed: other work may have the machine. */
const PROMISED_RECOVERY_MS = 30_000;

const HEAD = [
  'row',
  'fault',
  'expected',
  'seen',
  'accepted',
  'sealed',
  'lost',
  'dup',
  'alerts',
  'unexpected',
  's',
  'control',
];

/** A row that has not run. */
export function notRun(
  { row, fault, expected }: Pick<RowOutcome, 'row' | 'fault' | 'expected'>,
  seen: string,
): RowOutcome {
  return {
    row,
    fault,
    expected,
    state: 'not run',
    seen,
    accepted: null,
    sealed: null,
    lost: null,
    unmarked: null,
    expectedAlerts: [],
    unexpectedAlerts: [],
    recoveredMs: null,
    seconds: 0,
    control: '',
    problems: [],
  };
}

export function isGood({ rows, problems }: SuiteOutcome): boolean {
  return problems.length === 0 && rows.length > 0 && rows.every(({ state }) => state !== 'failed');
}

function cells(outcome: RowOutcome): string[] {
  const { row, fault, expected, state, seen, control, expectedAlerts, unexpectedAlerts, recoveredMs } = outcome;
  const count = (value: number | null): string => (value === null ? '' : String(value));
  const what = state === 'not run' ? `not run: ${seen}` : state === 'failed' ? `FAILED: ${outcome.problems[0]}` : seen;
  return [
    row,
    fault,
    expected,
    what,
    count(outcome.accepted),
    count(outcome.sealed),
    count(outcome.lost),
    count(outcome.unmarked),
    expectedAlerts.join(', '),
    state === 'not run' ? '' : String(unexpectedAlerts.length),
    recoveredMs === null ? '' : (recoveredMs / 1_000).toFixed(1),
    control,
  ];
}

/** One line for a row, as it ends. */
export function asLine(outcome: RowOutcome): string {
  const { row, state, fault, seen, accepted, recoveredMs, seconds, problems } = outcome;
  const counts = accepted === null ? '' : `, ${accepted} accepted`;
  const recovered = recoveredMs === null ? '' : `, well again after ${(recoveredMs / 1_000).toFixed(1)} s`;
  return [
    `${row.padEnd(4)} ${state.padEnd(7)} ${fault}: ${seen}${counts}${recovered} (${Math.round(seconds)} s in all)`,
    ...problems.map((problem) => `     ${problem}`),
  ].join('\n');
}

export function asTable(outcome: SuiteOutcome): string {
  const short = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const rows = [HEAD, ...outcome.rows.map(cells)].map((row) => row.map((cell) => short(cell, 44)));
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, '', ...summary(outcome)].join('\n');
}

export function asMarkdown(outcome: SuiteOutcome): string {
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `<!-- Written by npm run test:faults -- --all (test/faults). -->

# Faults, done and survived

${outcome.date}, commit ${outcome.commit}, seed ${outcome.seed}, ${outcome.seconds} s. ${outcome.machine}.

Each row was done to running services and engines under load; where it says so, to a spec's. *accepted* are events with a verified receipt
in that row, *sealed* what came into the log (marked copies of repeated requests included), *lost* and *dup* (copies that are not marked)
are counted over everything that was ever sent to that installation. *alerts* were expected, *unexpected* counts the others. *s* is the
time from when what was broken was being put right until every service was ready, receipts came, everything was cosigned and no alert was
open. *control* is the same with the protection off, which must fail. What each row means: [faults.md](../operations/faults.md).

${line(HEAD)}
${line(HEAD.map(() => '---'))}
${outcome.rows.map((row) => line(cells(row))).join('\n')}

${summary(outcome)
  .map((text) => `- ${text}`)
  .join('\n')}
`;
}

/** Figures of the whole run. */
function summary(outcome: SuiteOutcome): string[] {
  const { rows, problems, oracle, seed } = outcome;
  const sum = (of: (row: RowOutcome) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const times = rows.flatMap(({ recoveredMs }) => recoveredMs ?? []).sort((a, b) => a - b);
  const slow = rows.filter(({ recoveredMs }) => (recoveredMs ?? 0) > PROMISED_RECOVERY_MS);
  const count = (state: RowOutcome['state']): number => rows.filter((row) => row.state === state).length;
  const median = times[times.length >> 1] ?? 0;
  return [
    `${count('passed')} rows passed, ${count('failed')} failed, ${count('not run')} not run; seed ${seed}`,
    `${sum(({ accepted }) => accepted ?? 0)} events accepted, ${sum(({ sealed }) => sealed ?? 0)} sealed, ` +
      `${Math.max(0, ...rows.map(({ lost }) => lost ?? 0))} lost, ` +
      `${Math.max(0, ...rows.map(({ unmarked }) => unmarked ?? 0))} duplicates not marked, ` +
      `${sum(({ unexpectedAlerts }) => unexpectedAlerts.length)} false alarms`,
    ...(times.length === 0
      ? []
      : [
          `well again after ${(median / 1_000).toFixed(1)} s (median), ${(times.at(-1)! / 1_000).toFixed(1)} s at most`,
        ]),
    ...slow.map(
      ({ row, recoveredMs }) => `row ${row} took longer than 30 s to recover: ${Math.round(recoveredMs! / 1_000)} s`,
    ),
    ...oracle,
    ...rows.flatMap(({ row, problems: own }) => own.map((problem) => `PROBLEM in row ${row}: ${problem}`)),
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    isGood(outcome) ? 'nothing that was accepted is lost' : 'NOT GOOD',
  ];
}
