/**
 * Watches from outside how far a frame has come: sealed when its row is committed (polled on a read-only connection),
 * cosigned when an announcement with a cosignature covers it (live, as ops sees it).
 */

import { parseAnnouncement, parseNote } from '@everseal/audit-core';
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';

const POLL_MS = 10;

interface Step {
  /** Frames up to this number had come so far at this time (performance.now). */
  readonly frame: number;
  readonly at: number;
}

export class SealWatch {
  readonly sealed: Step[] = [];
  readonly cosigned: Step[] = [];
  private stopped = false;
  private polling: Promise<void>;

  private constructor(
    private readonly client: pg.Client,
    private readonly nc: NatsConnection,
    private readonly ledger: string,
    private readonly ingester: string,
  ) {
    nc.subscribe(`audit.announce.${ledger}`, { callback: (_error, message) => this.announced(message.data) });
    this.polling = this.poll();
  }

  static async open(
    database: pg.ClientConfig,
    login: ConnectionOptions,
    ledger: string,
    ingester: string,
  ): Promise<SealWatch> {
    const client = new pg.Client(database);
    await client.connect();
    return new SealWatch(client, await connect(login), ledger, ingester);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.polling;
    await this.client.end();
    await this.nc.close();
  }

  /** Resolves once the frame is sealed; false when it is not within the bound. */
  async untilSealed(frame: number, withinMs: number): Promise<boolean> {
    return this.until(this.sealed, frame, withinMs);
  }

  async untilCosigned(frame: number, withinMs: number): Promise<boolean> {
    return this.until(this.cosigned, frame, withinMs);
  }

  private async until(steps: readonly Step[], frame: number, withinMs: number): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while ((steps.at(-1)?.frame ?? 0) < frame) {
      if (performance.now() > deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  }

  private announced(data: Uint8Array): void {
    const { checkpoint, heads } = parseAnnouncement(data);
    if (parseNote(checkpoint).signatures.length < 2) return;
    const head = heads.find(({ ingester }) => ingester === this.ingester);
    if (head) this.cosigned.push({ frame: head.number, at: performance.now() });
  }

  private async poll(): Promise<void> {
    const query = {
      name: 'head',
      text: `SELECT max(number) AS number FROM everseal.frame WHERE ingester = $1 AND position IS NOT NULL
             AND ledger_id = (SELECT ledger_id FROM everseal.ledger WHERE split_part(origin, '/', 2) = $2)`,
      values: [this.ingester, this.ledger],
    };
    while (!this.stopped) {
      const { rows } = await this.client.query<{ number: string | null }>(query);
      const frame = Number(rows[0]?.number ?? 0);
      if (frame > (this.sealed.at(-1)?.frame ?? 0)) this.sealed.push({ frame, at: performance.now() });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** When a frame had come so far; NaN when it never did. */
export function reachedAt(steps: readonly Step[], frame: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle]!.frame >= frame) high = middle;
    else low = middle + 1;
  }
  return steps[low]?.at ?? Number.NaN;
}
