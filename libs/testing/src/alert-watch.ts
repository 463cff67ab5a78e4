/**
 * The alerts of an installation as an operator sees them, live: each is opened with the key of the service that raised it,
 * and numbers must be dense.
 */
import { readFileSync } from 'node:fs';
import { openAlert, parseVkey, type VerifierKey } from '@everseal/audit-core';
import { waitUntil, type LocalInstallation } from '@everseal/local';
import { liveAlertSubject } from '@everseal/policy';
import { connect, type NatsConnection } from '@nats-io/transport-node';

/** An alert's JSON, as far as tests look at it. */
export interface SeenAlert {
  readonly source: string;
  readonly number: number;
  readonly code: string;
  readonly state: 'raised' | 'cleared';
  readonly detail?: string;
  readonly first?: { index: number | null; height: number | null; eventId: string | null };
  readonly lastGoodBlock?: number | null;
  readonly clears?: number;
}

export class AlertWatch {
  readonly seen: SeenAlert[] = [];
  /** Why something that came is no alert of ours; empty when all is well. */
  readonly problems: string[] = [];
  private readonly newest = new Map<string, number>();

  private constructor(
    private readonly nc: NatsConnection,
    private readonly keys: readonly VerifierKey[],
  ) {
    nc.subscribe(liveAlertSubject('*', '*.*'), {
      callback: (error, message) => (error ? void this.problems.push(error.message) : this.take(message.data)),
    });
  }

  static async open(installation: LocalInstallation): Promise<AlertWatch> {
    const keys = readFileSync(installation.keys.alertKeys(), 'utf8').trim().split('\n').map(parseVkey);
    const login = installation.logins.nats('ops', 'ops');
    const watch = new AlertWatch(await connect({ ...login, maxReconnectAttempts: -1, reconnectTimeWait: 250 }), keys);
    await watch.nc.flush();
    return watch;
  }

  close(): Promise<void> {
    return this.nc.close();
  }

  /** What was raised and not cleared since. */
  get open(): SeenAlert[] {
    const cleared = new Set(
      this.seen.filter(({ clears }) => clears).map(({ source, clears }) => `${source} ${clears}`),
    );
    return this.seen.filter(({ state, source, number }) => state === 'raised' && !cleared.has(`${source} ${number}`));
  }

  /** The alert with this code that stands; waits for it. */
  raised(code: string, timeoutMs: number): Promise<SeenAlert> {
    return waitUntil(() => this.open.find((alert) => alert.code === code), {
      what: `alert ${code} (open: ${this.open.map((alert) => alert.code).join(', ') || 'none'})`,
      timeoutMs,
    });
  }

  async allCleared(timeoutMs: number): Promise<void> {
    await waitUntil(() => this.open.length === 0, { what: 'every alert cleared', timeoutMs });
  }

  private take(message: Uint8Array): void {
    try {
      const alert = JSON.parse(openAlert(message, this.keys).json.toString()) as SeenAlert;
      const { source, number } = alert;
      const newest = this.newest.get(source);
      if (newest !== undefined && number <= newest) return; // sent again after a lost answer or a crash
      if (newest !== undefined && number !== newest + 1)
        this.problems.push(`alert ${number} of ${source} follows ${newest}`);
      this.newest.set(source, number);
      this.seen.push(alert);
    } catch (error) {
      this.problems.push(String(error));
    }
  }
}
