/**
 * What a superuser would do to get past the guards of the schema, how it is undone, and words that must stand in what is
 * reported. For the specs of whoever looks at the catalog.
 *
 * The two acts on files run a program on the database's host, in its data folder, as a superuser may.
 */

import { CURSOR, type SpecStore } from './store.fixture.js';
import { PARTITION_POSITIONS } from './sql/event-index.js';
import { createLedger } from './sql/ledger.js';

/** Eleven partitions of the event index, as a large ledger has them; some acts are on one of them. */
export async function makePartitions(store: SpecStore): Promise<void> {
  const ledgerId = await createLedger(await store.sealer(), 'audit.example.com/main', CURSOR);
  await store.sql(
    `UPDATE everseal.ledger_head SET height = 0, size = ${9 * PARTITION_POSITIONS}, previous = sha256('x'), sealed = now()
     WHERE ledger_id = ${ledgerId}`,
  );
  await store.sql('SELECT everseal.extend_event_index()');
}

/** The function as the migrations make it, for undoing. */
const REFUSE_CHANGE = `CREATE OR REPLACE FUNCTION everseal.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  RAISE EXCEPTION '% of %.% is refused: rows are only ever added', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'EV001';
END
$function$`;

export const CATALOG_ACTS: [act: string, undo: string, named: string][] = [
  [
    'ALTER TABLE everseal.block DISABLE TRIGGER append_only',
    'ALTER TABLE everseal.block ENABLE ALWAYS TRIGGER append_only',
    'trigger everseal.block.append_only',
  ],
  [
    'ALTER TABLE everseal.block ENABLE TRIGGER append_only',
    'ALTER TABLE everseal.block ENABLE ALWAYS TRIGGER append_only',
    'fires O',
  ],
  [
    'ALTER TABLE everseal.event_index_p3 DISABLE TRIGGER append_only_table',
    'ALTER TABLE everseal.event_index_p3 ENABLE ALWAYS TRIGGER append_only_table',
    'event_index_p3',
  ],
  [
    'DROP TRIGGER append_only_table ON everseal.event_index_p1',
    'CREATE TRIGGER append_only_table BEFORE TRUNCATE ON everseal.event_index_p1 FOR EACH STATEMENT EXECUTE FUNCTION everseal.refuse_change(); ALTER TABLE everseal.event_index_p1 ENABLE ALWAYS TRIGGER append_only_table',
    'partition event_index_p1: lacks trigger everseal.event_index_p#.append_only_table',
  ],
  [
    'ALTER TABLE everseal.block_body DISABLE TRIGGER ALL',
    'ALTER TABLE everseal.block_body ENABLE TRIGGER ALL; ALTER TABLE everseal.block_body ENABLE ALWAYS TRIGGER append_only; ALTER TABLE everseal.block_body ENABLE ALWAYS TRIGGER append_only_table',
    'key triggers of everseal.block_body: D',
  ],
  [
    'GRANT UPDATE ON everseal.block TO everseal_sealer',
    'REVOKE UPDATE ON everseal.block FROM everseal_sealer',
    'UPDATE',
  ],
  [
    'GRANT UPDATE (body) ON everseal.block_body TO everseal_sealer',
    'REVOKE UPDATE (body) ON everseal.block_body FROM everseal_sealer',
    'column block_body.03',
  ],
  ['GRANT ALL ON SCHEMA everseal TO PUBLIC', 'REVOKE ALL ON SCHEMA everseal FROM PUBLIC', 'PUBLIC=CREATE'],
  [
    'CREATE RULE mine AS ON INSERT TO everseal.block DO INSTEAD NOTHING',
    'DROP RULE mine ON everseal.block',
    'rule everseal.block.mine',
  ],
  [
    'ALTER TABLE everseal.frame ENABLE ROW LEVEL SECURITY',
    'ALTER TABLE everseal.frame DISABLE ROW LEVEL SECURITY',
    'row security t',
  ],
  [
    'CREATE POLICY mine ON everseal.frame USING (false)',
    'DROP POLICY mine ON everseal.frame',
    'policy everseal.frame.mine',
  ],
  [
    'ALTER TABLE everseal.tile OWNER TO postgres',
    'ALTER TABLE everseal.tile OWNER TO everseal_owner',
    'relation tile: kind r, owner postgres',
  ],
  [
    'ALTER TABLE everseal.block DROP CONSTRAINT block_check',
    'ALTER TABLE everseal.block ADD CONSTRAINT block_check CHECK (height > 0 OR first = 0)',
    'constraint everseal.block.block_check',
  ],
  [
    'ALTER TABLE everseal.event_index DETACH PARTITION everseal.event_index_p5',
    `ALTER TABLE everseal.event_index ATTACH PARTITION everseal.event_index_p5 FOR VALUES FROM (${5 * PARTITION_POSITIONS}) TO (${6 * PARTITION_POSITIONS})`,
    'event_index_p5',
  ],
  [
    'ALTER FUNCTION everseal.refuse_change() OWNER TO postgres',
    'ALTER FUNCTION everseal.refuse_change() OWNER TO everseal_owner',
    'function refuse_change',
  ],
  ['ALTER SCHEMA everseal RENAME TO elsewhere', 'ALTER SCHEMA elsewhere RENAME TO everseal', 'schema everseal'],
  ['CREATE ROLE mine SUPERUSER', 'DROP ROLE mine', 'role mine: superuser t'],
  [
    'GRANT everseal_owner TO everseal_sealer',
    'REVOKE everseal_owner FROM everseal_sealer',
    'member everseal_sealer of everseal_owner',
  ],
  [
    "ALTER ROLE everseal_sealer SET search_path = 'public'",
    'ALTER ROLE everseal_sealer RESET search_path',
    'search_path=public',
  ],
  [
    'GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC',
    'REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC',
    'lo_create',
  ],
  [
    'CREATE FUNCTION public.mine() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION public.mine()',
    'DROP EVENT TRIGGER mine; DROP FUNCTION public.mine()',
    'event trigger mine',
  ],
  [
    'ALTER TABLE everseal.checkpoint RENAME TO checkpoints',
    'ALTER TABLE everseal.checkpoints RENAME TO checkpoint',
    'relation checkpoints',
  ],
  [
    'ALTER TABLE everseal.gap ENABLE ROW LEVEL SECURITY; ALTER TABLE everseal.gap FORCE ROW LEVEL SECURITY; CREATE POLICY mine ON everseal.gap USING (cause <> $$lost$$)',
    'DROP POLICY mine ON everseal.gap; ALTER TABLE everseal.gap NO FORCE ROW LEVEL SECURITY; ALTER TABLE everseal.gap DISABLE ROW LEVEL SECURITY',
    'policy everseal.gap.mine',
  ],
  [
    'ALTER ROLE everseal_reader BYPASSRLS',
    'ALTER ROLE everseal_reader NOBYPASSRLS',
    'role everseal_reader: superuser f, bypass t',
  ],
  [
    'GRANT pg_write_all_data TO everseal_reader',
    'REVOKE pg_write_all_data FROM everseal_reader',
    'member everseal_reader of pg_write_all_data',
  ],
  [
    'GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC',
    'REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM PUBLIC',
    'pg_read_file(text): PUBLIC',
  ],
  [
    "CREATE OR REPLACE FUNCTION everseal.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'",
    REFUSE_CHANGE,
    'function refuse_change',
  ],
  [
    "CREATE OR REPLACE FUNCTION pg_catalog.pg_get_triggerdef(oid) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$ SELECT 'all is well' $$",
    "CREATE OR REPLACE FUNCTION pg_catalog.pg_get_triggerdef(oid) RETURNS text LANGUAGE internal STABLE STRICT PARALLEL SAFE AS 'pg_get_triggerdef'",
    'system functions',
  ],
  [
    "COPY (SELECT 'hostssl everseal mallory 0.0.0.0/0 trust') TO PROGRAM 'cat >> ../pg_hba.conf'",
    "COPY (SELECT 1) TO PROGRAM 'sed -i /mallory/d ../pg_hba.conf'",
    'user {mallory}',
  ],
  [
    "COPY (SELECT 'everseal mallory everseal_sealer') TO PROGRAM 'cat >> ../pg_ident.conf'",
    "COPY (SELECT 1) TO PROGRAM 'sed -i /mallory/d ../pg_ident.conf'",
    'certificate mallory is role everseal_sealer',
  ],
];
