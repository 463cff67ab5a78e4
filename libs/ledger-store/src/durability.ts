/**
 * What a COMMIT of this database is worth. Asked through the pool of the service itself, because `synchronous_commit`
 * may be set for a role or a database: what counts for a service is what its own session got. A verifier asks for the
 * others, too: pg_db_role_setting says what a session of any role will get.
 */
import type { Pool } from 'pg';
import {
  durabilityProblems,
  DURABILITY_SETTINGS,
  SEALING_SETTINGS,
  type DurabilityFact,
} from './durability-problems.js';
import { StoreError } from './store-error.js';
import { onConnection } from './transaction.js';

/** A value that the session's own role has is neither the server's nor what other roles get. */
const OWN_SESSION = `SELECT name AS setting, 'the server' AS of, setting AS value, source IN ('user', 'database user') AS masked
  FROM pg_catalog.pg_settings WHERE name = ANY ($1) ORDER BY name`;

const ROLES_AND_DATABASES = `SELECT split_part(assignment, '=', 1) AS setting, substr(assignment, strpos(assignment, '=') + 1) AS value,
    concat_ws(' in ', 'role ' || (SELECT rolname FROM pg_catalog.pg_roles r WHERE r.oid = setrole), 'database ' || datname) AS of
  FROM pg_catalog.pg_db_role_setting CROSS JOIN unnest(setconfig) AS assignment
    LEFT JOIN pg_catalog.pg_database d ON d.oid = setdatabase
  WHERE split_part(assignment, '=', 1) = ANY ($1) AND (setdatabase = 0 OR datname = current_database()) ORDER BY 3, 1`;

/** Everything that is set about durability: for our own session, and for roles and databases beside it. @throws StoreError */
export async function readDurability(pool: Pool): Promise<DurabilityFact[]> {
  return onConnection(pool, 'reading the durability settings', async (client) => {
    const own = await client.query<DurabilityFact>(OWN_SESSION, [DURABILITY_SETTINGS]);
    const others = await client.query<DurabilityFact>(ROLES_AND_DATABASES, [DURABILITY_SETTINGS]);
    return [...own.rows, ...others.rows];
  });
}

/** @throws StoreError store.not-durable naming every setting that would lose acknowledged blocks in a power failure */
export async function assertDurable(pool: Pool): Promise<void> {
  const own = (await readDurability(pool)).filter(({ of }) => of === 'the server');
  const ours = own.map(({ setting, of, value }) => ({ setting, of, value }));
  const wrong = durabilityProblems(ours, SEALING_SETTINGS);
  if (wrong.length > 0) {
    throw new StoreError(
      'store.not-durable',
      `Postgres would lose sealed blocks in a power failure: ${wrong.map(({ detail }) => detail).join('; ')}. Look for it in postgresql.conf, ` +
        'ALTER SYSTEM, ALTER DATABASE and ALTER ROLE',
    );
  }
}
