/** What a soak has done and found: as a table for people, as one JSON object for scripts, as a document for the records. */

/** One disturbance and what came of it. */
export interface Incident {
  readonly name: string;
  /** Which instance. */
  readonly what: string;
  /** From the end of the disturbance until all was well again, milliseconds; null when that did not come within the bound. */
  readonly recoveredMs: number | null;
  /** Verdicts that were raised, with what they said. */
  readonly expected: readonly string[];
  readonly unexpected: readonly string[];
  /** Services that ended by themselves and were not expected to. */
  readonly stopped: readonly string[];
  /** What was not well, when it did not recover. */
  readonly problem: string;
}

export interface SoakOutcome {
  readonly date: string;
  readonly commit: string;
  readonly seed: number;
  readonly minutes: number;
  readonly incidents: readonly Incident[];
  readonly receipted: number;
  readonly sealed: number;
  readonly copies: number;
  readonly attempts: number;
  /** What the oracle and the last looks found wrong; empty when all is well. */
  readonly findings: readonly string[];
}

export function isGood({ incidents, findings }: SoakOutcome): boolean {
  const isWell = ({ unexpected, stopped, recoveredMs }: Incident): boolean =>
    unexpected.length === 0 && stopped.length === 0 && recoveredMs !== null;
  return findings.length === 0 && incidents.length > 0 && incidents.every(isWell);
}

/** Rows of the table: one a kind of disturbance. */
function rowsOf(incidents: readonly Incident[]): string[][] {
  const names = [...new Set(incidents.map(({ name }) => name))].sort();
  return names.map((name) => {
    const these = incidents.filter((incident) => incident.name === name);
    const times = these.flatMap(({ recoveredMs }) => recoveredMs ?? []).sort((a, b) => a - b);
    const seconds = (ms: number | undefined): string => (ms === undefined ? '—' : (ms / 1_000).toFixed(1));
    const count = (of: (incident: Incident) => readonly string[]): string =>
      String(these.reduce((sum, incident) => sum + of(incident).length, 0));
    return [
      name,
      String(these.length),
      seconds(times[times.length >> 1]),
      seconds(times.at(-1)),
      count(({ expected }) => expected),
      count(({ unexpected }) => unexpected),
    ];
  });
}

const HEAD = [
  'disturbance',
  'times',
  'well again after, median s',
  'longest s',
  'alerts expected',
  'alerts not expected',
];

export function asTable(outcome: SoakOutcome): string {
  const rows = [HEAD, ...rowsOf(outcome.incidents)];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return [...rows.map(line), '', ...summary(outcome)].join('\n');
}

export function asMarkdown(outcome: SoakOutcome): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    '# Soak: no false alarm',
    '',
    `\`npm run test:soak -- --minutes ${outcome.minutes} --seed ${outcome.seed}\``,
    '',
    '| | |',
    '| --- | --- |',
    row(['date', outcome.date]),
    row(['commit', outcome.commit]),
    row(['seed', String(outcome.seed)]),
    row(['minutes', String(outcome.minutes)]),
    '',
    row(HEAD),
    row(HEAD.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rowsOf(outcome.incidents).map(row),
    '',
    ...summary(outcome).map((line) => `- ${line}`),
    '',
  ].join('\n');
}

function summary(outcome: SoakOutcome): string[] {
  const { incidents, receipted, sealed, copies, attempts, findings } = outcome;
  const unexpected = incidents.flatMap(({ name, what, ...of }) => [
    ...of.unexpected.map((alert) => `FALSE ALARM after "${name}" (${what}): ${alert}`),
    ...of.stopped.map((service) => `STOPPED BY ITSELF after "${name}" (${what}): ${service}`),
    ...(of.recoveredMs === null ? [`NOT WELL AGAIN after "${name}" (${what}): ${of.problem}`] : []),
  ]);
  return [
    `${incidents.length} disturbances; ${receipted} events with a receipt in ${attempts} requests, repetitions included`,
    `${sealed} events sealed, ${copies} of them copies of repeated requests, each marked as one`,
    ...unexpected,
    ...findings.map((finding) => `FINDING: ${finding}`),
    isGood(outcome) ? 'every receipted event is sealed, no false alarm' : 'NOT GOOD',
  ];
}
