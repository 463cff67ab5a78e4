/**
 * `everseal alerts`: what the services raised and cleared, each signature checked here; with --follow also what comes from
 * now on, until Ctrl-C. The stream is the history; live messages only make it quick: after every reconnect and once in a
 * while the stream is read again from where it was left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { listen, type NatsLink } from '@everseal/messaging';
import { liveAlertSubject } from '@everseal/policy';
import { AlertHistory, type ReadAlert, type VerifiedAlert } from './alert-history.js';
import { AlertLines } from './alert-lines.js';
import { explain } from './explain-error.js';
import { connectAsOps } from './connections.js';
import type { Context } from './context.js';
import { drillOrigin } from './drill-ledger.js';
import { parseSince } from './durations.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readAlertKeys, StoredAlerts } from './read-alerts.js';

export interface AlertsOptions {
  follow?: boolean | undefined;
  /** Only alerts that are open. */
  open?: boolean | undefined;
  since?: string | undefined;
  json?: boolean | undefined;
}

const READ_AGAIN_MS = 30_000;

export async function alerts(context: Context, options: AlertsOptions): Promise<ExitCode> {
  const settings = context.settings();
  const since = options.since === undefined ? null : parseSince(options.since, context.now());
  const history = new AlertHistory(readAlertKeys(settings));
  const lines = new AlertLines(context.terminal, options.json === true, drillOrigin(settings));
  const link = await connectAsOps(settings);
  try {
    const stored = new StoredAlerts(link);
    const follower = options.follow === true ? new Follower(link, history, stored, lines) : null;
    const read = await readStored(history, stored);
    const isWanted = (alert: ReadAlert): boolean => {
      if (since !== null && Date.parse(alert.time) < since) return false;
      return options.open !== true || !alert.verified || history.isOpen(alert);
    };
    lines.history(read.filter(isWanted), (alert) => history.isOpen(alert));
    if (follower) await follower.run(context.signal, context.terminal);
    lines.end(history, stored.hasFirst);
    return history.standing.length > 0 ? EXIT.alertsOpen : EXIT.ok;
  } finally {
    await link.close();
  }
}

/** What of the stream is new to the history. @throws MessagingError */
export async function readStored(history: AlertHistory, stored: StoredAlerts): Promise<ReadAlert[]> {
  const read: ReadAlert[] = [];
  for await (const { subject, data, time } of stored.unread()) {
    const alert = history.take(subject, data, time);
    if (alert) read.push(alert);
  }
  return read;
}

/** Listens from the moment it is made, so that nothing falls between the history and the live alerts. */
class Follower {
  private readonly waiting: { subject: string; data: Buffer }[] = [];
  private wake: () => void = () => undefined;
  private fault: Error | null = null;

  constructor(
    link: NatsLink,
    private readonly history: AlertHistory,
    private readonly stored: StoredAlerts,
    private readonly lines: AlertLines,
  ) {
    listen(link, liveAlertSubject('*', '*.*'), {
      onMessage: ({ subject, data }) => {
        this.waiting.push({ subject, data: Buffer.from(data) });
        this.wake();
      },
      onFault: (error) => {
        this.fault = error;
        this.wake();
      },
    });
    link.listen({ reconnected: () => this.wake() });
  }

  async run(signal: AbortSignal, terminal: { note(text: string): void }): Promise<void> {
    while (!signal.aborted) {
      for (const { subject, data } of this.waiting.splice(0)) this.show(this.history.take(subject, data, ''));
      try {
        for (const alert of await readStored(this.history, this.stored)) this.show(alert);
      } catch (error) {
        terminal.note(`note: the stored alerts cannot be read now: ${explain(error).message}`);
      }
      if (this.fault) throw this.fault;
      if (this.waiting.length === 0) await this.pause(signal);
    }
  }

  private show(alert: ReadAlert | null): void {
    if (alert) this.lines.live(alert, (one: VerifiedAlert) => this.history.isOpen(one));
  }

  private async pause(signal: AbortSignal): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    const over = new AbortController();
    const rest = sleep(READ_AGAIN_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(
      () => undefined,
    );
    await Promise.race([woken, rest]);
    over.abort();
  }
}
