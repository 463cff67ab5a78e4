/** The database's clock: the second opinion on time that a sealer asks for before it stamps a block. */
import type { Pool } from 'pg';
import { onConnection } from '../transaction.js';

/** Milliseconds since 1970, UTC. */
export async function databaseTime(pool: Pool): Promise<number> {
  return onConnection(pool, 'reading the clock of Postgres', async (client) => {
    const { rows } = await client.query<{ now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
    );
    return rows[0]!.now;
  });
}
