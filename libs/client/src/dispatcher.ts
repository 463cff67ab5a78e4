/**
 * Puts waiting events together into requests. No timer: whatever was recorded while requests are in flight goes into the
 * next one, so a lone event leaves at once and a flood leaves in full requests.
 *
 * A request holds at most 512 events and 524,288 bytes (formats.md, "Limits"), and so many are in flight; a request that
 * waits to be sent again counts as one, which is the backpressure towards an installation that has no room.
 */
import { MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS } from '@everseal/audit-core';
import type { PendingEvent } from './pending-event.js';

export class Dispatcher {
  #waiting: PendingEvent[] = [];
  /** Where the events that still wait begin; those before are cut off now and then. */
  #at = 0;
  #inFlight = 0;
  #isAsked = false;

  /**
   * @param send settles all events of a request; does not throw
   * @param isReady whether sending makes sense now; whoever makes it so calls `pump`
   * @param onSent after each request
   */
  constructor(
    private readonly most: { inFlight: number; events: number },
    private readonly send: (request: readonly PendingEvent[]) => Promise<void>,
    private readonly isReady: () => boolean,
    private readonly onSent: () => void,
  ) {}

  /** Nothing waits and nothing is under way. */
  get isIdle(): boolean {
    return !this.isSending && this.#at === this.#waiting.length;
  }

  get isSending(): boolean {
    return this.#inFlight > 0;
  }

  push(event: PendingEvent): void {
    this.#waiting.push(event);
    this.pump();
  }

  /** Sends what can be sent, once all that is recorded in this turn has come. */
  pump(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.sendWaiting();
    });
  }

  private sendWaiting(): void {
    while (this.#inFlight < this.most.inFlight && this.isReady()) {
      const request = this.take();
      if (request.length === 0) return;
      this.#inFlight += 1;
      void this.send(request).finally(() => {
        this.#inFlight -= 1;
        this.onSent();
        this.pump();
      });
    }
  }

  private take(): PendingEvent[] {
    const request: PendingEvent[] = [];
    let bytes = 2;
    for (; this.#at < this.#waiting.length; this.#at += 1) {
      const event = this.#waiting[this.#at]!;
      // Given up before it was ever sent.
      if (!event.isWanted) continue;
      const size = event.event.bytes.length + 1;
      const isFull = request.length === Math.min(this.most.events, MAX_REQUEST_EVENTS);
      if (request.length > 0 && (event.isOld || isFull || bytes + size > MAX_REQUEST_BYTES)) break;
      request.push(event);
      bytes += size;
      if (event.isOld) {
        this.#at += 1;
        break;
      }
    }
    if (this.#at === this.#waiting.length || (this.#at > 1_024 && this.#at * 2 > this.#waiting.length)) {
      this.#waiting = this.#waiting.slice(this.#at);
      this.#at = 0;
    }
    return request;
  }
}
