/**
 * Where the events with these ordinals (duplicate-window.ts) are now: in a request that waits, or at a position of a frame.
 *
 * Runs of consecutive ordinals, ascending, each in one request or one frame; runs of one frame that follow each other are
 * joined. Ordinals of refused or dropped requests are in no run.
 */
import type { PendingRequest } from './pending-request.js';

export type Place =
  | { readonly in: 'request'; readonly request: PendingRequest; readonly position: number }
  | { readonly in: 'frame'; readonly frame: number; readonly position: number };

type Run = {
  ordinal: number;
  count: number;
  /** Null once its frame is built. */
  request: PendingRequest | null;
  frame: number;
  /** Position in the frame of the run's first event. */
  first: number;
};

export class AcceptedRuns {
  #runs: Run[] = [];

  /** @param forgetAtOnce how many runs go at a time */
  constructor(private readonly forgetAtOnce = 1_024) {}

  /** The request's `ordinal` must be above all given before. */
  addRequest(request: PendingRequest): void {
    this.#runs.push({ ordinal: request.ordinal, count: request.count, request, frame: 0, first: 0 });
  }

  addFrame(ordinal: number, count: number, frame: number): void {
    this.#runs.push({ ordinal, count, request: null, frame, first: 0 });
  }

  /** The requests' events stand from their `first` on in this frame: all that were added and not dropped, in order. */
  frameRequests(requests: readonly PendingRequest[], frame: number): void {
    const [head] = requests;
    if (head === undefined) return;
    const joined: Run[] = [];
    for (const { ordinal, count, first } of requests) {
      const before = joined.at(-1);
      const follows = before !== undefined && before.ordinal + before.count === ordinal;
      if (follows) before.count += count;
      else joined.push({ ordinal, count, request: null, frame, first });
    }
    this.#runs.splice(this.indexOf(head.ordinal), requests.length, ...joined);
  }

  dropRequest(request: PendingRequest): void {
    const index = this.indexOf(request.ordinal);
    if (this.#runs[index]?.request === request) this.#runs.splice(index, 1);
  }

  placeOf(ordinal: number): Place | null {
    const run = this.#runs[this.indexOf(ordinal)];
    if (run === undefined || ordinal >= run.ordinal + run.count) return null;
    const position = ordinal - run.ordinal;
    if (run.request !== null) return { in: 'request', request: run.request, position };
    return { in: 'frame', frame: run.frame, position: run.first + position };
  }

  /** Lets go of runs that end before the ordinal, many at a time: the rest moves up. */
  forgetBefore(ordinal: number): void {
    const index = this.indexOf(ordinal);
    if (index >= this.forgetAtOnce) this.#runs.splice(0, index);
  }

  /** Index of the run that could hold the ordinal: the last one that starts at or before it; -1 when none does. */
  private indexOf(ordinal: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle] as Run).ordinal <= ordinal) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
