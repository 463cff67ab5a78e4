/**
 * One act of a drill, from the change to the clearing alert, as one straight procedure. Whatever goes wrong after the change,
 * a Ctrl-C included, putting back is tried; what a kill leaves behind, `everseal drill --restore` puts back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '@everseal/ledger-store';
import { MessagingError } from '@everseal/messaging';
import type { DrillAct, PlannedAct } from './drill-acts.js';
import type { CameAlert, DrillAlerts } from './drill-alerts.js';
import type { Saved } from './drill-change.js';
import type { DrillDatabase } from './drill-database.js';
import type { DrillLedger } from './drill-ledger.js';
import { isVerdict, judgeRaised, type ActOutcome, type OutcomeKind } from './drill-outcome.js';
import { settleRestoreFile, writeRestoreFile } from './drill-restore-file.js';

export interface ActRun {
  readonly database: DrillDatabase;
  readonly alerts: DrillAlerts;
  readonly ledger: DrillLedger;
  /** Of this drill: restore files and report. */
  readonly folder: string;
  /** Bound for raising, and again for clearing, milliseconds. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** What is being done now, for people. */
  readonly say: (step: string) => void;
}

const LOOK_EVERY_MS = 150;

export async function runAct(run: ActRun, act: DrillAct, planned: PlannedAct): Promise<ActOutcome> {
  const { database, alerts, ledger, signal } = run;
  const nothing = { act, changedAt: null, statements: [], raised: [], cleared: [], foundAfter: null };
  const about = act.ofDatabase ? ledger.domain : ledger.origin;
  await readAlerts(alerts);
  const mark = alerts.came.length;
  const came = (state: string): CameAlert[] =>
    alerts.came.slice(mark).filter(({ alert: { body } }) => body.ledger === about && body.state === state);
  let kept: { file: string; saved: Saved } | null = null;
  const keep = (saved: Saved): void => {
    const content = { origin: ledger.origin, act: act.id, time: new Date(run.now()).toISOString(), saved };
    kept = { file: writeRestoreFile(run.folder, content), saved };
  };

  run.say(act.title);
  let statements: readonly string[];
  try {
    statements = await database.change(planned.change, keep);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    // The answer to COMMIT may be what was lost, so what was kept is put back all the same.
    const restored = kept === null || (await putBack(run, kept));
    const kind = restored ? ('not-done' as const) : ('not-restored' as const);
    return { ...nothing, kind, problem: error.message, clearedAfter: null, restored };
  }
  const changedAt = run.now();
  const changed = performance.now();

  run.say(`waiting for ${act.code}`);
  const allRaised = (): boolean =>
    ledger.verifiers.every((from) => came('raised').some(({ alert }) => isVerdict(act, alert, from)));
  await until(run, allRaised, run.withinMs);
  const verdict = judgeRaised(act, planned, came('raised'), ledger.verifiers);
  const foundAfter = allRaised() ? (lastNeeded(act, came('raised'), ledger.verifiers) - changed) / 1_000 : null;

  run.say('putting back');
  const restored = await putBack(run, kept!);
  const restoredAt = performance.now();
  const done = { act, changedAt, statements, foundAfter, restored };
  const ended = (kind: OutcomeKind, problem: string, clearedAfter: number | null = null): ActOutcome => {
    return { ...done, kind, problem, clearedAfter, raised: came('raised'), cleared: came('cleared') };
  };
  if (!restored) return ended('not-restored', 'what was changed does not stand as it did');

  run.say('waiting for the clearing alert');
  const allCleared = (): boolean => came('raised').every(({ alert }) => !alerts.isOpen(alert));
  await until({ ...run, signal: NEVER }, allCleared, signal.aborted ? LAST_LOOK_MS : run.withinMs);
  const clearedAfter =
    allCleared() && came('cleared').length > 0 ? (newest(came('cleared')) - restoredAt) / 1_000 : null;
  if (verdict.kind !== 'found' && signal.aborted)
    return ended('interrupted', 'interrupted, and put back', clearedAfter);
  if (verdict.kind === 'not-raised') return ended(verdict.kind, verdict.problem, clearedAfter);
  if (!allCleared()) return ended('not-cleared', 'it was put back, and an alert still stands', null);
  // Another verdict may have come while the first was waited for.
  const whole = judgeRaised(act, planned, came('raised'), ledger.verifiers);
  return ended(whole.kind, whole.problem, clearedAfter);
}

const NEVER = new AbortController().signal;
/** After a Ctrl-C nobody is kept waiting; the clearing alert usually comes in this time. */
const LAST_LOOK_MS = 3_000;

/** True once everything stands as it was kept; then the restore file is settled. */
async function putBack({ database, say }: ActRun, { file, saved }: { file: string; saved: Saved }): Promise<boolean> {
  try {
    if (!(await database.restore(saved))) return false;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    say(`it could not be put back: ${error.message}`);
    return false;
  }
  settleRestoreFile(file);
  return true;
}

/** Reads alerts until the condition holds, the time is over, or the signal comes. */
async function until({ alerts, signal }: ActRun, holds: () => boolean, withinMs: number): Promise<void> {
  for (const deadline = performance.now() + withinMs; ;) {
    await readAlerts(alerts);
    if (holds() || signal.aborted || performance.now() > deadline) return;
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** A broker that does not answer now is asked again; what it does not show in time was not raised. */
async function readAlerts(alerts: DrillAlerts): Promise<void> {
  try {
    await alerts.read();
  } catch (error) {
    if (!(error instanceof MessagingError)) throw error;
  }
}

const newest = (came: readonly CameAlert[]): number => Math.max(...came.map(({ at }) => at));

/** When the last of the verifiers had raised it for the first time. */
function lastNeeded(act: DrillAct, raised: readonly CameAlert[], verifiers: readonly string[]): number {
  return Math.max(...verifiers.map((from) => raised.find(({ alert }) => isVerdict(act, alert, from))!.at));
}
