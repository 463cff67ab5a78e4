/**
 * `everseal drill`: tampers with the drill ledger as the database's superuser could, and looks whether every verifier says so
 * in time, by signed alerts; puts everything back, waits until the alerts are cleared, and writes a report. `--canary` is one
 * act of it for a timer, every day: that the path from a changed byte to an operator's eyes is whole.
 *
 * Safe by construction: only the ledger that the policy names for it, and only while nothing else is wrong with it; what an
 * act changes is on the disk before it is changed; the next drill refuses to begin while something is not put back.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { CliFailure, usage } from './cli-failure.js';
import type { CliSettings } from './config.js';
import { connectAsOps, openAsSuperuser } from './connections.js';
import type { Context } from './context.js';
import { runAct, type ActRun } from './drill-act-run.js';
import { chooseActs, DRILL_ACTS, type DrillAct } from './drill-acts.js';
import { DrillAlerts } from './drill-alerts.js';
import { DrillDatabase } from './drill-database.js';
import { filledLedger } from './drill-fill.js';
import { drillLedger, type DrillLedger } from './drill-ledger.js';
import { exitOf, type ActOutcome } from './drill-outcome.js';
import { outcomeJson, writeReport, type DrillReport } from './drill-report.js';
import { readRestoreFile, settleRestoreFile, unsettledRestoreFiles } from './drill-restore-file.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { printable, type Terminal } from './terminal.js';

export interface DrillOptions {
  acts?: string[] | undefined;
  list?: boolean | undefined;
  canary?: boolean | undefined;
  restore?: string | undefined;
  ledger?: string | undefined;
  /** Folder of drills. */
  out: string;
  /** Seconds for raising, and again for clearing. */
  within: number;
  yes?: boolean | undefined;
  json?: boolean | undefined;
}

export async function drill(context: Context, options: DrillOptions): Promise<ExitCode> {
  if (options.list) return list(context.terminal, options.json === true);
  const acts = chooseActs(options.acts, options.canary === true);
  if (acts === null) throw usage(`--acts takes ${DRILL_ACTS.map(({ id }) => id).join(', ')}, or all`);
  const settings = context.settings();
  const ledger = drillLedger(settings, options.ledger);
  if (options.restore !== undefined) return restore(context, settings, ledger, options.restore, options.json === true);
  requireSettled(options.out);
  return onDatabase(settings, ledger, async (database) => {
    const foreign = await database.foreign();
    if (foreign !== null) {
      throw usage(
        `${ledger.origin} holds events of ${foreign} that no drill has sent: a ledger that is used for anything is not tampered with`,
      );
    }
    if (!options.yes && options.canary !== true) await ask(context, ledger, acts);
    return perform(context, options, settings, ledger, database, acts);
  });
}

function list(terminal: Terminal, isJson: boolean): ExitCode {
  const rows = DRILL_ACTS.map(({ id, title, code, ofDatabase }) => ({
    act: id,
    what: title,
    expected: code,
    on: ofDatabase ? 'the whole database' : 'the drill ledger',
  }));
  if (isJson) for (const row of rows) terminal.json(row);
  else terminal.table(['act', 'what is done', 'expected', 'on'], rows.map(Object.values<string>));
  return EXIT.ok;
}

/** Connects as superuser and keeps other drills out. */
async function onDatabase<T>(
  settings: CliSettings,
  ledger: DrillLedger,
  work: (database: DrillDatabase) => Promise<T>,
): Promise<T> {
  const database = new DrillDatabase(await openAsSuperuser(settings), ledger.origin);
  try {
    if (!(await database.takeLock())) {
      throw new CliFailure(EXIT.unavailable, 'another drill runs on this database: wait for its end');
    }
    return await work(database);
  } finally {
    await database.close();
  }
}

function requireSettled(out: string): void {
  const [left] = unsettledRestoreFiles(out);
  if (left === undefined) return;
  throw new CliFailure(
    EXIT.notRestored,
    `an earlier drill did not come to its end; first run: everseal drill --restore ${left}`,
  );
}

async function restore(
  { terminal }: Context,
  settings: CliSettings,
  ledger: DrillLedger,
  file: string,
  isJson: boolean,
): Promise<ExitCode> {
  const { origin, act, time, saved } = readRestoreFile(file);
  if (origin !== ledger.origin) throw usage(`${file} is about ${origin}, and drills here are on ${ledger.origin}`);
  const stands = await onDatabase(settings, ledger, (database) => database.restore(saved));
  if (stands) settleRestoreFile(file);
  if (isJson) terminal.json({ restored: stands, act, time, file });
  else if (stands)
    terminal.line(`restored: act ${act} of ${time}; its alerts are cleared by the next look of the verifiers`);
  else terminal.line(`NOT restored: act ${act} of ${time} was put back, and it does not stand as it did; see ${file}`);
  return stands ? EXIT.ok : EXIT.notRestored;
}

