import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { compareCatalog } from '@everseal/audit-core';
import { TestPostgres } from '@everseal/testing';
import type { Pool } from 'pg';
import { CATALOG_ACTS, makePartitions } from '../catalog-acts.fixture.js';
import { SCHEMA_CATALOG } from '../schema-catalog.js';
import { SpecStore } from '../store.fixture.js';
import { readCatalog, type Catalog } from './catalog.js';

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
    await makePartitions(store);
    await store.sql('VACUUM ANALYZE');
    const catalog = await readCatalog(pool);
    expect(catalog.partitions).toBe(11);
    expect(compareCatalog(catalog.schema, SCHEMA_CATALOG)).toEqual(SAME);
    expect(compareCatalog(catalog.installation, installed.installation)).toEqual(SAME);
  });
});

describe('an act that the guards cannot stop', () => {
  it.each(CATALOG_ACTS)('is seen: %s', async (act, undo, named) => {
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
