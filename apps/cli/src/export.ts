/**
 * `everseal export`: a ledger, a range of it or the events of a query as a folder that can be checked for ever without us; the layout
 * is audit-core's export-layout.ts. Of a whole ledger it is also an archive that `everseal restore` reads.
 *
 * An export is of one cosigned checkpoint, fixed when it begins and kept in a state file until it is finished, so that a run which was
 * interrupted goes on with the same. A finished export of a whole ledger is brought up to date by the same command again: what
 * stands in it is never altered, only added to. Until completeness.json is written there is no export.
 */
import { readdirSync } from 'node:fs';
import {
  checkpointFile,
  completenessWords,
  EventCensus,
  EXPORT_FILES,
  fullTiles,
  entriesPath,
  formatCompleteness,
  formatTimestamp,
  FormatError,
  formatTlogPolicy,
  FrameTally,
  MessageReader,
  openUnderPolicy,
  parseCheckpointText,
  parseCompleteness,
  parseNote,
  partialWidth,
  tileLevels,
  tilePath,
  type Completeness,
  type ExportSelection,
  type TlogPolicy,
} from '@everseal/audit-core';
import { dailyCheckpoints } from '@everseal/ledger-store';
import { AuditedLedger } from './audited-ledger.js';
import { CliFailure, usage } from './cli-failure.js';
import { openDatabase } from './connections.js';
import type { Context } from './context.js';
import { parseSince } from './durations.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { exportEvents } from './export-events.js';
import { evidenceOf, writeKeySets, writeShownKeys, writeStamps, type ShownTree } from './export-evidence.js';
import { ExportFolder } from './export-folder.js';
import { Interrupted, type ExportJob } from './export-job.js';
import { exportRange, exportWholeLedger } from './export-ledger.js';
import { exportReport } from './export-report.js';
import { writeVerifier } from './export-verifier.js';
import { readTrust } from './ledger-trust.js';
import { Progress } from './progress.js';
import { count, counted, printable } from './terminal.js';

export interface ExportOptions {
  to: string;
  /** First and last entry of a range. */
  from?: number | undefined;
  toIndex?: number | undefined;
  source?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  json?: boolean | undefined;
}

/** A checkpoint with many cosignatures. */
const MOST_STATE_BYTES = 1_048_576;

/** Kept while an export is under way: what the run that goes on has to do. */
interface State {
  /** The options as they were given: another export does not go on in this folder. */
  asked: string;
  checkpoint: string;
  made: string;
  selection: ExportSelection;
}

export async function exportLedger(context: Context, name: string, options: ExportOptions): Promise<ExitCode> {
  const settings = context.settings();
  const trust = readTrust(settings, name);
  const pool = await openDatabase(settings);
  try {
    const ledger = await AuditedLedger.open(pool, trust);
    const folder = new ExportFolder(options.to);
    const state = await takeUp(context, ledger, folder, options);
    return await run(context, ledger, folder, state, options);
  } finally {
    await pool.end();
  }
}

/** The state of the run that was interrupted here, or of a new one. */
async function takeUp(
  context: Context,
  ledger: AuditedLedger,
  folder: ExportFolder,
  options: ExportOptions,
): Promise<State> {
  const { from, toIndex, source, since, until } = options;
  const asked = JSON.stringify([
    ledger.origin,
    from ?? null,
    toIndex ?? null,
    source ?? null,
    since ?? null,
    until ?? null,
  ]);
  const kept = await folder.read(EXPORT_FILES.state);
  if (kept !== null) {
    const state = parseState(kept, folder.folder);
    if (state.asked === asked) return state;
    throw usage(`another export is under way in ${folder.folder}: name another folder, or give that export's options`);
  }
  const checkpoint = await ledger.coveringCheckpoint(from ?? 0, 'newest');
  const selection = selectionOf(options, checkpoint.size, context.now());
  await requireRoom(folder, ledger.origin, selection);
  const state = { asked, checkpoint: checkpoint.note, made: formatTimestamp(context.now()), selection };
  await folder.write(EXPORT_FILES.state, formatState(state, ledger.origin));
  await folder.settle();
  return state;
}

/** The members that a completeness statement has as well are read as such. */
function formatState(state: State, ledger: string): string {
  return `${JSON.stringify({ format: 'everseal/export/v1', ledger, ...state })}\n`;
}

function parseState(bytes: Buffer, folder: string): State {
  try {
    const members = MessageReader.parse('export-state', bytes, MOST_STATE_BYTES);
    const { made, selection } = parseCompleteness(bytes);
    return { asked: members.text('asked'), checkpoint: members.text('checkpoint'), made, selection };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const message = `${folder}/${EXPORT_FILES.state} is damaged (${cause.message}): remove the folder and begin anew`;
    throw new CliFailure(EXIT.usage, message, { cause });
  }
}

function selectionOf(options: ExportOptions, size: number, now: number): ExportSelection {
  const { from = 0, toIndex, source = null, since, until } = options;
  const to = Math.min(size, (toIndex ?? size - 1) + 1);
  if (from >= to) throw usage(`--from ${from} is behind --to-index ${to - 1}`);
  const time = (text: string | undefined): string | null =>
    text === undefined ? null : formatTimestamp(parseSince(text, now));
  if (source !== null || since !== undefined || until !== undefined) {
    return { kind: 'query', from, to, source, since: time(since), until: time(until) };
  }
  return options.from === undefined && toIndex === undefined ? { kind: 'ledger' } : { kind: 'range', from, to };
}

