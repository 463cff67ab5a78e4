/**
 * `everseal alerts ack`: a person's word that an alert which no later look clears was looked into. Run on the host of the
 * service that raised it, by somebody who may write in its state folder: it drops a file there (formats.md,
 * "Acknowledgement") and waits until the service has taken it, which clears the alert by one that says who and why.
 */
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FormatError, formatAcknowledgement, formatTimestamp, isVerdictCode } from '@everseal/audit-core';
import { acknowledgementFile, openAlertsIn, replaceFile, StopProcess, type OpenAlert } from '@everseal/process';
import { usage } from './cli-failure.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { printable } from './terminal.js';

export interface AcknowledgeOptions {
  by: string;
  reason: string;
  /** Folder of the service's alert book. */
  state?: string | undefined;
  /** Seconds to wait for the service. */
  timeout: number;
  json?: boolean | undefined;
}

const LOOK_EVERY_MS = 100;

/**
 * @param dir folder of a one-machine installation, where `--state` is not given
 * @param source `<domain>/<service>/<name>`, as `everseal alerts` shows it
 */
export async function acknowledge(
  context: Context,
  dir: string,
  source: string,
  number: number,
  options: AcknowledgeOptions,
): Promise<ExitCode> {
  const book = path.join(options.state ?? stateFolder(dir, source), 'alerts.json');
  const alert = requireStanding(openAlerts(book), source, number);
  const { by, reason } = options;
  if (!isVerdictCode(alert.code)) throw usage(`${book} holds an alert of code ${alert.code}, which is no verdict`);
  const file = acknowledgementFile(path.dirname(book), number);
  const said = { source, number, code: alert.code, time: formatTimestamp(context.now()), by, reason };
  drop(file, textOf(said), book);
  const outcome = await taken(context, file, options.timeout * 1_000);
  const what = `${alert.code} on ${alert.ledger}, alert ${number} of ${source}`;
  if (options.json) context.terminal.json({ acknowledged: outcome === 'cleared', outcome, file, ...said });
  else context.terminal.line(printable(`${WORDS[outcome]}: ${what}`));
  return EXITS[outcome];
}

type Outcome = 'cleared' | 'refused' | 'waiting';
const EXITS: Record<Outcome, ExitCode> = { cleared: EXIT.ok, refused: EXIT.usage, waiting: EXIT.unavailable };
const WORDS: Record<Outcome, string> = {
  cleared: 'cleared',
  refused: 'the service refused it (it is kept as .refused): it is another alert now, or another service',
  waiting: 'written, and the service has not taken it yet; it does so when it runs',
};

function stateFolder(dir: string, source: string): string {
  const [, service = '', name = ''] = source.split('/');
  const state = path.join(dir, 'state', `${service}-${name}`);
  return service === 'ingest' ? path.join(state, 'spool') : state;
}

function openAlerts(book: string): readonly OpenAlert[] {
  try {
    const open = openAlertsIn(book);
    if (open !== null) return open;
  } catch (error) {
    if (!(error instanceof StopProcess)) throw error;
    throw usage(error.message);
  }
  throw usage(`${book} does not exist: name the folder where the service keeps its alerts.json, with --state`);
}

function requireStanding(open: readonly OpenAlert[], source: string, number: number): OpenAlert {
  const alert = open.find((one) => one.number === number);
  const all = open.filter(({ stands }) => stands).map((one) => `${one.number} (${one.code})`);
  const others = all.length === 0 ? 'none can be' : `those that can be: ${all.join(', ')}`;
  if (!alert) throw usage(`${source} has no open alert ${number} to acknowledge; ${others}`);
  if (alert.stands) return alert;
  const how = 'it clears when a later look finds all well, and not before: do what the runbook says';
  throw usage(`alert ${number} of ${source} is ${alert.code}; ${how}. ${others}`);
}

function textOf(said: Parameters<typeof formatAcknowledgement>[0]): string {
  try {
    return formatAcknowledgement(said);
  } catch (error) {
    if (error instanceof FormatError) throw usage(error.message);
    throw error;
  }
}

/** The service must be able to read and to remove it, so what root drops is given to whoever owns the book. */
function drop(file: string, text: string, book: string): void {
  const folder = path.dirname(file);
  const { uid, gid } = statSync(book);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (process.getuid?.() === 0) chownSync(folder, uid, gid);
  const fresh = path.join(folder, `${path.basename(file)}.mine`);
  replaceFile(fresh, text);
  if (process.getuid?.() === 0) chownSync(fresh, uid, gid);
  rmSync(`${file}.refused`, { force: true }); // of an earlier try; what is there afterwards is the answer to this one
  renameSync(fresh, file);
}

async function taken({ signal }: Context, file: string, withinMs: number): Promise<Outcome> {
  for (const deadline = performance.now() + withinMs; ;) {
    if (!existsSync(file)) return existsSync(`${file}.refused`) ? 'refused' : 'cleared';
    if (performance.now() > deadline || signal.aborted) return 'waiting';
    await sleep(LOOK_EVERY_MS);
  }
}
