/**
 * Brings what waits in the outbox into the system ledger: one event at a time, in order, the same bytes again and again
 * until a receipt verifies. What any producer has to do, done for a service of ours.
 *
 *   receipt that verifies                     kept beside the event; the next one
 *   refused for good (conflict, invalid, …)   asked again; when it is said long enough, kept as the outcome, told in the log; the next one
 *   anything else                             RetryLater, for the loop around it
 *
 * `event.forbidden` is among the last: a policy reaches ingest and services one after the other.
 *
 * Nobody signs a refusal, and an ingester in wrong hands could refuse everything. The broker gives a request to any of the
 * ingesters, so the same event is asked for again, with the loop's growing pauses: who is honest and there answers one of the next
 * with a receipt, or at least with something else, and that ends the row. Only an event that is refused in a row of `LEAST_REFUSALS` answers
 * over `LEAST_REFUSED_MS` is taken for one that never gets in, for nothing may wait behind it for ever.
 *
 * State: owned by the one loop that calls `round`; `put` may be called at any time. `row` is about the oldest event, and is not
 * kept over a restart: then all of it is said again.
 */
import {
  FormatError,
  formatReceipt,
  parseAnswer,
  verifyReceipt,
  type Receipt,
  type Refusal,
  type VerifierKey,
} from '@everseal/audit-core';
import { RetryLater, type Logger } from '@everseal/process';
import type { Outbox } from './outbox.js';

/** The ledger's ingest keys, as far as they are known. */
export interface ReceiptKeys {
  readonly current: readonly VerifierKey[];
  /** Looks for newer ones. @throws what may pass */
  refresh(): Promise<void>;
}

export interface WriterOptions {
  outbox: Outbox;
  /** The system ledger. */
  origin: string;
  /** The producer that this service is there. */
  producer: string;
  keys: ReceiptKeys;
  /** Sends one event, its exact bytes, and brings the answer. @throws what may pass: no answer, no connection, … */
  submit: (event: Buffer) => Promise<Buffer>;
  logger: Pick<Logger, 'error'>;
  /** Monotonic, ms. */
  now: () => number;
}

/** What cannot become another answer when the same bytes are sent again. */
const FOR_GOOD = new Set<Refusal['code']>([
  'request.too-large',
  'request.malformed',
  'event.invalid',
  'event.conflict',
]);

/** Both have to be reached: so many asked of ingesters that the broker chose anew, and time for one that is away to come back. */
export const LEAST_REFUSALS = 100;
export const LEAST_REFUSED_MS = 10 * 60_000;

/** Answers that refused the oldest event for good, one after the other. */
type Row = { readonly times: number; readonly since: number };

export class SystemLedgerWriter {
  /** Events that a receipt proves, and events that never get one, since the process began. */
  readonly counts = { receipted: 0, refused: 0 };
  private row: Row | null = null;

  constructor(private readonly options: WriterOptions) {}

  /**
   * Sends the oldest event once, if there is one, and notes what became of it.
   * @returns true when there is more to send
   * @throws RetryLater, MessagingError: it is still the oldest
   */
  async round(): Promise<boolean> {
    const { outbox, submit } = this.options;
    const event = outbox.first;
    if (event === null) return false;
    const answer = await submit(event);
    const { row } = this;
    // Whatever it says: only another refusal goes on with the row.
    this.row = null;
    const parsed = read(answer, event);
    if ('refusal' in parsed) this.refused(event, parsed.refusal, row);
    else await this.receipted(event, parsed.receipt);
    return outbox.waiting > 0;
  }

  private refused(event: Buffer, { code, message }: Refusal, row: Row | null): void {
    const { outbox, logger, now } = this.options;
    if (!FOR_GOOD.has(code)) throw new RetryLater('system-ledger.refused', `${code}: ${message}`);
    const { times, since } = { times: (row?.times ?? 0) + 1, since: row?.since ?? now() };
    if (times < LEAST_REFUSALS || now() - since < LEAST_REFUSED_MS) {
      this.row = { times, since };
      throw new RetryLater('system-ledger.refused', `${code}: ${message} (${times} times in a row)`);
    }
    outbox.settle(Buffer.from(JSON.stringify({ refused: { code, message } })));
    this.counts.refused++;
    logger.error({ code, event: event.toString() }, `an event is not in the system ledger: ${code}: ${message}`);
  }

  private async receipted(event: Buffer, receipt: Receipt): Promise<void> {
    const { keys } = this.options;
    try {
      this.verify(event, receipt);
    } catch (first) {
      if (!(first instanceof FormatError)) throw first;
      // Perhaps by a key of a newer set. A receipt that proves nothing is no receipt: the event may be sealed or not.
      await keys.refresh();
      try {
        this.verify(event, receipt);
      } catch (cause) {
        if (!(cause instanceof FormatError)) throw cause;
        throw new RetryLater('system-ledger.receipt', `a receipt that does not verify: ${cause.message}`, { cause });
      }
    }
    // Written anew from what was verified: one line, whatever white space the answer had.
    this.options.outbox.settle(formatReceipt(receipt));
    this.counts.receipted++;
  }

  private verify(event: Buffer, receipt: Receipt): void {
    const { origin, producer, keys } = this.options;
    verifyReceipt(receipt, { origin, producer, events: [event] }, keys.current);
  }
}

function read(answer: Buffer, event: Buffer): { receipt: Receipt } | { refusal: Refusal } {
  try {
    return parseAnswer(answer, event);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new RetryLater('system-ledger.answer', `an answer that cannot be read: ${cause.message}`, { cause });
  }
}
