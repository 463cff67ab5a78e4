/**
 * Migrations. They run as everseal_migrator and act as everseal_owner (`role` in the start-up options), so that every
 * object belongs to a role that cannot log in. All pending migrations are one transaction, one migrator at a time.
 *
 * The connection is TypeORM's, loaded when there is something to migrate; services never go through it: their statements are
 * in sql/, one file a family.
 */
import { Client, type Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { LedgerTables1795392000001 } from './migrations/1795392000001-ledger-tables.js';
import { EventIndex1795392000002 } from './migrations/1795392000002-event-index.js';
import { AppendOnly1795392000003 } from './migrations/1795392000003-append-only.js';
import { Grants1795392000004 } from './migrations/1795392000004-grants.js';
import { HeadBounds1795392000005 } from './migrations/1795392000005-head-bounds.js';
import { connectionConfig, type DatabaseAddress } from './pool.js';
import { ALL_ROLES, OWNER_ROLE } from './roles.js';
import { asStoreError, StoreError } from './store-error.js';
import { onConnection } from './transaction.js';

const MIGRATIONS = [
  LedgerTables1795392000001,
  EventIndex1795392000002,
  AppendOnly1795392000003,
  Grants1795392000004,
  HeadBounds1795392000005,
] as const;

const NEWEST = MIGRATIONS[MIGRATIONS.length - 1]!.name;

/** Key of the advisory lock that keeps two migrators apart ("ever"). */
const MIGRATION_LOCK = 0x65766572;

/** A DataSource that knows the migrations; not connected yet. */
async function migrationSource(address: DatabaseAddress): Promise<DataSource> {
  const { DataSource } = await import('typeorm');
  const { ssl, sslnegotiation, ...config } = connectionConfig(address);
  return new DataSource({
    type: 'postgres',
    host: address.host,
    port: address.port,
    database: address.database,
    username: address.user,
    schema: 'everseal',
    migrations: [...MIGRATIONS],
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'all',
    synchronize: false,
    installExtensions: false,
    extra: {
      ...config,
      ssl,
      sslnegotiation,
      max: 1,
      application_name: 'everseal-migrate',
      options: `-c role=${OWNER_ROLE} -c search_path=everseal,pg_catalog -c lock_timeout=10000`,
    },
  });
}

/**
 * Brings the schema up to date; does nothing when it is.
 *
 * @param address with everseal_migrator (or a superuser) as user
 * @returns names of the migrations that ran, oldest first
 * @throws StoreError store.roles-missing, store.schema-differs when the installation did not prepare the database
 */
export async function migrate(address: DatabaseAddress): Promise<string[]> {
  // A connection of its own, not yet as the owner: it looks whether that is possible, and holds the lock to the end.
  const guard = new Client(connectionConfig(address));
  const source = await migrationSource(address);
  try {
    await guard.connect();
    await assertRoles(guard);
    await assertSchemaOwner(guard);
    await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await source.initialize();
    return (await source.runMigrations()).map(({ name }) => name);
  } catch (error) {
    throw asStoreError(error, `migrating database ${address.database}`);
  } finally {
    if (source.isInitialized) await source.destroy();
    await guard.end();
  }
}

async function assertRoles(guard: Client): Promise<void> {
  const { rows } = await guard.query<{ rolname: string }>('SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)', [
    ALL_ROLES,
  ]);
  const missing = ALL_ROLES.filter((role) => !rows.some(({ rolname }) => rolname === role));
  if (missing.length > 0) {
    throw new StoreError('store.roles-missing', `create these roles before migrating: ${missing.join(', ')}`);
  }
}

async function assertSchemaOwner(guard: Client): Promise<void> {
  const { rows } = await guard.query<{ owner: string }>(
    "SELECT nspowner::regrole::text AS owner FROM pg_namespace WHERE nspname = 'everseal'",
  );
  const owner = rows[0]?.owner;
  if (owner !== OWNER_ROLE) {
    const found = owner === undefined ? 'does not exist' : `belongs to ${owner}`;
    throw new StoreError(
      'store.schema-differs',
      `schema everseal ${found}: run the database set-up as a superuser first`,
    );
  }
}

/**
 * Every service asks this at start: a schema that is older or newer than this code is not worked on.
 *
 * @throws StoreError store.schema-differs
 */
export async function assertSchema(pool: Pool): Promise<void> {
  const found = await onConnection(pool, 'reading the schema version', async (client) => {
    const { rows } = await client.query<{ name: string }>('SELECT name FROM migration ORDER BY id DESC LIMIT 1');
    return rows[0]?.name ?? 'nothing';
  });
  if (found !== NEWEST) {
    throw new StoreError(
      'store.schema-differs',
      `the schema is at ${found}, this program needs ${NEWEST}: run the migration of the same release`,
    );
  }
}
