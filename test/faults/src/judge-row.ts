/** What a row has brought, and whether that is what must come of it. */

/** What the oracle counts over everything that was ever sent to the installation. */
export interface Counts {
  /** Events that were meant to be sent. */
  readonly sent: number;
  /** Those with a verified receipt. */
  readonly accepted: number;
  /** Events in the log, marked copies included. */
  readonly sealed: number;
  /** Marked copies of events that were sent again. */
  readonly copies: number;
  readonly lost: number;
  readonly unmarked: number;
  /** Events in the log that nobody sent, and rows of the index that do not say what their event says. */
  readonly strange: number;
  /** What an outside check of the whole log finds. */
  readonly findings: readonly string[];
}

export interface RaisedAlert {
  readonly code: string;
  readonly detail: string;
  readonly source: string;
}

export interface Observed {
  readonly counts: Counts;
  readonly raised: readonly RaisedAlert[];
  readonly ended: readonly { readonly id: string; readonly lastWords: string }[];
  /** Services that the act itself says may have ended. */
  readonly stops: readonly string[];
  /** Null when the act and the recovery went as they must. */
  readonly problem: string | null;
  /** Of the alert list itself: missing numbers, unknown signatures. */
  readonly alertProblems: readonly string[];
}

export interface Expected {
  readonly alerts?: readonly string[];
  readonly mayRaise?: readonly string[];
}

export interface Judgement {
  readonly expectedAlerts: readonly string[];
  readonly unexpectedAlerts: readonly string[];
  /** Why the row has failed; empty when it has not. */
  readonly problems: readonly string[];
}

/** Problems of the log alone. */
export function countProblems({ sent, accepted, sealed, copies, lost, unmarked, strange, findings }: Counts): string[] {
  const problems = findings.map((finding) => `the log is not good: ${finding}`);
  if (accepted !== sent) problems.push(`${sent - accepted} events have no receipt`);
  if (lost > 0) problems.push(`${lost} accepted events are LOST`);
  if (unmarked > 0) problems.push(`${unmarked} copies are not marked as such`);
  if (strange > 0) problems.push(`${strange} events that nobody sent, or index rows that are wrong`);
  if (sealed !== sent + copies && lost === 0) problems.push(`${sealed} events sealed, ${sent} sent, ${copies} copies`);
  return problems;
}

export function judgeRow({ alerts = [], mayRaise = [] }: Expected, observed: Observed): Judgement {
  const { counts, raised, ended, stops, problem, alertProblems } = observed;
  const isExpected = ({ code }: RaisedAlert): boolean => alerts.includes(code) || mayRaise.includes(code);
  const unexpected = raised.filter((alert) => !isExpected(alert));
  const missing = alerts.filter((code) => !raised.some((alert) => alert.code === code));
  const unasked = ended.filter(({ id }) => !stops.includes(id));
  return {
    expectedAlerts: [...new Set(raised.filter(isExpected).map(({ code }) => code))].sort(),
    unexpectedAlerts: unexpected.map(({ code, source, detail }) => `${code} by ${source}: ${detail}`),
    problems: [
      ...(problem === null ? [] : [problem]),
      ...countProblems(counts),
      ...missing.map((code) => `${code} was not raised`),
      ...unexpected.map(({ code, source, detail }) => `${code} was raised by ${source}: ${detail}`),
      ...unasked.map(({ id, lastWords }) => `${id} ended by itself: ${lastWords}`),
      ...alertProblems,
    ],
  };
}
