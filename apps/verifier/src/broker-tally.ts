/**
 * Counts what the broker says, so that a flood is a number and not a flood: equal facts of one window are one event, and a window has a
 * bound on different ones. Beyond it a fact is counted under its action alone.
 */
import type { BrokerFact } from './broker-fact.js';

export interface CountedFact extends BrokerFact {
  count: number;
  /** Milliseconds since 1970. */
  first: number;
  last: number;
}

/** Different facts in one window; what an attacker can have sealed is this many events a window, and no more. */
export const MOST_FACTS = 64;
const SEVERAL = 'several';

export class BrokerTally {
  private facts = new Map<string, CountedFact>();

  /** @param now milliseconds since 1970 */
  note(fact: BrokerFact, now: number): void {
    const key = JSON.stringify([
      fact.action,
      fact.actor,
      fact.target,
      fact.outcome,
      fact.reason,
      fact.address,
      fact.isScan,
    ]);
    const isRoom = this.facts.has(key) || this.facts.size < MOST_FACTS;
    if (isRoom) this.count(key, fact, now);
    else this.count(`${SEVERAL} ${fact.outcome}`, merged(fact), now);
  }

  /** What was counted since the last call, in the order in which it was first heard. */
  take(): CountedFact[] {
    const taken = [...this.facts.values()];
    this.facts = new Map();
    return taken;
  }

  private count(key: string, fact: BrokerFact, now: number): void {
    const known = this.facts.get(key);
    if (known === undefined) this.facts.set(key, { ...fact, count: 1, first: now, last: now });
    else Object.assign(known, { count: known.count + 1, last: now });
  }
}

/** Three of these at most: one an outcome. */
function merged({ outcome }: BrokerFact): BrokerFact {
  return { action: SEVERAL, actor: SEVERAL, target: SEVERAL, outcome, reason: '', address: '', isScan: false };
}
