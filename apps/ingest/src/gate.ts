/**
 * May requests of one ledger be accepted now? Only while every condition holds. The conditions also stand in the health of the
 * process, with their reasons, under `<ledger>: <name>`; those of the whole process count for every gate.
 *
 * State: the set of failing names. `onChange` is called when it becomes empty or stops being empty, never twice in a row with
 * the same value.
 */
import type { Condition, Health } from '@everseal/process';

export class Gate {
  readonly #failing = new Set<string>();
  #isOpen = false;

  constructor(
    private readonly health: Health,
    private readonly ledger: string,
    private readonly onChange: (isOpen: boolean) => void,
  ) {}

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Does every condition hold, but perhaps these? */
  holdsBut(...names: string[]): boolean {
    return [...this.#failing].every((name) => names.includes(name));
  }

  /** A condition of this ledger; it fails until told otherwise. */
  condition(name: string, reason: string): Condition {
    return this.joined(name, this.health.condition(`${this.ledger}: ${name}`, reason));
  }

  /** A condition of the process, which several gates ask for. @returns what to tell this gate, beside `shared` itself */
  joined(name: string, shared: Condition): Condition {
    const condition: Condition = {
      ok: () => {
        shared.ok();
        this.#failing.delete(name);
        this.settle();
      },
      fail: (reason) => {
        shared.fail(reason);
        this.#failing.add(name);
        this.settle();
      },
    };
    this.#failing.add(name);
    return condition;
  }

  private settle(): void {
    const isOpen = this.#failing.size === 0;
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    this.onChange(isOpen);
  }
}
