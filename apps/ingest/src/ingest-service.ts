/**
 * One ingest process: a connection, an intake for each of its ledgers, and what they share: the broker's proof of durability,
 * the clock, heartbeats and alerts.
 *
 * Ending: `stop` is called once, by the module's shutdown hook. A failure that must end the process goes to `onStop`, after
 * the alert it deserves has had two seconds to leave (it is on the disk before that).
 */
import { mkdirSync } from 'node:fs';
import { originOf, type SigningKey } from '@everseal/audit-core';
import { askDurability, type NatsLink } from '@everseal/messaging';
import { identityOf, type Policy } from '@everseal/policy';
import {
  type AlertBook,
  codeOf,
  Loop,
  RetryLater,
  type Condition,
  type Health,
  type KeyFile,
  type Logger,
} from '@everseal/process';
import { openAlertBook, type SystemLedger } from '@everseal/system-ledger';
import { durabilityProblem } from './broker-check.js';
import { ClockGuard } from './clock-guard.js';
import type { IngestSettings } from './config.js';
import type { Conflict } from './duplicates.js';
import { beat, HEARTBEAT_EVERY_MS } from './heartbeat.js';
import type { IngestMetrics } from './ingest-metrics.js';
import { LedgerIntake } from './ledger-intake.js';
import type { ServedLedger } from './served-ledgers.js';

export type IngestOptions = {
  readonly settings: IngestSettings;
  readonly policy: Policy;
  /** The ledgers of this ingester, with their files. */
  readonly ledgers: readonly ServedLedger[];
  readonly keys: KeyFile;
  readonly alertKey: SigningKey;
  /** Where alerts are sealed, too; null without a system ledger. */
  readonly systemLedger: SystemLedger | null;
  readonly link: NatsLink;
  readonly now: () => number;
  readonly health: Health;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  readonly onStop: (error: Error) => void;
};

const BROKER_EVERY_MS = 10_000;
const BROKER_WITHIN_MS = 60_000;
const DRAIN_MS = 5_000;
const ALERT_MS = 2_000;
/** Replies to requests from other accounts are the broker's own subjects. */
const CROSS_ACCOUNT_REPLY = '_R_.';

export class IngestService {
  private readonly intakes: LedgerIntake[];
  private readonly alerts: AlertBook;
  private readonly broker: Condition[];
  /** The broker of the present connection has proven that it syncs. */
  private isBrokerProven = false;
  private readonly loops: Loop[] = [];
  private isEnding = false;

  /** Opens the spools. @throws StopProcess */
  constructor(private readonly options: IngestOptions) {
    const { settings, policy, alertKey, link, now, health } = options;
    mkdirSync(settings.spoolDir, { recursive: true, mode: 0o700 });
    const { name, spoolDir: folder } = settings;
    const { systemLedger, onStop: onFault } = options;
    const book = { policy, name, key: alertKey, folder, link, systemLedger, now, onFault };
    this.alerts = openAlertBook({ ...book, service: 'ingest' });
    const shared = health.condition('broker', 'the broker is not checked yet');
    this.intakes = options.ledgers.map((entry) => this.newIntake(entry));
    this.broker = this.intakes.map((intake) => intake.gate.joined('broker', shared));
    const spools = new Map(this.intakes.map((intake, i) => [options.ledgers[i]?.ledger.name ?? '', intake.spool]));
    options.metrics.watchSpools(spools, now);
    const takeOvers = this.intakes.flatMap((intake, i) => (intake.takeOver ? [[i, intake.takeOver] as const] : []));
    options.metrics.watchTakeOvers(
      new Map(takeOvers.map(([i, takeOver]) => [options.ledgers[i]!.ledger.name, takeOver])),
    );
  }

  start(): void {
    const { link } = this.options;
    link.listen({
      disconnected: () => this.brokerIs('not connected to NATS'),
      reconnected: () => {
        for (const loop of this.loops) loop.wake();
        for (const intake of this.intakes) intake.lookAgain();
        this.alerts.flushSoon();
      },
    });
    this.loops.push(this.brokerLoop(), this.heartbeatLoop());
    for (const intake of this.intakes) intake.start();
    this.options.systemLedger?.start();
    this.alerts.flushSoon();
  }

  async stop(): Promise<void> {
    const { link, settings } = this.options;
    await this.options.systemLedger?.stop();
    await Promise.all(this.intakes.map((intake) => intake.stop(DRAIN_MS)));
    await Promise.all(this.loops.map((loop) => loop.stop()));
    await beat(link, settings.name, this.intakes, this.options.now).catch(() => undefined);
    await link.close();
  }