/** Nothing begins before somebody has typed the ledger's name. */
async function ask({ terminal, stdin }: Context, ledger: DrillLedger, acts: readonly DrillAct[]): Promise<void> {
  terminal.note(`This tampers with ledger ${ledger.origin} as the database's superuser, and puts everything back:`);
  for (const { id, title, ofDatabase } of acts) {
    terminal.note(`  ${id.padEnd(5)}${title}${ofDatabase ? '; its alert is about the whole database' : ''}`);
  }
  terminal.note(`Real alerts are raised. Type "${ledger.name}" to begin (--yes does not ask):`);
  let typed = '';
  for await (const chunk of stdin) {
    typed += chunk.toString();
    if (typed.includes('\n')) break;
  }
  if (typed.split('\n', 1)[0]!.trim() !== ledger.name) throw usage('nothing was done');
}

async function perform(
  context: Context,
  options: DrillOptions,
  settings: CliSettings,
  ledger: DrillLedger,
  database: DrillDatabase,
  acts: readonly DrillAct[],
): Promise<ExitCode> {
  const link = await connectAsOps(settings);
  try {
    const alerts = new DrillAlerts(settings, link);
    await alerts.read();
    requireQuiet(alerts, ledger, acts);
    await filledLedger(context, database, ledger, (step) => context.terminal.note(step));
    const folder = newFolder(options, context.now());
    const run: ActRun = {
      database,
      alerts,
      ledger,
      folder,
      withinMs: options.within * 1_000,
      signal: context.signal,
      now: context.now,
      say: () => undefined,
    };
    return await runActs(context, options, settings, run, acts);
  } finally {
    await link.close();
  }
}

/** What is wrong already would hide what a drill does, and a drill would hide what is wrong. */
function requireQuiet(alerts: DrillAlerts, ledger: DrillLedger, acts: readonly DrillAct[]): void {
  const about = [ledger.origin, ...(acts.some(({ ofDatabase }) => ofDatabase) ? [ledger.domain] : [])];
  const [open] = alerts.openAbout(about);
  if (!open) return;
  const what = `${open.body.code} on ${open.body.ledger} (alert ${open.number} of ${open.source}) is open`;
  throw new CliFailure(EXIT.alertsOpen, `${what}: a drill begins when nothing is; nothing was changed`);
}

function newFolder({ out, canary }: DrillOptions, now: number): string {
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const folder = path.join(out, `${time}-${canary ? 'canary' : 'drill'}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

async function runActs(
  { terminal, signal, now }: Context,
  { canary, within, json }: DrillOptions,
  settings: CliSettings,
  run: ActRun,
  acts: readonly DrillAct[],
): Promise<ExitCode> {
  const outcomes: ActOutcome[] = [];
  const { host, port, database } = settings.superuser!;
  const report: Omit<DrillReport, 'ended'> = {
    ledger: run.ledger,
    canary: canary === true,
    began: now(),
    withinMs: within * 1_000,
    database: `${host}:${port}/${database}`,
    outcomes,
  };
  writeReport(run.folder, { ...report, ended: null });
  for (const [i, act] of acts.entries()) {
    if (signal.aborted || outcomes.some(({ kind }) => kind === 'not-restored')) break;
    const say = (step: string): void => terminal.note(printable(`${i + 1}/${acts.length} ${act.id}: ${step}`));
    const facts = await run.database.facts();
    if (facts === null) throw new CliFailure(EXIT.unavailable, 'the drill ledger cannot be read as before');
    const outcome = await runAct({ ...run, say }, act, act.plan(facts));
    outcomes.push(outcome);
    // Crash before this: the report lacks this act; what it changed is put back, or its restore file is there.
    writeReport(run.folder, { ...report, ended: null });
    show(terminal, outcome, json === true);
  }
  writeReport(run.folder, { ...report, ended: now() });
  const isWhole = outcomes.length === acts.length;
  const exitCode = isWhole || exitOf(outcomes) !== EXIT.ok ? exitOf(outcomes) : EXIT.unavailable;
  end(terminal, run, outcomes, acts.length, exitCode, json === true);
  return exitCode;
}

function show(terminal: Terminal, outcome: ActOutcome, isJson: boolean): void {
  if (isJson) return terminal.json(outcomeJson(outcome));
  const { act, kind, problem, foundAfter, raised } = outcome;
  const { red, green } = terminal.colors;
  const numbers = [...new Set(raised.map(({ alert }) => `${alert.number} of ${alert.source}`))].join(', ');
  const after = foundAfter === null ? '' : ` after ${foundAfter.toFixed(2)} s (alert ${numbers})`;
  const line = printable(`${act.id.padEnd(5)} ${kind.padEnd(13)} ${problem === '' ? `${act.code}${after}` : problem}`);
  terminal.line(kind === 'found' ? green(line) : red(line));
}

function end(
  terminal: Terminal,
  { folder, alerts }: ActRun,
  outcomes: readonly ActOutcome[],
  wanted: number,
  exitCode: ExitCode,
  isJson: boolean,
): void {
  const found = outcomes.filter(({ kind }) => kind === 'found').length;
  if (isJson) {
    terminal.json({ summary: { acts: wanted, found, exitCode, report: folder, unverified: alerts.unverified } });
    return;
  }
  const { red, green } = terminal.colors;
  const said = `${found} of ${wanted} found; report: ${path.join(folder, 'report.md')}`;
  terminal.line(exitCode === EXIT.ok ? green(said) : red(said));
}
