/** Waits for several calls and tells what became of each. */
import { EversealError } from './everseal-error.js';
import type { Recorded } from './recorder.js';

/** `recordMany`, when at least one event failed. */
export class SomeFailed extends EversealError {
  constructor(
    /** In the order of the events. */
    readonly outcomes: readonly (Recorded | EversealError)[],
  ) {
    const failed = outcomes.filter((outcome) => outcome instanceof EversealError);
    super('client.some-failed', `${failed.length} of ${outcomes.length} events: ${failed[0]?.message}`, {
      cause: failed[0],
      isUnknown: failed.some(({ isUnknown }) => isUnknown),
    });
    this.name = 'SomeFailed';
  }
}

/** @throws SomeFailed after all are settled; what is no EversealError (a bug), as it is */
export async function settleAll(calls: readonly Promise<Recorded>[]): Promise<Recorded[]> {
  const outcomes: (Recorded | EversealError)[] = [];
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === 'fulfilled') outcomes.push(result.value);
    else if (result.reason instanceof EversealError) outcomes.push(result.reason);
    else throw result.reason;
  }
  if (outcomes.some((outcome) => outcome instanceof EversealError)) throw new SomeFailed(outcomes);
  return outcomes as Recorded[];
}
