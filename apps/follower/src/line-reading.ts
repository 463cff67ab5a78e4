/** What a parser of log lines makes of one line: when it was written, and what it says that is worth an event. */
import type { EngineFact } from '@everseal/audit-core';

export interface LineReading {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Null for a line that was understood and tells nothing that is written down. */
  readonly fact: EngineFact | null;
}

/** Before 1970 nothing was logged. */
const EARLIEST = 0;
/** The last that an event can have. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** @returns milliseconds since 1970; null for a day that there is not, or that no log can have */
export function timeOf(iso: string): number | null {
  const time = Date.parse(iso);
  const isTime = time >= EARLIEST && time <= LATEST && new Date(time).toISOString() === iso;
  return isTime ? time : null;
}

/** @returns null for a line that is not of the engine's form */
export type ReadLine = (line: string) => LineReading | null;

/** A fact with nothing but what is given. */
export function factOf(fact: Partial<EngineFact> & Pick<EngineFact, 'action' | 'outcome'>): EngineFact {
  return { actor: 'unknown', target: 'unknown', reason: '', address: '', details: {}, ...fact };
}
