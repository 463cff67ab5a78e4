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

/** Where a session's value comes from when it is set for a role or a database (pg_settings.source). */
const FOR_ROLE = "('user', 'database user')";
const FOR_ALL = "('global', 'database')";

const OF_SESSION = `SELECT name AS setting, 'this session' AS of, setting AS value FROM pg_catalog.pg_settings
  WHERE name = ANY ($1) ORDER BY name`;

/** Without what a role or a database is set to: that is read for itself. */
const OF_SERVER = `SELECT name AS setting, 'the server' AS of, setting AS value, source IN ${FOR_ROLE} AS masked
  FROM pg_catalog.pg_settings WHERE name = ANY ($1) AND source NOT IN ${FOR_ALL} ORDER BY name`;

const ROLES_AND_DATABASES = `SELECT split_part(assignment, '=', 1) AS setting, substr(assignment, strpos(assignment, '=') + 1) AS value,
    concat_ws(' in ', coalesce('role ' || (SELECT rolname FROM pg_catalog.pg_roles r WHERE r.oid = setrole), 'every role'),
      'database ' || datname) AS of
  FROM pg_catalog.pg_db_role_setting CROSS JOIN unnest(setconfig) AS assignment
    LEFT JOIN pg_catalog.pg_database d ON d.oid = setdatabase
  WHERE split_part(assignment, '=', 1) = ANY ($1) AND (setdatabase = 0 OR datname = current_database()) ORDER BY 3, 1`;

/** Everything that is set about durability: for the server, and for roles and databases beside it. @throws StoreError */
export async function readDurability(pool: Pool): Promise<DurabilityFact[]> {
  return onConnection(pool, 'reading the durability settings', async (client) => {
    const server = await client.query<DurabilityFact>(OF_SERVER, [DURABILITY_SETTINGS]);
    const others = await client.query<DurabilityFact>(ROLES_AND_DATABASES, [DURABILITY_SETTINGS]);
    return [...server.rows, ...others.rows];
  });
}

/** @throws StoreError store.not-durable naming every setting that would lose acknowledged blocks in a power failure */
export async function assertDurable(pool: Pool): Promise<void> {
  const session = await onConnection(pool, 'reading the durability settings', async (client) => {
    const { rows } = await client.query<DurabilityFact>(OF_SESSION, [SEALING_SETTINGS]);
    return rows;
  });
  const wrong = durabilityProblems(session).map(({ detail }) => detail);
  if (wrong.length > 0) {
    throw new StoreError(
      'store.not-durable',
      `Postgres would lose sealed blocks in a power failure: ${wrong.join('; ')}. Look for it in postgresql.conf, ` +
        'ALTER SYSTEM, ALTER DATABASE and ALTER ROLE',
    );
  }
}
