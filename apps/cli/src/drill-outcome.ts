/** How an act of a drill ended, and what a drill as a whole is worth. Pure. */
import type { CameAlert } from './drill-alerts.js';
import type { DrillAct, PlannedAct } from './drill-acts.js';
import { EXIT, type ExitCode } from './exit-code.js';

export type OutcomeKind =
  /** The verdict came in time from every verifier, everything was put back, the alerts were cleared. */
  | 'found'
  /** A verifier did not raise the verdict in time. */
  | 'not-raised'
  /** The verdict named another record, or another verdict came as well. */
  | 'other-verdict'
  /** Put back, and an alert was not cleared in time. */
  | 'not-cleared'
  /** What was changed does not stand as it did: `--restore` is needed. */
  | 'not-restored'
  /** The person at the keyboard ended it; put back. */
  | 'interrupted'
  /** Nothing was changed. */
  | 'not-done';

export interface ActOutcome {
  readonly act: DrillAct;
  readonly kind: OutcomeKind;
  /** What went wrong, for people; '' when nothing did. */
  readonly problem: string;
  /** Milliseconds since 1970, when the change was committed; null when it was not. */
  readonly changedAt: number | null;
  readonly statements: readonly string[];
  readonly raised: readonly CameAlert[];
  readonly cleared: readonly CameAlert[];
  /** Seconds from the commit until every verifier had raised it; null when one did not. */
  readonly foundAfter: number | null;
  /** Seconds from putting back until all was cleared. */
  readonly clearedAfter: number | null;
  readonly restored: boolean;
}

/**
 * What is wrong with the alerts that an act raised; '' when every verifier gave the verdict, of the right record, and no
 * other came.
 */
export function judgeRaised(
  act: DrillAct,
  planned: PlannedAct,
  raised: readonly CameAlert[],
  verifiers: readonly string[],
): { kind: 'found' | 'not-raised' | 'other-verdict'; problem: string } {
  const silent = verifiers.filter((source) => !raised.some(({ alert }) => isVerdict(act, alert, source)));
  if (silent.length > 0)
    return { kind: 'not-raised', problem: `${silent.join(', ')} did not raise ${act.code} in time` };
  const others = raised.filter(({ alert }) => alert.body.code !== act.code);
  if (others.length > 0) {
    const codes = others.map(({ alert }) => `${alert.body.code} (alert ${alert.number} of ${alert.source})`);
    return { kind: 'other-verdict', problem: `${act.code} came, and besides ${codes.join(', ')}` };
  }
  const wrong = raised.find(({ alert }) => !namesRecord(planned, alert.body.first));
  if (!wrong) return { kind: 'found', problem: '' };
  const { first } = wrong.alert.body;
  const named = `entry ${first?.index ?? 'unknown'} of block ${first?.height ?? 'unknown'}`;
  return { kind: 'other-verdict', problem: `${act.code} names ${named}, not ${placeOf(planned)}` };
}

export function isVerdict(
  { code }: DrillAct,
  { source, body }: { source: string; body: { code: string } },
  from: string,
): boolean {
  return body.code === code && source === from;
}

function namesRecord(
  { first: wanted }: PlannedAct,
  named: { index: number | null; height: number | null } | null,
): boolean {
  if (wanted === null) return true;
  if (wanted.index !== null && named?.index !== wanted.index) return false;
  return wanted.height === null || named?.height === wanted.height;
}

function placeOf({ first }: PlannedAct): string {
  return first === null ? '' : `entry ${first.index ?? '-'} of block ${first.height ?? '-'}`;
}

const RANK: readonly { kinds: readonly OutcomeKind[]; exit: ExitCode }[] = [
  { kinds: ['not-restored'], exit: EXIT.notRestored },
  { kinds: ['not-raised', 'other-verdict'], exit: EXIT.notRaised },
  { kinds: ['not-cleared'], exit: EXIT.notCleared },
  { kinds: ['interrupted', 'not-done'], exit: EXIT.unavailable },
];

/** The worst wins; a drill without acts is no success. */
export function exitOf(outcomes: readonly Pick<ActOutcome, 'kind'>[]): ExitCode {
  if (outcomes.length === 0) return EXIT.unavailable;
  return RANK.find(({ kinds }) => outcomes.some(({ kind }) => kinds.includes(kind)))?.exit ?? EXIT.ok;
}
