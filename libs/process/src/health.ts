/**
 * Two questions with different answers. **Live**: do the loops of this process still turn? If not, only a restart helps,
 * so whatever asks may restart it; nothing outside the process (broker, database, disk) makes it not live. **Ready**: can
 * it do its work now? Every condition says in words why not, so that `/ready` is where an operator looks first.
 *
 * State: conditions and pulses are registered by name, once, before the first answer; who registered one is the only one
 * to change it. Before its first `ok` a condition is not met.
 */

/** A reason why the process cannot do its work now, or its absence. */
export interface Condition {
  ok(): void;
  /** @param reason what is missing and what would help, for an operator */
  fail(reason: string): void;
}

/** The proof of life of one loop. */
export interface Pulse {
  /** The loop has come round. */
  tick(): void;
  /** The loop has ended in order; it is not asked any more. */
  end(): void;
}

export interface ConditionState {
  name: string;
  ok: boolean;
  /** Why not; '' when ok. */
  reason: string;
  /** Since when, RFC 3339. */
  since: string;
}

export interface PulseState {
  name: string;
  ok: boolean;
  /** Milliseconds since the last tick. */
  age: number;
  /** Milliseconds within which a tick must come. */
  within: number;
}

export class Health {
  private readonly conditions = new Map<string, ConditionState>();
  private readonly pulses = new Map<string, { last: number; within: number }>();
  private readonly listeners: ((ready: boolean, failing: ConditionState[]) => void)[] = [];
  private wasReady = false;

  /** @param now wall clock, milliseconds; only differences and time stamps for people are made of it */
  constructor(private readonly now: () => number = Date.now) {}

  /** @param reason why it is not met yet */
  condition(name: string, reason: string): Condition {
    if (this.conditions.has(name)) throw new Error(`health condition ${name} registered twice`);
    this.conditions.set(name, { name, ok: false, reason, since: this.stamp() });
    this.announce();
    return {
      ok: () => this.set(name, true, ''),
      fail: (why) => this.set(name, false, why),
    };
  }

  /** @param within milliseconds; longer than the longest honest round of the loop */
  pulse(name: string, within: number): Pulse {
    if (this.pulses.has(name)) throw new Error(`health pulse ${name} registered twice`);
    const beat = { last: this.now(), within };
    this.pulses.set(name, beat);
    return {
      tick: () => void (beat.last = this.now()),
      end: () => void this.pulses.delete(name),
    };
  }

  live(): { ok: boolean; loops: PulseState[] } {
    const loops = [...this.pulses].map(([name, { last, within }]) => {
      const age = this.now() - last;
      return { name, ok: age <= within, age, within };
    });
    return { ok: loops.every((loop) => loop.ok), loops };
  }

  ready(): { ok: boolean; conditions: ConditionState[] } {
    const conditions = [...this.conditions.values()].map((state) => ({ ...state }));
    return { ok: conditions.every((condition) => condition.ok), conditions };
  }

  /** From now on not ready, whatever the conditions say: the process is ending. */
  stopping(): void {
    if (!this.conditions.has('running')) this.condition('running', 'the process is stopping');
  }

  /** Calls back at every change of ready as a whole. */
  onReadyChange(listener: (ready: boolean, failing: ConditionState[]) => void): void {
    this.listeners.push(listener);
  }

  private set(name: string, ok: boolean, reason: string): void {
    const state = this.conditions.get(name);
    if (state === undefined || (state.ok === ok && state.reason === reason)) return;
    if (state.ok !== ok) state.since = this.stamp();
    state.ok = ok;
    state.reason = reason;
    this.announce();
  }

  private announce(): void {
    const { ok, conditions } = this.ready();
    if (ok === this.wasReady) return;
    this.wasReady = ok;
    const failing = conditions.filter((condition) => !condition.ok);
    for (const listener of this.listeners) listener(ok, failing);
  }

  private stamp(): string {
    return new Date(this.now()).toISOString();
  }
}
