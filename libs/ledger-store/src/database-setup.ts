/**
 * What a superuser does once for a database, after the roles exist and before the first migration; everything in it may
 * be run again. A migration cannot do it: these objects belong to the database owner and to the bootstrap superuser.
 *
 * - PUBLIC loses the database (no temporary tables, no strangers), schema `public`, and large objects, which are writes
 *   that no table privilege covers.
 * - The verifier may read who gets in, pg_hba.conf and pg_ident.conf as Postgres understands them.
 * - The owner of schema `everseal` is the role without a login.
 * - Role settings are a second line: a session may change them, so the pools set the same ones themselves. Read-only for
 *   verifier and reader is there for people with psql; what really stops them is that they hold SELECT and nothing else.
 */
import { MIGRATOR_ROLE, OWNER_ROLE, READER_ROLE, SEALER_ROLE, VERIFIER_ROLE } from './roles.js';

const LOGIN_ROLES = [MIGRATOR_ROLE, SEALER_ROLE, VERIFIER_ROLE, READER_ROLE].join(', ');

/** SQL for one database, in which it has to be run. `database` is quoted here; it is a name, not SQL. */
export function databaseSetupSql(database: string): string {
  const name = `"${database.replaceAll('"', '""')}"`;
  return `
REVOKE ALL ON DATABASE ${name} FROM PUBLIC;
GRANT CONNECT ON DATABASE ${name} TO ${LOGIN_ROLES};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS everseal AUTHORIZATION ${OWNER_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE ${OWNER_ROLE} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER ROLE ${VERIFIER_ROLE} SET default_transaction_read_only = on;
ALTER ROLE ${READER_ROLE} SET default_transaction_read_only = on;
ALTER ROLE ${SEALER_ROLE} SET lock_timeout = '1s';
ALTER ROLE ${SEALER_ROLE} SET idle_in_transaction_session_timeout = '2s';
DO $$
DECLARE routine regprocedure;
BEGIN
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'transaction_timeout') THEN
    ALTER ROLE ${SEALER_ROLE} SET transaction_timeout = '5s';
  END IF;
  FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND (proname ~ '^lo_' OR proname IN ('loread', 'lowrite'))
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules(), pg_catalog.pg_ident_file_mappings() TO ${VERIFIER_ROLE};
`;
}
