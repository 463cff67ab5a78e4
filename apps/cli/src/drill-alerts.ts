/**
 * The alerts of an installation as a drill follows them: from the stream, each signature checked (alert-history.ts), each
 * kept as the message it came in, so that the evidence can be checked again without us.
 */
import type { NatsLink } from '@everseal/messaging';
import { AlertHistory, type VerifiedAlert } from './alert-history.js';
import type { CliSettings } from './config.js';
import { readAlertKeys, StoredAlerts } from './read-alerts.js';

/** An alert that came while the drill ran. */
export interface CameAlert {
  readonly alert: VerifiedAlert;
  /** The exact message: alert and note. */
  readonly message: Buffer;
  /** When it was read here, by performance.now(). */
  readonly at: number;
}

export class DrillAlerts {
  private readonly history: AlertHistory;
  private readonly stored: StoredAlerts;
  /** Everything verified, in the order of the stream. */
  readonly came: CameAlert[] = [];

  /** @throws CliFailure without the keys that alerts are checked with */
  constructor(settings: CliSettings, link: NatsLink) {
    this.history = new AlertHistory(readAlertKeys(settings));
    this.stored = new StoredAlerts(link);
  }

  /** Takes what is new. @throws MessagingError */
  async read(): Promise<void> {
    for await (const { subject, data, time } of this.stored.unread()) {
      const alert = this.history.take(subject, data, time);
      if (alert?.verified) this.came.push({ alert, message: Buffer.from(data), at: performance.now() });
    }
  }

  /** What is open about one of these ledgers (or the domain, for what is the whole database's). */
  openAbout(ledgers: readonly string[]): VerifiedAlert[] {
    return this.history.standing.filter(({ body }) => ledgers.includes(body.ledger));
  }

  isOpen(alert: VerifiedAlert): boolean {
    return this.history.isOpen(alert);
  }

  /** Messages that no known key signed; they count for nothing. */
  get unverified(): number {
    return this.history.unverified;
  }
}
