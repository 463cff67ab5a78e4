import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import { assertSchema, migrate } from './data-source.js';
import { SpecStore, ROLES_SQL } from './store.fixture.js';

let server: TestPostgres;

beforeAll(async () => {
  server = await TestPostgres.start();
});
afterAll(() => server.stop());

describe('migrations', () => {
  it('say which roles are missing before they touch anything', async () => {
    await server.createDatabase('bare');
    const { ssl, host } = server.connection();
    const address = { host: host!, port: server.port, database: 'bare', user: 'postgres', tls: ssl as never };
    await expect(migrate(address)).rejects.toMatchObject({ code: 'store.roles-missing', fate: 'stop' });
    await server.query(ROLES_SQL);
    await expect(migrate(address)).rejects.toMatchObject({ code: 'store.schema-differs' });
  });

  it('run once, as the role that cannot log in', async () => {
    const store = await SpecStore.create(server, 'fresh', false);
    const address = await store.address('everseal_migrator');
    const ran = await migrate(address);
    expect(ran).toHaveLength(5);
    expect(await migrate(address)).toEqual([]);
    const owners = await store.sql(
      `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'everseal'::regnamespace`,
    );
    expect(owners).toEqual([{ owner: 'everseal_owner' }]);
    await store.close();
  });

  it('keep a second migrator waiting, who then finds nothing to do', async () => {
    const store = await SpecStore.create(server, 'contended', false);
    const address = await store.address('everseal_migrator');
    const ran = await Promise.all([migrate(address), migrate(address), migrate(address)]);
    expect(ran.map(({ length }) => length).sort()).toEqual([0, 0, 5]);
    await store.close();
  });

  it('name the schema that a program needs', async () => {
    const store = await SpecStore.create(server, 'versioned');
    for (const pool of [await store.sealer(), await store.verifier(), await store.reader()]) await assertSchema(pool);
    await store.sql(`INSERT INTO everseal.migration (timestamp, name) VALUES (9999999999999, 'Later9999999999999')`);
    await expect(assertSchema(await store.sealer())).rejects.toMatchObject({ code: 'store.schema-differs' });
    await store.close();
  });
});
