/**
 * Triggers that refuse every change which is not an insert, for whoever comes past the privileges (the owner included;
 * ENABLE ALWAYS: also under session_replication_role = replica). They stop mistakes and make tampering deliberate; a
 * superuser can disable them, which is what the verifier's look at the catalog and at the bytes is for.
 *
 * What may change: the rows of ledger_head and index_head, and a waiting frame gets its position, once; its bytes are
 * dropped by the same stroke, since the block holds them from then on.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const FUNCTIONS = `
CREATE FUNCTION everseal.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  RAISE EXCEPTION '% of %.% is refused: rows are only ever added', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'EV001';
END
$function$;
REVOKE ALL ON FUNCTION everseal.refuse_change() FROM PUBLIC;

CREATE FUNCTION everseal.seal_waiting_frame() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  IF OLD.position IS NOT NULL OR NEW.position IS NULL
    OR ROW (NEW.ledger_id, NEW.ingester, NEW.number, NEW.hash, NEW.sequence, NEW.reason, NEW.bytes)
       IS DISTINCT FROM
       ROW (OLD.ledger_id, OLD.ingester, OLD.number, OLD.hash, OLD.sequence, OLD.reason, OLD.bytes)
  THEN
    RAISE EXCEPTION 'UPDATE of everseal.frame is refused: a waiting frame gets its position, once, and nothing else changes'
      USING ERRCODE = 'EV001';
  END IF;
  NEW.bytes := NULL;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION everseal.seal_waiting_frame() FROM PUBLIC;
`;

/** Tables and the row operations refused on them; TRUNCATE is refused on every one. */
const REFUSED: Record<string, 'UPDATE OR DELETE' | 'DELETE'> = {
  migration: 'UPDATE OR DELETE',
  ledger: 'UPDATE OR DELETE',
  ledger_head: 'DELETE',
  block: 'UPDATE OR DELETE',
  block_body: 'UPDATE OR DELETE',
  tile: 'UPDATE OR DELETE',
  frame: 'DELETE',
  gap: 'UPDATE OR DELETE',
  checkpoint: 'UPDATE OR DELETE',
  cosignature: 'UPDATE OR DELETE',
  anchor: 'UPDATE OR DELETE',
  event_index: 'UPDATE OR DELETE',
  index_head: 'DELETE',
};

const FRAME_TRIGGER = `
CREATE TRIGGER seal_waiting_frame BEFORE UPDATE ON everseal.frame
  FOR EACH ROW EXECUTE FUNCTION everseal.seal_waiting_frame();
ALTER TABLE everseal.frame ENABLE ALWAYS TRIGGER seal_waiting_frame;
`;

const triggersOf = (table: string, operations: string): string => `
CREATE TRIGGER append_only BEFORE ${operations} ON everseal.${table}
  FOR EACH ROW EXECUTE FUNCTION everseal.refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON everseal.${table}
  FOR EACH STATEMENT EXECUTE FUNCTION everseal.refuse_change();
ALTER TABLE everseal.${table} ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE everseal.${table} ENABLE ALWAYS TRIGGER append_only_table;
`;

export class AppendOnly1795392000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(FUNCTIONS);
    for (const [table, operations] of Object.entries(REFUSED)) await runner.query(triggersOf(table, operations));
    await runner.query(FRAME_TRIGGER);
    await runner.query('SELECT everseal.extend_event_index()');
  }

  down(): Promise<void> {
    return Promise.reject(new Error('a ledger is never migrated back: restore the database instead'));
  }
}