  private newIntake({ ledger, genesisFile, continues }: ServedLedger): LedgerIntake {
    const { settings, policy, keys, link, now, health, metrics, logger } = this.options;
    return new LedgerIntake({
      policy,
      ledger,
      ingester: settings.name,
      keys,
      spoolDir: settings.spoolDir,
      genesisFile,
      continues,
      replyPrefixes: [CROSS_ACCOUNT_REPLY, ...ownReplies(policy, settings.name, ledger.name)],
      limits: settings.limits,
      link,
      clock: new ClockGuard(now, () => performance.now(), settings.limits.clockSkewMs),
      now,
      health,
      metrics,
      logger,
      proveBroker: () => this.proveBroker(),
      isBrokerProven: () => this.isBrokerProven,
      onConflict: (name, producer, conflict) => this.tellConflict(name, producer, conflict),
      onStop: (error) => void this.end(ledger.name, error),
    });
  }

  private brokerLoop(): Loop {
    const { health, logger } = this.options;
    return Loop.run({
      name: 'broker',
      body: async () => {
        await this.askBroker();
        return BROKER_EVERY_MS;
      },
      pulse: health.pulse('broker', BROKER_WITHIN_MS),
      within: BROKER_WITHIN_MS,
      logger,
      onStop: this.options.onStop,
    });
  }

  private heartbeatLoop(): Loop {
    const { link, health, logger, settings } = this.options;
    return Loop.run({
      name: 'heartbeat',
      body: async () => {
        await beat(link, settings.name, this.intakes, this.options.now);
        this.alerts.flushSoon();
        return HEARTBEAT_EVERY_MS;
      },
      pulse: health.pulse('heartbeat', BROKER_WITHIN_MS),
      within: BROKER_WITHIN_MS,
      logger,
      onStop: this.options.onStop,
    });
  }

  /** @returns why its PubAck is worth nothing, null when it is. @throws MessagingError */
  private async askBroker(): Promise<string | null> {
    const { link } = this.options;
    try {
      const problem = durabilityProblem(link, await askDurability(link));
      this.brokerIs(problem);
      return problem;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.brokerIs(`the broker does not say whether it syncs: ${why}`);
      throw error;
    }
  }

  private async proveBroker(): Promise<void> {
    const problem = await this.askBroker();
    if (problem !== null) throw new RetryLater('broker.unproven', problem);
  }

  private brokerIs(problem: string | null): void {
    this.isBrokerProven = problem === null;
    for (const condition of this.broker) {
      if (problem === null) condition.ok();
      else condition.fail(problem);
    }
  }

  /** Latched: one alert a ledger until an operator acknowledges it, however many conflicts; the log has each with both hashes. */
  private tellConflict(ledger: string, producer: string, conflict: Conflict): void {
    const detail = `producer ${producer} sent an accepted id again with other bytes; the request was refused`;
    const finding = { code: 'event.conflict' as const, index: null, height: null, detail };
    const evidence = { known: conflict.known, sent: conflict.sent };
    const origin = originOf(this.options.policy.domain, ledger);
    try {
      const context = { ledger: origin, eventId: conflict.event.id, evidence, stands: true as const };
      this.alerts.raise(`conflicts of ${ledger}`, finding, context);
    } catch (err) {
      // The request is refused and logged all the same.
      this.options.logger.error({ err }, 'an alert could not be written to the disk');
    }
  }

  private async end(ledger: string, error: Error): Promise<void> {
    if (this.isEnding) return;
    this.isEnding = true;
    if (codeOf(error) === 'custody.conflict') {
      const finding = { code: 'custody.conflict' as const, index: null, height: null, detail: error.message };
      const origin = originOf(this.options.policy.domain, ledger);
      this.alerts.raise(`custody of ${ledger}`, finding, { ledger: origin, stands: true });
      await Promise.race([this.alerts.flush(), new Promise((resolve) => setTimeout(resolve, ALERT_MS))]);
    }
    this.options.onStop(error);
  }
}

/**
 * Inboxes of the account that ingesters share, as reply subjects. In the system ledger an ingester is a producer, too, and
 * any of them may get its request; elsewhere nobody of this account submits, and the own inbox is enough.
 */
function ownReplies(policy: Policy, ingester: string, ledger: string): string[] {
  const askers = ledger === policy.systemLedger ? policy.ingest.map(({ name }) => name) : [ingester];
  return askers.map((name) => `${identityOf(policy.domain, 'ingest', name).inboxPrefix}.`);
}
