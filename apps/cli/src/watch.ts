/**
 * `everseal watch`: an outside watcher that needs nothing but public keys and a login that may only listen. It notices what
 * the installation cannot say itself: that a service is silent, that the log stands still, that two histories are signed,
 * that an alert was held back. And it passes on every alert that is raised, to a terminal, a script or a webhook.
 *
 * Watching does not depend on being connected: silence is judged by this machine's clock, whatever the reason for it.
 */
import { formatTimestamp } from '@everseal/audit-core';
import { listen, MessagingError, StreamReader, type NatsLink } from '@everseal/messaging';
import { ANNOUNCEMENTS, announceSubject, heartbeatSubject, liveAlertSubject } from '@everseal/policy';
import { usage } from './cli-failure.js';
import { explain } from './explain-error.js';
import { opsSettings, type CliSettings } from './config.js';
import { connectAsOps } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { readTrust } from './ledger-trust.js';
import { readAlertKeys, StoredAlerts } from './read-alerts.js';
import type { Condition } from './watch-condition.js';
import { WatchLatch, type Transition } from './watch-latch.js';
import { WatchLines, type WatchForm } from './watch-lines.js';
import { readWatchState, writeWatchState } from './watch-state-file.js';
import { WatchedInstallation } from './watched-installation.js';
import { MISSED_PERIODS } from './watched-ledger.js';
import { readWebhookUrl, Webhook } from './webhook.js';

export interface WatchOptions {
  /** Until everybody was heard once, or a heartbeat must have come. */
  once?: boolean | undefined;
  /** Seconds. */
  for?: number | undefined;
  /** Seconds between two heartbeats of a service. */
  period: number;
  /** Seconds that a log may stand still. */
  frozen: number;
  /** Seconds that the clocks may be apart. */
  skew: number;
  /** File with the URL. */
  webhook?: string | undefined;
  /** File. */
  state?: string | undefined;
  json?: boolean | undefined;
}

const TICK_MS = 1_000;
/** Live messages only make it quick: what is stored is read again this often. */
const READ_AGAIN_MS = 30_000;
const CONNECT_AGAIN_MS = 1_000;
/** A turn that comes so late did not come by itself. */
const ASLEEP_MS = 10_000;
/** Also without news: the state, and a page that nobody took. */
const KEEP_EVERY_MS = 60_000;
const LAST_PAGE_MS = 30_000;

export async function watch(context: Context, options: WatchOptions): Promise<ExitCode> {
  const settings = context.settings();
  opsSettings(settings);
  const least = MISSED_PERIODS * options.period;
  if (options.once && options.for !== undefined) throw usage('--once and --for do not go together');
  if (options.for !== undefined && options.for <= least) {
    throw usage(`--for ${options.for} is too short to hear everybody: give more than ${least}, or --once`);
  }
  return new Watch(context, settings, options).run();
}

class Watch {
  private readonly watched: WatchedInstallation;
  private readonly latch: WatchLatch;
  private readonly lines: WatchLines;
  private readonly webhook: Webhook | null;
  private readonly begun: number;
  private link: NatsLink | null = null;
  private stored: StoredAlerts | null = null;
  private connection = 'not connected to NATS yet';
  private readAt: number | null = null;
  private keptAt: number;
  private reading: Promise<void> | null = null;
  private wake: () => void = () => undefined;
  private fault: Error | null = null;
  private isOver = false;

  constructor(
    private readonly context: Context,
    private readonly settings: CliSettings,
    private readonly options: WatchOptions,
  ) {
    const { period, frozen, skew, state, webhook } = options;
    this.begun = this.keptAt = context.now();
    const bounds = { periodMs: period * 1_000, frozenMs: frozen * 1_000, skewMs: skew * 1_000 };
    const trusts = settings.ledgers.map(({ name }) => readTrust(settings, name));
    const earlier = state === undefined ? null : readWatchState(state);
    this.watched = new WatchedInstallation(trusts, readAlertKeys(settings), bounds, this.begun, earlier);
    this.latch = new WatchLatch(earlier?.standing);
    this.lines = new WatchLines(context.terminal, this.form());
    const url = webhook === undefined ? null : readWebhookUrl(webhook);
    const standing = (): number => this.latch.standing.length;
    this.webhook = url && new Webhook(url, settings.domain, standing, earlier?.unpaged);
  }

