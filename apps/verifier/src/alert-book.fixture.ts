/** An alert book in a folder of its own, and what it sent: for specs of whoever raises alerts. */
import path from 'node:path';
import { alertKeyName, NOTE_KEY, openAlert, sha256, SigningKey } from '@everseal/audit-core';
import { AlertBook } from '@everseal/process';
import { temporaryFolder } from '@everseal/testing';

const SOURCE = 'audit.example.com/verifier/v1';
const KEY = SigningKey.fromSeed(
  alertKeyName('audit.example.com', 'verifier', 'v1'),
  sha256(Buffer.from('alerts of v1')),
  NOTE_KEY,
);

/** An alert as it was sent, as far as specs look at it. */
export interface SentAlert {
  readonly number: number;
  readonly code: string;
  readonly state: 'raised' | 'cleared';
  readonly ledger: string;
  readonly detail: string;
  readonly expected: string | null;
  readonly found: string | null;
  readonly evidence: Record<string, string>;
  readonly clears?: number;
}

export class SpecBook {
  private readonly folder = temporaryFolder('alerts');
  private readonly messages: Buffer[] = [];
  book = this.reopened();

  /** As after a restart of the process. */
  reopen(): AlertBook {
    this.book = this.reopened();
    return this.book;
  }

  /** Codes of the alerts that stand. */
  get open(): string[] {
    return this.book.open.map(({ code }) => code);
  }

  async sent(): Promise<SentAlert[]> {
    await this.book.flush();
    return this.messages.map((message) => JSON.parse(openAlert(message, [KEY.verifier]).json.toString()) as SentAlert);
  }

  /** The newest alert that was raised. */
  async lastRaised(): Promise<SentAlert> {
    return (await this.sent()).findLast(({ state }) => state === 'raised')!;
  }

  remove(): void {
    this.folder.remove();
  }

  private reopened(): AlertBook {
    return new AlertBook(path.join(this.folder.path, 'alerts.json'), SOURCE, KEY, Date.now, (_, message) => {
      this.messages.push(message);
      return Promise.resolve(true);
    });
  }
}
