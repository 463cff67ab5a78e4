/**
 * Watches from outside how long the verifier takes to judge what was sealed: the size of the log in the head row, and how
 * many entries the verifier says it has derived. Polled, so a figure is up to POLL_MS too large.
 */

import pg from 'pg';
import { percentile } from './figures.js';
import { metric, type MetricsLogin } from './metrics.js';

const POLL_MS = 50;

interface Step {
  readonly size: number;
  /** performance.now() when it was first seen. */
  readonly at: number;
}

export class TailWatch {
  private readonly sealed: Step[] = [];
  private readonly derived: Step[] = [];
  private stopped = false;
  private polling: Promise<unknown>;

  private constructor(
    private readonly client: pg.Client,
    private readonly login: MetricsLogin,
    private readonly origin: string,
  ) {
    this.polling = Promise.all([this.poll(this.sealed, () => this.head()), this.poll(this.derived, () => this.tail())]);
  }

  static async open(database: pg.ClientConfig, login: MetricsLogin, origin: string): Promise<TailWatch> {
    const client = new pg.Client(database);
    await client.connect();
    return new TailWatch(client, login, origin);
  }

  /** Ends the watch. @returns p99 of the time from a block's commit to its derivation, ms, over the blocks that were seen */
  async stop(): Promise<number> {
    this.stopped = true;
    await this.polling;
    await this.client.end();
    const waits = this.sealed.flatMap(({ size, at }) => {
      const reached = this.derived.find((step) => step.size >= size);
      return reached ? [reached.at - at] : [];
    });
    return percentile(waits, 0.99);
  }

  private async poll(steps: Step[], read: () => Promise<number>): Promise<void> {
    while (!this.stopped) {
      const size = await read();
      if (size > (steps.at(-1)?.size ?? -1)) steps.push({ size, at: performance.now() });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  private async head(): Promise<number> {
    const { rows } = await this.client.query<{ size: string }>({
      name: 'size',
      text: 'SELECT size FROM everseal.ledger_head JOIN everseal.ledger USING (ledger_id) WHERE origin = $1',
      values: [this.origin],
    });
    return Number(rows[0]?.size ?? 0);
  }

  private tail(): Promise<number> {
    return metric(this.login, 'everseal_tail_entries', `ledger="${this.origin}"`);
  }
}
