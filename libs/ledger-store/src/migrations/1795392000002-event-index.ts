/**
 * The event index: one lean row an event, a projection of the bodies (formats: Event index), so that only the newest
 * partition's indexes are hot. Partition n holds the positions n·2^25 … (n+1)·2^25 − 1 of every ledger.
 *
 * Fixed-width columns come first and text has one-byte headers, which leaves no padding between them. `identity` is 8
 * bytes of the hash of (producer, source, id): enough to find candidates, which are then compared byte for byte. Its
 * index leaves out what can never be the original of a later event: rows without an identity, and copies of an original
 * that is in the same partition.
 *
 * Who makes partitions: nobody owns tables at run time, and the sealer must not. `extend_event_index()` runs as the
 * owner, takes no argument that could steer it, and adds partitions up to one beyond the newest entry of any ledger.
 * A table is made on its own and then attached: that waits for nobody who reads the index (PARTITION OF would).
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLES = `
CREATE TABLE everseal.event_index (
  position     bigint NOT NULL,
  accepted     timestamptz NOT NULL,
  occurred     timestamptz,
  identity     bigint,
  duplicate_of bigint,
  ledger_id    smallint NOT NULL,
  producer     text COLLATE "C" NOT NULL,
  event_id     text COLLATE "C",
  source       text COLLATE "C",
  type         text COLLATE "C",
  subject      text COLLATE "C",
  actor        text COLLATE "C",
  action       text COLLATE "C",
  target       text COLLATE "C",
  outcome      text COLLATE "C",
  PRIMARY KEY (ledger_id, position)
) PARTITION BY RANGE (position);

CREATE INDEX event_index_identity ON everseal.event_index (identity)
  WHERE identity IS NOT NULL AND (duplicate_of IS NULL OR duplicate_of >> 25 <> position >> 25);
CREATE INDEX event_index_actor ON everseal.event_index (ledger_id, actor, position) WHERE actor IS NOT NULL;
CREATE INDEX event_index_target ON everseal.event_index (ledger_id, target, position) WHERE target IS NOT NULL;

CREATE TABLE everseal.index_head (
  ledger_id smallint PRIMARY KEY REFERENCES everseal.ledger,
  position  bigint NOT NULL CHECK (position >= 0)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
`;

/** Returns the position after the last partition. At most 16 partitions a call, so that a call is always short. */
const EXTEND = `
CREATE FUNCTION everseal.extend_event_index() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  existing bigint;
  wanted   bigint;
  name     text;
BEGIN
  LOCK TABLE everseal.event_index IN SHARE UPDATE EXCLUSIVE MODE;
  SELECT count(*) INTO existing FROM pg_inherits WHERE inhparent = 'everseal.event_index'::regclass;
  SELECT coalesce(max(size), 0) >> 25 INTO wanted FROM everseal.ledger_head;
  wanted := least(wanted + 2, existing + 16);
  WHILE existing < wanted LOOP
    name := format('event_index_p%s', existing);
    EXECUTE format('CREATE TABLE everseal.%I (LIKE everseal.event_index INCLUDING STORAGE INCLUDING COMPRESSION)', name);
    EXECUTE format('CREATE TRIGGER append_only_table BEFORE TRUNCATE ON everseal.%I '
      'FOR EACH STATEMENT EXECUTE FUNCTION everseal.refuse_change()', name);
    EXECUTE format('ALTER TABLE everseal.%I ENABLE ALWAYS TRIGGER append_only_table', name);
    EXECUTE format('ALTER TABLE everseal.event_index ATTACH PARTITION everseal.%I FOR VALUES FROM (%s) TO (%s)',
      name, existing << 25, (existing + 1) << 25);
    existing := existing + 1;
  END LOOP;
  RETURN existing << 25;
END
$function$;
REVOKE ALL ON FUNCTION everseal.extend_event_index() FROM PUBLIC;
`;

export class EventIndex1795392000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES + EXTEND);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('a ledger is never migrated back: restore the database instead'));
  }
}
