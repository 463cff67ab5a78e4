/** What the database of a stage says, asked as superuser: how far sealing is, and who seals. While Postgres is away it says nothing. */
import { type LocalInstallation, waitUntil } from '@everseal/local';
import pg from 'pg';

export class StageDatabase {
  /** @param withinMs how long a holder is waited for */
  constructor(
    private readonly installation: LocalInstallation,
    private readonly withinMs: number,
  ) {}

  /** The sealer with the lease, by id. */
  async holder(): Promise<string> {
    return waitUntil(async () => (await this.head()).holder || undefined, {
      what: 'a sealer with the lease',
      timeoutMs: this.withinMs,
    }).then((name) => `sealer-${name}`);
  }

  async head(): Promise<{ holder: string; fence: number; height: number; size: number }> {
    const query = `SELECT coalesce(holder, '') AS holder, fence, height, size FROM everseal.ledger_head`;
    const rows = await this.rows<{ holder: string; fence: string; height: string; size: string }>(query);
    const { holder = '', fence = 0, height = -1, size = 0 } = rows[0] ?? {};
    return { holder, fence: Number(fence), height: Number(height), size: Number(size) };
  }

  /** Size of the largest cosigned checkpoint. */
  async cosigned(): Promise<number> {
    const rows = await this.rows<{ size: string | null }>('SELECT max(size) AS size FROM everseal.cosignature');
    return Number(rows[0]?.size ?? 0);
  }

  /** Of the newest sealed frame. */
  async sealedFrame(): Promise<number> {
    const query = 'SELECT max(number) AS number FROM everseal.frame WHERE position IS NOT NULL';
    const rows = await this.rows<{ number: string | null }>(query);
    return Number(rows[0]?.number ?? 0);
  }

  /** As superuser; no rows while Postgres is away. */
  async rows<T extends pg.QueryResultRow>(query: string): Promise<T[]> {
    const client = new pg.Client({
      ...(await this.installation.logins.superuser()),
      connectionTimeoutMillis: 5_000,
      query_timeout: 10_000,
    });
    client.on('error', () => {}); // a connection that is cut gives no rows, as below
    try {
      await client.connect();
    } catch {
      return [];
    }
    try {
      return (await client.query<T>(query)).rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError && !error.code?.startsWith('57')) throw error;
      return [];
    } finally {
      await client.end().catch(() => {});
    }
  }
}
