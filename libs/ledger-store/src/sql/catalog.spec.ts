import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { SCHEMA_CATALOG } from '../schema-catalog.js';
import { CURSOR, SpecStore } from '../store.fixture.js';
import { compareCatalog, readCatalog, type Catalog } from './catalog.js';
import { PARTITION_POSITIONS } from './event-index.js';
import { createLedger } from './ledger.js';

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let installed: Catalog;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'catalog');
  pool = await store.verifier();
  installed = await readCatalog(pool);
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

const SAME = { missing: [], unexpected: [] };

describe('the catalog', () => {
  it('is what the migrations say, read with nothing but SELECT', () => {
    expect(compareCatalog(installed.schema, SCHEMA_CATALOG)).toEqual(SAME);
    expect(installed.partitions).toBe(2);
    expect(new Set(SCHEMA_CATALOG).size).toBe(SCHEMA_CATALOG.length);
  });

  it('stays the same in use: with data, after VACUUM and ANALYZE, with more partitions', async () => {
    const ledgerId = await createLedger(await store.sealer(), 'audit.example.com/main', CURSOR);
    await store.sql(
      `UPDATE everseal.ledger_head SET height = 0, size = ${9 * PARTITION_POSITIONS}, previous = sha256('x'), sealed = now()
       WHERE ledger_id = ${ledgerId}`,
    );
    await store.sql('SELECT everseal.extend_event_index()');
    await store.sql('VACUUM ANALYZE');
    const catalog = await readCatalog(pool);
    expect(catalog.partitions).toBe(11);
    expect(compareCatalog(catalog.schema, SCHEMA_CATALOG)).toEqual(SAME);
    expect(compareCatalog(catalog.installation, installed.installation)).toEqual(SAME);
  });
});

/** What a superuser would do, how it is undone, and a word that must stand in what is reported. */
const ACTS: [act: string, undo: string, named: string][] = [
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
    'event_index_p0.append_only_table',
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
    "ALTER ROLE everseal_sealer SET synchronous_commit = 'off'",
    'ALTER ROLE everseal_sealer RESET synchronous_commit',
    'synchronous_commit=off',
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
];

describe('an act that the guards cannot stop', () => {
  it.each(ACTS)('is seen: %s', async (act, undo, named) => {
    await store.sql(act);
    const catalog = await readCatalog(pool).finally(() => store.sql(undo));
    const differences = [
      compareCatalog(catalog.schema, SCHEMA_CATALOG),
      compareCatalog(catalog.installation, installed.installation),
    ];
    expect(JSON.stringify(differences)).toContain(named);
    const again = await readCatalog(pool);
    expect(compareCatalog(again.schema, SCHEMA_CATALOG)).toEqual(SAME);
    expect(compareCatalog(again.installation, installed.installation)).toEqual(SAME);
  });
});