/** A new export goes into an empty folder, or on top of a finished one of the same. */
async function requireRoom(folder: ExportFolder, origin: string, selection: ExportSelection): Promise<void> {
  const finished = await folder.read(EXPORT_FILES.completeness);
  if (finished === null) {
    if (namesIn(folder.folder).length > 0)
      throw usage(`${folder.folder} is not empty and holds no export: name another folder`);
    return;
  }
  const before = parseCompleteness(finished);
  if (before.ledger === origin && JSON.stringify(before.selection) === JSON.stringify(selection)) return;
  throw usage(`${folder.folder} holds another export: name another folder`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function run(
  context: Context,
  ledger: AuditedLedger,
  folder: ExportFolder,
  state: State,
  options: ExportOptions,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const { size, root } = parseCheckpointText(parseNote(state.checkpoint).text);
  const policy = await ledger.policyAt(size);
  const believed = ledger.checked(() => openUnderPolicy(state.checkpoint, policy));
  const total = state.selection.kind === 'ledger' ? size : null;
  const progress = new Progress(terminal.progressOutput, 'exporting', total);
  const counts = { census: new EventCensus(), tally: new FrameTally() };
  const job: ExportJob = { ledger, folder, size, root, ...counts, progress, signal };
  const { made, selection } = state;
  let shown: ShownTree | null;
  try {
    shown = await writeContent(job, state, policy);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    await folder.settle();
    throw new CliFailure(EXIT.unavailable, `interrupted: run the same command again to go on in ${folder.folder}`);
  } finally {
    progress.end();
  }
  const census = job.census.result();
  const content: Completeness = { ledger: ledger.origin, size, root, made, selection, census, evidence: null };
  const keySets = shown === null ? await writeKeySets(job) : shown.keys.count;
  await writeStamps(job, context.settings(), content, shown);
  const completeness = { ...content, evidence: await evidenceOf(job, keySets) };
  await writeRest(job, completeness, policy, exportReport(completeness, believed, state.checkpoint));
  await finish(folder, state, completeness);
  tell(context, completeness, options);
  return EXIT.ok;
}

/** @returns what a part is shown by; null for a whole ledger, which needs no such thing */
async function writeContent(
  job: ExportJob,
  { selection, checkpoint }: State,
  policy: TlogPolicy,
): Promise<ShownTree | null> {
  let shown: ShownTree | null = null;
  if (selection.kind === 'ledger') await exportWholeLedger(job);
  else if (selection.kind === 'range') shown = await exportRange(job, selection);
  else {
    await exportEvents(job, selection, checkpoint, policy);
    shown = await writeShownKeys(job);
  }
  await job.folder.settle();
  return shown;
}

/** What else stands beside the entries. */
async function writeRest(
  job: ExportJob,
  { selection, size, evidence }: Completeness,
  policy: TlogPolicy,
  report: string,
): Promise<void> {
  const { folder, ledger } = job;
  if (selection.kind === 'ledger') {
    for await (const rows of dailyCheckpoints(ledger.pool, ledger.ledgerId, size)) {
      for (const row of rows)
        if (row.size < size) await folder.write(checkpointFile(row.size), await ledger.cosigned(row));
    }
  }
  await folder.write(EXPORT_FILES.policy, formatTlogPolicy(policy));
  await folder.write('report.html', report);
  await writeVerifier(folder, evidence !== null && evidence.timestamps.length > 0);
  await folder.settle();
}

/** The order matters: with completeness.json the export is there, and says what stands. */
async function finish(folder: ExportFolder, state: State, completeness: Completeness): Promise<void> {
  const before = await folder.read(EXPORT_FILES.checkpoint);
  await folder.write(EXPORT_FILES.checkpoint, state.checkpoint);
  await folder.write(EXPORT_FILES.completeness, formatCompleteness(completeness));
  await folder.settle();
  if (before !== null) await removeOldEdge(folder, parseCheckpointText(parseNote(before).text).size, completeness.size);
  await folder.remove(EXPORT_FILES.state);
}

/** Partial tiles and bundles of the size before, where the tree has grown past them. */
async function removeOldEdge(folder: ExportFolder, oldSize: number, size: number): Promise<void> {
  for (let level = 0; level < tileLevels(oldSize); level++) {
    const [number, width] = [fullTiles(oldSize, level), partialWidth(oldSize, level)];
    if (width === 0 || (number === fullTiles(size, level) && width === partialWidth(size, level))) continue;
    await folder.remove(tilePath({ level, number, width }));
    if (level === 0) await folder.remove(entriesPath(number, width));
  }
}

function tell({ terminal }: Context, completeness: Completeness, { to, json }: ExportOptions): void {
  const { ledger, size, selection, census, evidence } = completeness;
  if (json) {
    terminal.json({
      ledger,
      size,
      selection,
      events: census.events,
      gaps: census.gaps.length + census.furtherGaps,
      ...evidence,
      folder: to,
    });
    return;
  }
  terminal.line(
    `${ledger}: ${counted(census.events, 'event')} below the checkpoint of ${count(size)} entries, in ${printable(to)}`,
  );
  for (const sentence of completenessWords(completeness)) terminal.line(`  ${sentence}`);
  terminal.line(
    `to check it: node ${printable(to)}/verify.mjs --policy <file>, or everseal verify ${printable(to)} --policy <file>`,
  );
}
