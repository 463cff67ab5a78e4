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
  await readAlerts(alerts);
  const came = cameFromNow(alerts, act.ofDatabase ? ledger.domain : ledger.origin);
  const kept = new Kept(run, act);

  run.say(act.title);
  let statements: readonly string[];
  try {
    statements = await database.change(planned.change, (saved) => kept.keep(saved));
  } catch (error) {
    // The answer to COMMIT may be what was lost, so what was kept is put back all the same.
    const restored = await kept.putBack();
    if (!(error instanceof StoreError)) throw error;
    const nothing = {
      act,
      changedAt: null,
      statements: [],
      raised: [],
      cleared: [],
      foundAfter: null,
      clearedAfter: null,
    };
    return { ...nothing, kind: restored ? 'not-done' : 'not-restored', problem: error.message, restored };
  }
  const [changedAt, changed] = [run.now(), performance.now()];

  run.say(`waiting for ${act.code}`);
  const verdict = (): ReturnType<typeof judgeRaised> => judgeRaised(act, planned, came('raised'), ledger.verifiers);
  let first: ReturnType<typeof judgeRaised>;
  let restored: boolean;
  try {
    await until(run, () => verdict().kind !== 'not-raised', run.withinMs);
    first = verdict();
  } finally {
    run.say('putting back');
    restored = await kept.putBack();
  }
  const restoredAt = performance.now();
  const foundAt = first.kind === 'not-raised' ? null : lastNeeded(act, came('raised'), ledger.verifiers);
  const done = {
    act,
    changedAt,
    statements,
    restored,
    foundAfter: foundAt === null ? null : (foundAt - changed) / 1_000,
  };
  const ended = (kind: OutcomeKind, problem: string, clearedAfter: number | null = null): ActOutcome => {
    return { ...done, kind, problem, clearedAfter, raised: came('raised'), cleared: came('cleared') };
  };
  if (!restored) return ended('not-restored', 'what was changed does not stand as it did');

  run.say('waiting for the clearing alert');
  const allCleared = (): boolean => came('raised').every(({ alert }) => !alerts.isOpen(alert));
  await until({ ...run, signal: NEVER }, allCleared, signal.aborted ? LAST_LOOK_MS : run.withinMs);
  const isCleared = allCleared() && came('cleared').length > 0;
  const clearedAfter = isCleared ? (newest(came('cleared')) - restoredAt) / 1_000 : null;
  if (first.kind === 'not-raised') {
    if (signal.aborted) return ended('interrupted', 'interrupted, and put back', clearedAfter);
    return ended('not-raised', first.problem, clearedAfter);
  }
  if (!allCleared()) return ended('not-cleared', 'it was put back, and an alert still stands');
  // Another verdict may have come while the first was waited for.
  const { kind, problem } = verdict();
  return ended(kind, problem, clearedAfter);
}

/** What one act has kept; put back once. */
class Kept {
  private kept: { file: string; saved: Saved } | null = null;

  constructor(
    private readonly run: ActRun,
    private readonly act: DrillAct,
  ) {}

  /** What was kept first is what stood there: a second time something may have been changed already. */
  keep(saved: Saved): void {
    if (this.kept !== null) return;
    const { ledger, folder, now } = this.run;
    const content = { origin: ledger.origin, act: this.act.id, time: new Date(now()).toISOString(), saved };
    this.kept = { file: writeRestoreFile(folder, content), saved };
  }

  /** True once everything stands as it was kept; then the restore file is settled. */
  async putBack(): Promise<boolean> {
    if (this.kept === null) return true;
    try {
      if (!(await this.run.database.restore(this.kept.saved))) return false;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.run.say(`it could not be put back: ${error.message}`);
      return false;
    }
    settleRestoreFile(this.kept.file);
    return true;
  }
}

const NEVER = new AbortController().signal;
/** After a Ctrl-C nobody is kept waiting; the clearing alert usually comes in this time. */
const LAST_LOOK_MS = 3_000;

/** The alerts about a ledger, raised or cleared, that come after this. */
function cameFromNow({ came }: DrillAlerts, about: string): (state: 'raised' | 'cleared') => CameAlert[] {
  const mark = came.length;
  return (state) => came.slice(mark).filter(({ alert: { body } }) => body.ledger === about && body.state === state);
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

/** They were read in this order. */
const newest = (came: readonly CameAlert[]): number => came.at(-1)?.at ?? -Infinity;

/** When the last of the verifiers had raised it for the first time. */
function lastNeeded(act: DrillAct, raised: readonly CameAlert[], verifiers: readonly string[]): number {
  return Math.max(...verifiers.map((from) => raised.find(({ alert }) => isVerdict(act, alert, from))!.at));
}
