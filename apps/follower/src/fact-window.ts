/**
 * Counts what the lines of some seconds say, so that a flood is a number and not a flood: equal facts are one event, and a window has a
 * bound on different ones. Beyond it a fact is counted under its engine and outcome alone. What comes out follows from the lines.
 */
import type { EngineFact } from '@everseal/audit-core';

export interface CountedFact extends EngineFact {
  readonly count: number;
  /** Times of the first and the last line, milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
  /** Where these lines begin in their file. */
  readonly from: number;
  readonly to: number;
}

/** Different facts in one window; what an attacker can have sealed is this many events a window, and four sums. */
export const MOST_FACTS = 64;
/** Of the times in the log, milliseconds. */
export const WINDOW_MS = 10_000;
const SEVERAL = 'several';

export class FactWindow {
  /** Which of the windows since 1970. */
  readonly slot: number;
  private readonly facts = new Map<string, CountedFact>();

  /** @param time of its first line */
  constructor(time: number) {
    this.slot = slotOf(time);
  }

  /** @param at where the line begins */
  note(fact: EngineFact, time: number, at: number): void {
    const { action, actor, target, outcome, reason, address, details } = fact;
    const key = JSON.stringify([action, actor, target, outcome, reason, address, details]);
    const isRoom = this.facts.has(key) || this.facts.size < MOST_FACTS;
    if (isRoom) this.count(key, fact, time, at);
    else this.count(`${SEVERAL} ${outcome}`, merged(fact), time, at);
  }

  /** In the order in which they were first read. */
  counted(): readonly CountedFact[] {
    return [...this.facts.values()];
  }

  private count(key: string, fact: EngineFact, time: number, at: number): void {
    const known = this.facts.get(key);
    const counted = known ?? { ...fact, count: 0, first: time, from: at };
    this.facts.set(key, { ...counted, count: counted.count + 1, last: time, to: at });
  }
}

export const slotOf = (time: number): number => Math.floor(time / WINDOW_MS);

function merged({ action, outcome }: EngineFact): EngineFact {
  const engine = action.split('.')[0]!;
  return {
    action: `${engine}.${SEVERAL}`,
    actor: SEVERAL,
    target: SEVERAL,
    outcome,
    reason: '',
    address: '',
    details: {},
  };
}
