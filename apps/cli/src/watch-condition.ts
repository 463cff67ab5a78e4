/**
 * Something that is not as it should be, as `everseal watch` sees it: an alert that a service raised and signed, or what the
 * watcher finds by itself. Codes of its own findings are those of the verdicts where one fits, so that the runbook's section
 * is the same; what only an outsider can see about the alerts themselves has a code of the watcher's own.
 */
import { VERDICTS, type Severity, type VerdictCode } from '@everseal/audit-core';

/** What only a reader of alerts can find; docs/operations/watch.md says what to do. */
export const WATCH_CODES = {
  'alert.missing': { severity: 'tampering', meaning: 'an alert was raised and is not there: its number is missing' },
  'alert.unverified': { severity: 'tampering', meaning: 'a message among the alerts is signed by no known key' },
  'alert.unread': { severity: 'liveness', meaning: 'the stored alerts cannot be read' },
} as const satisfies Record<string, { severity: Severity; meaning: string }>;

export type WatchCode = VerdictCode | keyof typeof WATCH_CODES;

export interface Condition {
  /** Identity: the same condition has the same key at every look, its detail may change. */
  readonly key: string;
  readonly code: string;
  readonly severity: string;
  readonly meaning: string;
  /** Origin of the ledger; '' when it is about none. */
  readonly ledger: string;
  /** `<service>/<name>` that it is about, where there is one. */
  readonly part: string;
  readonly detail: string;
  readonly evidence: Readonly<Record<string, string>>;
  readonly runbook: string;
}

/** A finding of the watcher's own. */
export function conditionOf(
  key: string,
  code: WatchCode,
  { ledger = '', part = '', evidence = {} }: Partial<Pick<Condition, 'ledger' | 'part' | 'evidence'>>,
  detail: string,
): Condition {
  const isOwn = Object.hasOwn(WATCH_CODES, code);
  const { severity, meaning } = isOwn ? WATCH_CODES[code as keyof typeof WATCH_CODES] : VERDICTS[code as VerdictCode];
  const page = isOwn ? 'watch' : 'runbook';
  const runbook = `docs/operations/${page}.md#${code.replaceAll('.', '')}`;
  return { key: `${code} ${key}`, code, severity, meaning, ledger, part, detail, evidence, runbook };
}
