/** What a parser of log lines makes of one line: when it was written, and what it says that is worth an event. */
import type { EngineFact } from '@everseal/audit-core';

export interface LineReading {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Null for a line that was understood and tells nothing that is written down. */
  readonly fact: EngineFact | null;
}

/** @returns null for a line that is not of the engine's form */
export type ReadLine = (line: string) => LineReading | null;

/** A fact with nothing but what is given. */
export function factOf(fact: Partial<EngineFact> & Pick<EngineFact, 'action' | 'outcome'>): EngineFact {
  return { actor: 'unknown', target: 'unknown', reason: '', address: '', details: {}, ...fact };
}
