/**
 * Tamper act T17: what a superuser changes about the database instead of in its rows. Each act is done for real, raises
 * `store.catalog` with the object's name, and is cleared when it is undone.
 *
 * The control of each: the same look with an agreement over the changed database, which nobody but the deploy step can sign.
 */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { deployKeyName, NOTE_KEY, sha256, signCatalog, SigningKey } from '@everseal/audit-core';
import { databaseSetupSql, migrate, MIGRATOR_ROLE, readCatalog } from '@everseal/ledger-store';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import type { Pool } from 'pg';
import { CATALOG_ACTS, makePartitions } from '../../../libs/ledger-store/src/catalog-acts.fixture.js';
import { SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { CatalogGuard } from './catalog-guard.js';

const DOMAIN = 'audit.example.com';
const DATABASE = 'catalogguard';
const TIME = '2026-01-31T09:30:00.250Z';
const deployKey = (of: string): SigningKey =>
  SigningKey.fromSeed(deployKeyName(DOMAIN), sha256(Buffer.from(of)), NOTE_KEY);
const KEY = deployKey('the operators');

let server: TestPostgres;
let store: SpecStore;
let pool: Pool;
let folder: TemporaryFolder;
let file: string;
let agreed: string[];
let alerts: SpecBook;

beforeAll(async () => {
  folder = temporaryFolder('agreement');
  file = path.join(folder.path, 'catalog.note');
  server = await TestPostgres.start();
  store = await SpecStore.create(server, DATABASE);
  pool = await store.verifier();
  await makePartitions(store);
  agreed = await linesNow();
});
afterAll(async () => {
  await store.close();
  await server.stop();
  folder.remove();
});
beforeEach(() => {
  alerts = new SpecBook();
  agreeOn(agreed);
});
afterEach(() => alerts.remove());

async function linesNow(): Promise<string[]> {
  const { schema, installation } = await readCatalog(pool);
  return [...schema, ...installation];
}

function agreeOn(lines: readonly string[], key = KEY, database = DATABASE): void {
  writeFileSync(file, signCatalog({ domain: DOMAIN, database, time: TIME, lines }, key));
}

/** The guard as it is after a start. */
function guard(): CatalogGuard {
  const options = { domain: DOMAIN, database: DATABASE, agreementFile: file, deployKey: KEY.verifier };
  return new CatalogGuard(pool, alerts.book, options);
}

describe('an act of a superuser', () => {
  it.each(CATALOG_ACTS)('T17: raises store.catalog and nothing else: %s', async (act, undo, named) => {
    const watching = guard();
    await store.sql(act);
    try {
      await watching.look();
      await watching.look();
      expect(alerts.open).toEqual(['store.catalog']);
      const { evidence, ledger, detail } = await alerts.lastRaised();
      expect(ledger).toBe(DOMAIN);
      expect(`${detail}\n${evidence['missing']}\n${evidence['unexpected']}`).toContain(named);
      const control = new SpecBook();
      agreeOn(await linesNow());
      const options = { domain: DOMAIN, database: DATABASE, agreementFile: file, deployKey: KEY.verifier };
      await new CatalogGuard(pool, control.book, options).look();
      expect(control.open).toEqual([]);
      control.remove();
    } finally {
      await store.sql(undo);
    }
    agreeOn(agreed);
    await watching.look();
    expect(alerts.open).toEqual([]);
    expect((await alerts.sent()).map(({ number, clears }) => [number, clears])).toEqual([
      [1, undefined],
      [2, 1],
    ]);
  });

  it('is named by the object that differs, with what was agreed and what is there', async () => {
    await store.sql('ALTER TABLE everseal.block DISABLE TRIGGER append_only');
    await guard().look();
    await store.sql('ALTER TABLE everseal.block ENABLE ALWAYS TRIGGER append_only');
    expect(await alerts.lastRaised()).toMatchObject({
      detail: 'trigger everseal.block.append_only of database catalogguard is not what was agreed',
      expected: expect.stringMatching(/^trigger everseal\.block\.append_only: .*, fires A$/),
      found: expect.stringMatching(/^trigger everseal\.block\.append_only: .*, fires D$/),
    });
  });

  it('is not covered by another one before it: what differs besides is an alert of its own', async () => {
    const watching = guard();
    await store.sql('GRANT SELECT ON everseal.block TO PUBLIC');
    await watching.look();
    await store.sql('CREATE ROLE mine SUPERUSER');
    await watching.look();
    await store.sql('DROP ROLE mine; REVOKE SELECT ON everseal.block FROM PUBLIC');
    expect(
      (await alerts.sent()).map(({ number, state, detail }) => [number, state, detail?.split(' of database')[0]]),
    ).toEqual([
      [1, 'raised', 'relation block'],
      [2, 'cleared', undefined],
      [3, 'raised', 'role mine'],
    ]);
    await watching.look();
    expect(alerts.open).toEqual([]);
  });
});

describe('an untouched database', () => {
  it('raises nothing: with writes, VACUUM, new partitions, after a restart of the verifier, and after the deploy step ran again', async () => {
    await guard().look();
    await store.sql('UPDATE everseal.ledger_head SET size = size + 200000000; SELECT everseal.extend_event_index()');
    await store.sql('VACUUM ANALYZE');
    await guard().look();
    alerts.reopen();
    await store.sql(databaseSetupSql(DATABASE));
    expect(await migrate(await store.address(MIGRATOR_ROLE))).toEqual([]);
    await guard().look();
    expect(await alerts.sent()).toEqual([]);
  });

  it('raises nothing for what is set about durability, which has a verdict of its own', async () => {
    await store.sql("ALTER ROLE everseal_sealer SET synchronous_commit = 'off'");
    await guard().look();
    await store.sql('ALTER ROLE everseal_sealer RESET synchronous_commit');
    expect(await alerts.sent()).toEqual([]);
  });

  it('does not forget what stands over a restart', async () => {
    await store.sql('GRANT UPDATE ON everseal.block TO everseal_sealer');
    await guard().look();
    alerts.reopen();
    await guard().look();
    expect(await alerts.sent()).toHaveLength(1);
    await store.sql('REVOKE UPDATE ON everseal.block FROM everseal_sealer');
    await guard().look();
    expect(alerts.open).toEqual([]);
  });
});

describe('an agreement', () => {
  it.each<[string, () => void, string]>([
    ['is gone', () => rmSync(file), 'ENOENT'],
    ['is empty', () => writeFileSync(file, ''), 'does not end in a newline'],
    ['was signed by somebody else', () => agreeOn(agreed, deployKey('a superuser')), 'no signature line'],
    ['was changed after it was signed', () => writeFileSync(file, forged()), 'does not verify'],
    ['is about another database', () => agreeOn(agreed, KEY, 'another'), 'is about another'],
  ])('that %s is no agreement: that is an alert, and clears nothing', async (_, spoil, words) => {
    const watching = guard();
    await store.sql('CREATE ROLE mine SUPERUSER');
    await watching.look();
    spoil();
    await watching.look();
    await store.sql('DROP ROLE mine');
    expect(alerts.open).toEqual(['store.catalog', 'store.catalog']);
    expect((await alerts.lastRaised()).detail).toContain(words);
    agreeOn(agreed);
    await watching.look();
    expect(alerts.open).toEqual([]);
  });

  /** A superuser who can write the file takes the new role into it. */
  function forged(): string {
    const note = signCatalog({ domain: DOMAIN, database: DATABASE, time: TIME, lines: agreed }, KEY);
    return note.replace('role postgres: superuser t', 'role postgres: superuser f');
  }

  it('may be replaced by a later one while the verifier runs', async () => {
    const watching = guard();
    await store.sql('GRANT SELECT ON everseal.block TO PUBLIC');
    await watching.look();
    expect(alerts.open).toEqual(['store.catalog']);
    agreeOn(await linesNow());
    await watching.look();
    expect(alerts.open).toEqual([]);
    await store.sql('REVOKE SELECT ON everseal.block FROM PUBLIC');
  });
});

describe('a database that does not let itself be described', () => {
  it('raises store.catalog: the right to see who gets in was taken away', async () => {
    const watching = guard();
    await store.sql('REVOKE EXECUTE ON FUNCTION pg_hba_file_rules() FROM everseal_verifier');
    await watching.look();
    await store.sql('GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO everseal_verifier');
    expect(alerts.open).toEqual(['store.catalog']);
    expect((await alerts.lastRaised()).detail).toContain('pg_hba_file_rules');
    await watching.look();
    expect(alerts.open).toEqual([]);
  });
});
