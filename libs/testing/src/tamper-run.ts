/**
 * What `npm run test:tamper` asks of the specs of the tamper suite, and what they write down for its matrix. Jest hands the
 * options to every spec file as a global (`--globals`); in `npm test` there are none, and nothing is written down.
 */
import { appendFileSync } from 'node:fs';

export interface TamperRun {
  readonly seed?: number;
  /** Random changes to be made. */
  readonly mutations?: number;
  /** File that gets one line of JSON for each record. */
  readonly records?: string;
}

/** One act of the matrix, as it went. */
export interface TamperRecord {
  /** T1, T2, …; or `random`. */
  readonly act: string;
  readonly what: string;
  readonly expected: readonly string[];
  readonly seen: readonly string[];
  readonly seconds: number;
  /** The first bad record, for people. */
  readonly named: string;
}

export function tamperRun(): TamperRun {
  return (globalThis as { eversealTamper?: TamperRun }).eversealTamper ?? {};
}

export function recordTamper(record: TamperRecord): void {
  const { records } = tamperRun();
  if (records !== undefined) appendFileSync(records, `${JSON.stringify(record)}\n`);
}
