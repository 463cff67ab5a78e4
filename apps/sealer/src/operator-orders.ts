/** Operators' orders on their way into the sealing loop, which alone may act on them: between two blocks. */

import { RetryLater } from '@everseal/process';

/** An order that waits to be carried out; one of the two is called, once. */
export interface PlacedOrder {
  readonly note: string;
  /** What was ordered is committed. */
  readonly done: () => void;
  readonly refuse: (error: unknown) => void;
}

/** This sealer does not seal the ledger now. */
export function standby(): RetryLater {
  return new RetryLater('sealer.standby', 'this sealer does not seal the ledger now: ask the others, or again');
}

export class OperatorOrders {
  private placed: PlacedOrder[] = [];

  /** Resolves once what was ordered is committed. @throws what `refuse` was given */
  place(note: string): Promise<void> {
    return new Promise((resolve, reject) => this.placed.push({ note, done: resolve, refuse: reject }));
  }

  /** The next one, out of those that wait; what is not taken is given back when sealing ends. */
  take(): PlacedOrder | undefined {
    return this.placed.shift();
  }

  /** Sealing ends for now: whoever waits is told to try again. */
  giveBack(): void {
    for (const { refuse } of this.placed.splice(0)) refuse(standby());
  }
}
