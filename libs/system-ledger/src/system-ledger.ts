/**
 * The way of a service into the system ledger: what it wants sealed is on its disk when `seal…` returns, and a loop of its
 * own brings it there. Nothing here holds the service up or ends it: when the system ledger is down, events wait; when the
 * disk cannot be written, the log says so.
 *
 *     alert (durable in the book, in the stream ALERTS) ──▶ outbox on the disk ──▶ audit.submit.<system>.<service>-<name>
 *                                                              ◀── receipt that verifies, kept beside the event
 */
import { formatAlertEvent, FormatError } from '@everseal/audit-core';
import {
  codeOf,
  exposeCounts,
  exposeNumber,
  fateOf,
  Loop,
  type Health,
  type Logger,
  type Registry,
} from '@everseal/process';
import type { Outbox } from './outbox.js';
import { SelfAlerts } from './self-alerts.js';
import type { SystemLedgerWriter } from './system-ledger-writer.js';

/** Longest honest round: one request, and one for the newest keys. */
const ROUND_BOUND_MS = 60_000;
const IDLE_MS = 30_000;

export interface SystemLedgerParts {
  origin: string;
  outbox: Outbox;
  writer: SystemLedgerWriter;
  health: Health;
  metrics: Registry;
  logger: Logger;
}

export class SystemLedger {
  private readonly selfAlerts = new SelfAlerts(() => performance.now());
  private readonly left = { full: 0, self: 0, failed: 0 };
  private loop: Loop | null = null;
  private isEnding = false;

  constructor(private readonly parts: SystemLedgerParts) {
    const { metrics, outbox, writer } = parts;
    exposeNumber(metrics, 'everseal_system_events_waiting', 'events without a receipt of the system ledger', () => {
      return outbox.waiting;
    });
    exposeCounts(
      metrics,
      'everseal_system_events_total',
      'events for the system ledger, by outcome',
      'outcome',
      () => ({
        ...writer.counts,
        left_out: this.left.full + this.left.self + this.left.failed,
      }),
    );
  }

  start(): void {
    const { health, logger, writer } = this.parts;
    const name = 'system ledger';
    this.loop = Loop.run({
      name,
      body: async (signal) => ((await unlessAborted(writer.round(), signal)) ? 0 : IDLE_MS),
      pulse: health.pulse(name, ROUND_BOUND_MS),
      within: ROUND_BOUND_MS,
      logger,
      // Whatever happens here, the service has more important things to do than to stop for it.
      fate: () => 'retry',
      onStop: () => undefined,
    });
  }

  /** Takes nothing any more and waits for no answer; what waits goes on at the next start. */
  async stop(): Promise<void> {
    this.isEnding = true;
    await this.loop?.stop();
    this.parts.outbox.close();
  }

  /**
   * Takes an alert message, as it went to the stream ALERTS. Asked again for the same one, nothing happens.
   * @returns false when the disk has no room now: ask again later. True when it is taken, or never will be
   */
  sealAlert(message: Buffer): boolean {
    if (this.isEnding) return false;
    let event: Buffer;
    try {
      event = formatAlertEvent(message);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return this.leaveOut('failed', error.message);
    }
    const isNew = !this.parts.outbox.knows(event);
    if (isNew && ledgerOf(message) === this.parts.origin && !this.selfAlerts.admit()) {
      return this.leaveOut('self', 'too many alerts about the system ledger itself in an hour');
    }
    return this.seal(event);
  }

  /** As `sealAlert`, for the bytes of any system event on one line, whose id and source only this service uses. */
  seal(event: Buffer): boolean {
    if (this.isEnding) return false;
    try {
      if (this.parts.outbox.put(event) === 'full') return this.leaveOut('full', 'too many wait for a receipt');
    } catch (error) {
      if (fateOf(error) === 'retry') return false;
      return this.leaveOut('failed', `the outbox cannot be written (${codeOf(error) ?? String(error)})`);
    }
    this.loop?.wake();
    return true;
  }

  /**
   * Takes an event that something depends on: what it tells of happens only after this has returned true.
   * @param event as for `seal`
   * @returns true when it is on the disk and will be brought into the ledger; false when it is not, for whatever reason
   */
  take(event: Buffer): boolean {
    if (this.isEnding) return false;
    try {
      if (this.parts.outbox.put(event) === 'full') return false;
    } catch (err) {
      this.parts.logger.error({ err }, 'the outbox of the system ledger cannot be written');
      return false;
    }
    this.loop?.wake();
    return true;
  }

  private leaveOut(why: keyof typeof this.left, reason: string): true {
    this.left[why]++;
    this.parts.logger.error({ why }, `an event is not brought into the system ledger: ${reason}`);
    return true;
  }
}

/** Null when the loop is being stopped first; what comes of the work then is nobody's business any more. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(null);
    signal.addEventListener('abort', onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function ledgerOf(message: Buffer): unknown {
  const { alert } = JSON.parse(message.toString('utf8')) as { alert?: { ledger?: unknown } };
  return alert?.ledger;
}
