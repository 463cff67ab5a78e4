/**
 * What a COMMIT of this session is worth. Asked through the pool of the service itself, because `synchronous_commit`
 * may be set for a role or a database: what counts is what our own session got.
 */
import type { Pool } from 'pg';
import { StoreError } from './store-error.js';
import { onConnection } from './transaction.js';

export interface Durability {
  fsync: string;
  full_page_writes: string;
  synchronous_commit: string;
}

/** `remote_apply` waits for more than `on` does; `local` and `remote_write` for less. */
const ACCEPTED: Record<keyof Durability, readonly string[]> = {
  fsync: ['on'],
  full_page_writes: ['on'],
  synchronous_commit: ['on', 'remote_apply'],
};

/** The settings as this pool's sessions see them. */
export async function readDurability(pool: Pool): Promise<Durability> {
  return onConnection(pool, 'reading the durability settings', async (client) => {
    const { rows } = await client.query<Durability>(
      `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
              current_setting('synchronous_commit') AS synchronous_commit`,
    );
    return rows[0]!;
  });
}

/** @throws StoreError store.not-durable naming every setting that would lose acknowledged blocks in a power failure */
export async function assertDurable(pool: Pool): Promise<void> {
  const found = await readDurability(pool);
  const wrong = Object.entries(ACCEPTED)
    .filter(([name, accepted]) => !accepted.includes(found[name as keyof Durability]))
    .map(([name, accepted]) => `${name} is ${found[name as keyof Durability]}, must be ${accepted.join(' or ')}`);
  if (wrong.length > 0) {
    throw new StoreError(
      'store.not-durable',
      `Postgres would lose sealed blocks in a power failure: ${wrong.join('; ')}. Look for it in postgresql.conf, ` +
        'ALTER SYSTEM, ALTER DATABASE and ALTER ROLE',
    );
  }
}
