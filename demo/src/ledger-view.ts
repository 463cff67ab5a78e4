/** How far the ledger is, as an outsider with read rights sees it: events in the index, and the newest announcement. */

import { parseAnnouncement, parseCheckpointText, parseNote } from '@everseal/audit-core';
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';

const OF_LEDGER = `ledger_id = (SELECT ledger_id FROM everseal.ledger WHERE split_part(origin, '/', 2) = $1)`;

export class LedgerView {
  private cosignedSize = 0;

  private constructor(
    private readonly client: pg.Client,
    private readonly nc: NatsConnection,
    private readonly ledger: string,
  ) {
    nc.subscribe(`audit.announce.${ledger}`, {
      callback: (_error, message) => {
        const { text, signatures } = parseNote(parseAnnouncement(message.data).checkpoint);
        if (signatures.length > 1) this.cosignedSize = parseCheckpointText(text).size;
      },
    });
  }

  static async open(database: pg.ClientConfig, nats: ConnectionOptions, ledger: string): Promise<LedgerView> {
    const client = new pg.Client(database);
    await client.connect();
    client.on('error', () => undefined); // it ends with the installation; a query that needs it says so itself
    return new LedgerView(client, await connect(nats), ledger);
  }

  /** Waits until so many events are sealed and indexed; returns how many there are. */
  waitForEvents(count: number, withinMs: number): Promise<number> {
    return until(withinMs, `${count} events were not sealed`, async () => {
      const all = `SELECT count(*) FROM everseal.event_index WHERE ${OF_LEDGER}`;
      const { rows } = await this.client.query<{ count: string }>(all, [this.ledger]);
      return Number(rows[0]!.count) >= count ? Number(rows[0]!.count) : null;
    });
  }

  /** Waits until a cosigned checkpoint covers everything that is sealed now; says its size and its events. */
  async waitForCosigned(withinMs: number): Promise<{ size: number; events: number }> {
    const last = `SELECT max(position) AS position, count(*) FROM everseal.event_index WHERE ${OF_LEDGER}`;
    const { rows } = await this.client.query<{ position: string; count: string }>(last, [this.ledger]);
    const size = await until(withinMs, 'no cosigned checkpoint covers the events', () =>
      Promise.resolve(this.cosignedSize > Number(rows[0]!.position) ? this.cosignedSize : null),
    );
    return { size, events: Number(rows[0]!.count) };
  }

  async close(): Promise<void> {
    await this.client.end();
    await this.nc.close();
  }
}

async function until<T>(withinMs: number, failure: string, look: () => Promise<T | null>): Promise<T> {
  for (const deadline = Date.now() + withinMs; ;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > deadline) throw new Error(`${failure} within ${withinMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
