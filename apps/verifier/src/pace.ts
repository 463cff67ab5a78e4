/**
 * The rate of a sweep: so many entries a second and no more, so that re-reading everything for ever leaves the sealer
 * its share of the machine. Also lets the event loop turn after every piece of work.
 *
 * A piece of work is at most one block, whatever is claimed: no stored number makes a sweep sleep longer than a full
 * block would, and a wait ends when the sweep is asked to.
 */

import { MAX_BLOCK_ENTRIES } from '@everseal/audit-core';

const MOST_ENTRIES = MAX_BLOCK_ENTRIES + 1;
/** A pause (between passes, or a slow database) is not saved up for a burst longer than this. */
const MOST_SAVED_MS = 1_000;

export class Pace {
  /** performance.now() at which the work done so far is paid for. */
  private due = 0;
  private waited = 0;

  /** @param perSecond entries a second, asked for every piece of work; Infinity for as fast as it goes */
  constructor(private readonly perSecond: () => number) {}

  /** Milliseconds that were waited so far to keep to the rate. */
  get slept(): number {
    return this.waited;
  }

  /** Called after each piece of work; waits when the sweep is ahead of its rate, until the signal is aborted. */
  async spent(entries: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    if (this.due < now - MOST_SAVED_MS) this.due = now;
    this.due += (Math.min(Math.max(entries, 0), MOST_ENTRIES) / this.perSecond()) * 1_000;
    const wait = this.due - now;
    if (wait <= 1 || signal.aborted) await new Promise((resolve) => setImmediate(resolve));
    else await sleep(wait, signal).then(() => (this.waited += performance.now() - now));
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
