/** The stored alerts of an installation, read again and again without starting a tool each time. Every signature is checked. */
import { readFileSync } from 'node:fs';
import { openAlert, parseVkey, type VerifierKey } from '@everseal/audit-core';
import type { LocalInstallation } from '@everseal/local';
import { type NatsLink, StreamReader } from '@everseal/messaging';
import { ALERTS } from '@everseal/policy';

export interface LoggedAlert {
  readonly source: string;
  readonly number: number;
  readonly code: string;
  readonly state: 'raised' | 'cleared';
  readonly detail: string;
  /** Number of the alert that this one clears. */
  readonly clears?: number | null;
  /** Only an acknowledgement clears it. */
  readonly stands?: boolean;
}

const BATCH = { maxMessages: 256, maxBytes: 4 * 1024 * 1024, timeoutMs: 2_000 };

export class AlertLog {
  readonly all: LoggedAlert[] = [];
  /** What is no alert of ours, and numbers that are missing. */
  readonly problems: string[] = [];
  private readonly newest = new Map<string, number>();
  private next = 1;

  private readonly reader: StreamReader;
  private readonly keys: readonly VerifierKey[];

  /** @param link of ops */
  constructor(installation: LocalInstallation, link: NatsLink) {
    this.reader = new StreamReader(link, ALERTS, { timeoutMs: BATCH.timeoutMs });
    this.keys = readFileSync(installation.keys.alertKeys(), 'utf8').trim().split('\n').map(parseVkey);
  }

  /** Takes in what is new. @returns false while the broker does not answer */
  async read(): Promise<boolean> {
    try {
      const { lastSequence } = await this.reader.info();
      while (this.next <= lastSequence) {
        const batch = await this.reader.readFrom(this.next, BATCH);
        if (batch.length === 0) return true;
        for (const { data } of batch) this.take(data);
        this.next = batch.at(-1)!.sequence + 1;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** What was raised and not cleared since. */
  get open(): LoggedAlert[] {
    const cleared = new Set(this.all.map(({ source, clears }) => `${source} ${clears}`));
    return this.all.filter(({ state, source, number }) => state === 'raised' && !cleared.has(`${source} ${number}`));
  }

  private take(message: Uint8Array): void {
    try {
      const alert = JSON.parse(openAlert(message, this.keys).json.toString()) as LoggedAlert;
      const newest = this.newest.get(alert.source) ?? 0;
      if (alert.number <= newest) return; // sent again after a lost answer or a crash
      if (alert.number !== newest + 1) this.problems.push(`alert ${alert.number} of ${alert.source} follows ${newest}`);
      this.newest.set(alert.source, alert.number);
      this.all.push(alert);
    } catch (error) {
      this.problems.push(String(error));
    }
  }
}
