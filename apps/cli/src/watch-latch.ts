/** The watcher's latch: what stands is told once when it begins and once when it is over, however often it is looked at. */
import type { Condition } from './watch-condition.js';

/** A condition that stands, and since when; RFC 3339. */
export interface Standing extends Condition {
  readonly since: string;
}

export interface Transition extends Standing {
  readonly state: 'raised' | 'cleared';
  /** When it was seen, RFC 3339. */
  readonly at: string;
}

export class WatchLatch {
  private readonly byKey: Map<string, Standing>;

  /** @param standing what stood when an earlier run ended */
  constructor(standing: readonly Standing[] = []) {
    this.byKey = new Map(standing.map((one) => [one.key, one]));
  }

  get standing(): Standing[] {
    return [...this.byKey.values()];
  }

  /**
   * Takes a look's conditions, all of them.
   * @param isJudged false for a condition that this look could not judge: it is left standing
   * @param at RFC 3339
   */
  look(conditions: readonly Condition[], isJudged: (standing: Standing) => boolean, at: string): Transition[] {
    const found = new Map(conditions.map((condition) => [condition.key, condition]));
    const cleared = this.standing.filter((one) => !found.has(one.key) && isJudged(one));
    const raised = [...found.values()].filter(({ key }) => !this.byKey.has(key));
    for (const { key } of cleared) this.byKey.delete(key);
    for (const condition of raised) this.byKey.set(condition.key, { ...condition, since: at });
    return [
      ...raised.map((condition): Transition => ({ ...condition, state: 'raised', since: at, at })),
      ...cleared.map((one): Transition => ({ ...one, state: 'cleared', at })),
    ];
  }
}
