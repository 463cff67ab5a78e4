/**
 * The report of a drill, for an auditor to file: `report.md` for people, `report.json` for programs, and `alerts/` with every
 * alert message that an act raised or cleared, byte for byte as it was signed. Written anew after every act, so that a drill
 * that is cut short leaves what it found.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { splitAlert } from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import type { CameAlert } from './drill-alerts.js';
import type { DrillLedger } from './drill-ledger.js';
import { exitOf, type ActOutcome } from './drill-outcome.js';
import { counted } from './terminal.js';

export interface DrillReport {
  readonly ledger: DrillLedger;
  readonly canary: boolean;
  readonly began: number;
  /** Null while it goes on. */
  readonly ended: number | null;
  readonly withinMs: number;
  /** Host and database that was tampered with. */
  readonly database: string;
  readonly outcomes: readonly ActOutcome[];
}

/** Writes all of it into the drill's folder. */
export function writeReport(folder: string, report: DrillReport): void {
  const alerts = path.join(folder, 'alerts');
  mkdirSync(alerts, { recursive: true });
  for (const came of report.outcomes.flatMap(({ raised, cleared }) => [...raised, ...cleared])) {
    replaceFile(path.join(folder, messageFile(came)), came.message, 0o644);
  }
  replaceFile(path.join(folder, 'report.json'), `${JSON.stringify(reportJson(report), null, 2)}\n`, 0o644);
  replaceFile(path.join(folder, 'report.md'), reportText(report), 0o644);
}

function messageFile({ alert: { source, number } }: CameAlert): string {
  return path.join('alerts', `${source.replaceAll('/', '-')}-${number}.json`);
}

/** One act, as the JSON report and `--json` show it. */
export function outcomeJson(outcome: ActOutcome): Record<string, unknown> {
  const { act, kind, problem, changedAt, statements, raised, cleared, foundAfter, clearedAfter, restored } = outcome;
  return {
    act: act.id,
    title: act.title,
    outcome: kind,
    ...(problem === '' ? {} : { problem }),
    expected: act.code,
    seen: [...new Set(raised.map(({ alert }) => alert.body.code))],
    changedAt: changedAt === null ? null : new Date(changedAt).toISOString(),
    statements,
    secondsUntilRaised: rounded(foundAfter),
    secondsUntilCleared: rounded(clearedAfter),
    restored,
    raised: raised.map(alertJson),
    cleared: cleared.map(alertJson),
  };
}

function alertJson(came: CameAlert): Record<string, unknown> {
  const { source, number, time, body } = came.alert;
  return {
    source,
    number,
    time,
    code: body.code,
    ledger: body.ledger,
    ...(body.state === 'cleared' ? { clears: body.clears } : { first: body.first, detail: body.detail }),
    note: splitAlert(came.message).note,
    message: messageFile(came),
  };
}

function reportJson(report: DrillReport): Record<string, unknown> {
  const { ledger, canary, began, ended, withinMs, database, outcomes } = report;
  return {
    kind: 'everseal/drill-report/v1',
    installation: ledger.domain,
    ledger: ledger.origin,
    database,
    canary,
    began: new Date(began).toISOString(),
    ended: ended === null ? null : new Date(ended).toISOString(),
    verifiers: ledger.verifiers,
    secondsAllowed: withinMs / 1_000,
    exitCode: exitOf(outcomes),
    acts: outcomes.map(outcomeJson),
  };
}

const rounded = (seconds: number | null): number | null => (seconds === null ? null : Math.round(seconds * 100) / 100);
const seconds = (value: number | null): string => (value === null ? '–' : `${value.toFixed(2)} s`);
const cell = (text: string): string => text.replaceAll('|', '\\|');

function reportText(report: DrillReport): string {
  const { ledger, canary, began, ended, withinMs, database, outcomes } = report;
  const found = outcomes.filter(({ kind }) => kind === 'found').length;
  const lines = [
    `# ${canary ? 'Canary' : 'Tamper drill'}, ${ledger.domain}`,
    '',
    `- Installation: ${ledger.domain}; ledger tampered with: ${ledger.origin}; database: ${database}`,
    `- Begun ${new Date(began).toISOString()}, ${ended === null ? 'not ended' : `ended ${new Date(ended).toISOString()}`}`,
    `- Verifiers that had to find it, each: ${ledger.verifiers.join(', ')}`,
    `- Time allowed for raising, and again for clearing: ${withinMs / 1_000} s`,
    `- **Result: ${found} of ${counted(outcomes.length, 'act')} found, exit code ${exitOf(outcomes)}**`,
    '',
    'Times of alerts are those that the verifiers signed; seconds are counted by the machine that ran the drill. The folder `alerts`',
    "holds each alert as it was signed: its note is checked with the installation's `alerts.vkeys`.",
    '',
    '| act | what was done | expected | seen | raised after | cleared after | restored | outcome |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...outcomes.map((outcome) => {
      const { act, kind, raised, foundAfter, clearedAfter, restored } = outcome;
      const seen = [...new Set(raised.map(({ alert }) => alert.body.code))].join(', ') || 'nothing';
      const times = [seconds(foundAfter), seconds(clearedAfter)];
      return `| ${[act.id, act.title, act.code, seen, ...times, restored ? 'yes' : 'NO', kind].map(cell).join(' | ')} |`;
    }),
    ...outcomes.flatMap(actText),
  ];
  return `${lines.join('\n')}\n`;
}

function actText({ act, problem, changedAt, statements, raised, cleared }: ActOutcome): string[] {
  const at = changedAt === null ? 'Nothing was changed.' : `Committed ${new Date(changedAt).toISOString()}:`;
  const sql = statements.length === 0 ? [] : ['', '```sql', ...statements.map((statement) => `${statement};`), '```'];
  return [
    '',
    `## ${act.id}: ${act.title}`,
    '',
    ...(problem === '' ? [] : [`**${problem}**`, '']),
    at,
    ...sql,
    ...[...raised, ...cleared].flatMap(alertText),
  ];
}

function alertText(came: CameAlert): string[] {
  const { source, number, time, body } = came.alert;
  const what = body.state === 'cleared' ? `clears alert ${body.clears}` : `raises ${body.code}: ${body.detail}`;
  const signature = splitAlert(came.message).note.trimEnd().split('\n').at(-1)!;
  return ['', `- ${time}, alert ${number} of ${source} ${what}`, `  signature \`${signature}\``];
}
