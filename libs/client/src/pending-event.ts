/**
 * One event on its way, and the call that waits for it. The call is settled once, at its deadline at the latest; the event
 * goes on without it where the outbox keeps it, because then somebody was told that it will be sent.
 *
 * State: owned by the sender that holds it; `expire` is called by its own timer.
 */
import type { EncodedEvent } from './audit-event.js';
import { EversealError, type EversealErrorCode } from './everseal-error.js';
import type { Recorded } from './recorder.js';

export class PendingEvent {
  readonly outcome: Promise<Recorded>;
  /** Its place in the outbox; null while it has none. */
  ordinal: number | null = null;
  /** It left this process and nobody said what became of it. */
  isUncertain: boolean;
  /** Of an earlier process: not to be put together with others, see request-sender.ts. */
  readonly isOld: boolean;
  #isSettled = false;
  /** The last reason why there is no outcome yet. */
  #waitsFor: { code: EversealErrorCode; reason: string } = { code: 'client.deadline', reason: 'it was not sent' };
  #timer: NodeJS.Timeout | undefined;
  #resolve!: (recorded: Recorded) => void;
  #reject!: (error: EversealError) => void;

  /** @param withinMs null for an event of the outbox that no call waits for */
  constructor(
    readonly event: EncodedEvent,
    private readonly withinMs: number | null,
    origin: 'new' | 'old' = 'new',
  ) {
    this.isOld = origin === 'old';
    this.isUncertain = this.isOld;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (withinMs === null) this.#isSettled = true;
    else this.#timer = setTimeout(() => this.expire(), withinMs);
  }

  /** Is anybody still interested in sending it? */
  get isWanted(): boolean {
    return !this.#isSettled || this.ordinal !== null;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Notes why the last attempt brought no outcome. */
  waits(code: 'client.deadline' | 'client.unverified', reason: string): void {
    this.#waitsFor = { code, reason };
  }

  settle(recorded: Recorded): void {
    if (this.end()) this.#resolve(recorded);
  }

  fail(error: EversealError): void {
    if (this.end()) this.#reject(error);
  }

  /** The call cannot wait any longer: it is kept, or nothing is known, or nothing was done. */
  expire(): void {
    if (this.ordinal !== null) return this.settle({ state: 'kept', id: this.event.id });
    const { code, reason } = this.#waitsFor;
    const isUnknown = this.isUncertain;
    const state = isUnknown ? 'it may be in the log or not' : 'it is not in the log';
    const message = `no receipt for event ${this.event.id} within ${this.withinMs} ms (${reason}): ${state}`;
    this.fail(new EversealError(code, message, { isUnknown }));
  }

  /** The client closes. */
  abandon(): void {
    if (this.ordinal !== null) return this.settle({ state: 'kept', id: this.event.id });
    const message = `the client was closed before event ${this.event.id} had its receipt`;
    this.fail(new EversealError('client.closed', message, { isUnknown: this.isUncertain }));
  }

  private end(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    return true;
  }
}