  async run(): Promise<ExitCode> {
    this.lines.begin(this.watched);
    this.context.signal.addEventListener('abort', () => this.wake());
    void this.connect();
    try {
      for (let before = this.begun; !this.isDone(); before = this.context.now()) {
        await this.pause();
        if (this.fault) throw this.fault;
        this.turn(before);
      }
    } finally {
      this.isOver = true;
      this.lines.close();
      await this.link?.close();
    }
    return this.end();
  }

  private form(): WatchForm {
    if (this.options.json) return 'json';
    const isEndless = !this.options.once && this.options.for === undefined;
    return isEndless && this.context.terminal.isInteractive ? 'screen' : 'lines';
  }

  /** One look. @param before when the last one was */
  private turn(before: number): void {
    const now = this.context.now();
    // This machine slept, or its clock was set: whoever was not heard meanwhile is not to blame.
    if (Math.abs(now - before) > ASLEEP_MS) this.watched.forgive(now);
    if (now - this.keptAt >= KEEP_EVERY_MS) {
      this.webhook?.again();
      this.save();
    }
    if (this.link?.connected && now - (this.readAt ?? 0) >= READ_AGAIN_MS) this.read();
    this.look(now);
    const problem = this.webhook?.problem ? `pages cannot be delivered: ${this.webhook.problem}` : '';
    this.lines.draw(this.watched, this.latch.standing, [this.connection, problem].filter(Boolean).join('; '), now);
  }

  private look(now: number): void {
    const isJudged = (one: Condition): boolean => this.watched.isJudged(one);
    const transitions = this.latch.look(this.conditions(now), isJudged, formatTimestamp(now));
    if (transitions.length > 0) this.tell(transitions);
  }

  /** A silence says so when it is this watcher that hears nothing. */
  private conditions(now: number): Condition[] {
    const conditions = this.watched.conditions(now);
    if (this.connection === '') return conditions;
    const why = `; this watcher hears nobody: ${this.connection}`;
    return conditions.map((one) => (one.code === 'heartbeat.missing' ? { ...one, detail: one.detail + why } : one));
  }

  private tell(transitions: readonly Transition[]): void {
    this.lines.transitions(transitions);
    this.webhook?.page(transitions);
    this.save();
  }

  private save(): void {
    this.keptAt = this.context.now();
    const { state } = this.options;
    if (state === undefined) return;
    const unpaged = this.webhook?.unpaged ?? [];
    writeWatchState(state, { ...this.watched.memory, standing: this.latch.standing, unpaged });
  }

  private isDone(): boolean {
    const { once, for: seconds, period } = this.options;
    if (this.context.signal.aborted) return true;
    const passed = this.context.now() - this.begun;
    if (seconds !== undefined) return passed >= seconds * 1_000;
    if (!once) return false;
    return this.watched.isWhole || passed > MISSED_PERIODS * period * 1_000 + TICK_MS;
  }

  private async end(): Promise<ExitCode> {
    this.look(this.context.now());
    await this.webhook?.end(LAST_PAGE_MS);
    this.save();
    const { standing } = this.latch;
    const unpaged = this.webhook?.unpaged.length ?? 0;
    if (unpaged > 0) this.lines.note(`${unpaged} pages were not delivered: ${this.webhook!.problem}`);
    this.lines.end(standing, this.watched.isWhole);
    if (standing.length > 0) return EXIT.raised;
    return this.watched.isWhole && unpaged === 0 ? EXIT.ok : EXIT.unavailable;
  }

  private async pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TICK_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Until there is a connection; it then comes back by itself. What is wrong with files ends the watch. */
  private async connect(): Promise<void> {
    while (!this.isOver && !this.context.signal.aborted) {
      try {
        const link = await connectAsOps(this.settings);
        if (this.isOver) return await link.close();
        return this.subscribe(link);
      } catch (error) {
        if (!(error instanceof MessagingError)) return this.fail(error);
        this.connection = explain(error).message;
        this.lines.note(this.connection);
        await new Promise((resolve) => setTimeout(resolve, CONNECT_AGAIN_MS));
      }
    }
  }

  private fail(error: unknown): void {
    this.fault = error instanceof Error ? error : new Error(String(error));
    this.wake();
  }

  private subscribe(link: NatsLink): void {
    const onFault = (error: Error): void => this.fail(error);
    const on = (subject: string, take: (subject: string, data: Buffer) => void): void => {
      listen(link, subject, {
        onMessage: ({ subject: from, data }) => take(from, Buffer.from(data)),
        onFault,
      });
    };
    on(heartbeatSubject('*', '*'), (subject, data) => this.heartbeat(subject, data));
    for (const { trust } of this.watched.ledgers) {
      on(announceSubject(trust.ledger), (_, data) => this.announcement(trust.origin, data));
    }
    on(liveAlertSubject('*', '*.*'), (subject, data) => {
      this.alert(subject, data, '');
      this.read(); // the numbers before it stand in the stream, if they are not missing
    });
    link.listen({
      disconnected: () => (this.connection = 'not connected to NATS'),
      reconnected: () => {
        this.connection = '';
        this.read();
      },
    });
    this.stored = new StoredAlerts(link);
    this.link = link;
    this.connection = '';
    this.read();
  }

  private heartbeat(subject: string, data: Buffer): void {
    const [, , service = '', name = ''] = subject.split('.');
    const now = this.context.now();
    const { ledger, ...heard } = this.watched.heartbeat(service, name, data, now);
    this.lines.observed({ observed: 'heartbeat', service, name, ledger, ...heard }, formatTimestamp(now));
    this.wake();
  }

  private announcement(origin: string, data: Buffer): void {
    const now = this.context.now();
    const ledger = this.watched.ledgers.find(({ trust }) => trust.origin === origin)!;
    const heard = ledger.announcement(data, now);
    this.lines.observed({ observed: 'announcement', ledger: origin, ...heard }, formatTimestamp(now));
  }

  private alert(subject: string, data: Buffer, stored: string): void {
    const alert = this.watched.alert(subject, data, stored);
    if (alert === null) return;
    const what = alert.verified
      ? { counts: true, source: alert.source, number: alert.number, code: alert.body.code, state: alert.body.state }
      : { counts: false, reason: alert.reason };
    this.lines.observed({ observed: 'alert', ...what }, formatTimestamp(this.context.now()));
  }

  /** What is stored: one reading at a time. */
  private read(): void {
    this.readAt = this.context.now();
    this.reading ??= this.readStored().finally(() => {
      this.reading = null;
      this.wake();
    });
  }

  private async readStored(): Promise<void> {
    const { link, stored } = this;
    if (link === null || stored === null) return;
    try {
      const announcements = new StreamReader(link, ANNOUNCEMENTS);
      for (const { trust } of this.watched.ledgers) {
        const newest = await announcements.lastBySubject(announceSubject(trust.ledger));
        if (newest) this.announcement(trust.origin, newest.data);
      }
      for await (const { subject, data, time } of stored.unread()) this.alert(subject, data, time);
      this.watched.alertsRead(stored.hasFirst, this.context.now());
    } catch (error) {
      if (!(error instanceof MessagingError)) return this.fail(error);
      this.lines.note(`what is stored cannot be read now: ${explain(error).message}`);
    }
  }
}
