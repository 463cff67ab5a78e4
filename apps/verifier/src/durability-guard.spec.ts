/**
 * Tamper act T18: a database that confirms what it may lose. Each act is done for real and cleared when it is undone; the
 * control is the look before it.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { temporaryFolder, TestPostgres, type TemporaryFolder } from '@everseal/testing';
import { SpecStore } from '../../../libs/ledger-store/src/store.fixture.js';
import { SpecBook } from './alert-book.fixture.js';
import { DurabilityGuard } from './durability-guard.js';

const DATABASE = 'durable';
const DOMAIN = 'audit.example.com';

let folder: TemporaryFolder;
let server: TestPostgres;
let store: SpecStore;
let alerts: SpecBook;

beforeAll(async () => {
  folder = temporaryFolder('durability');
  server = await TestPostgres.start({ folder });
  store = await SpecStore.create(server, DATABASE);
});
afterAll(async () => {
  await store.close();
  await server.stop();
  folder.remove();
});
beforeEach(() => {
  alerts = new SpecBook();
});
afterEach(() => alerts.remove());

/** A look on a session of its own: what is set for a role counts from the next session on. */
async function look(): Promise<string[]> {
  const pool = await store.verifier();
  await new DurabilityGuard(pool, alerts.book, DOMAIN).look();
  await pool.end();
  return alerts.open;
}

describe('what is set for a role or a database', () => {
  it.each([
    [
      "ROLE everseal_sealer SET synchronous_commit = 'off'",
      'ROLE everseal_sealer RESET synchronous_commit',
      'role everseal_sealer',
    ],
    [
      `ROLE everseal_sealer IN DATABASE ${DATABASE} SET synchronous_commit = 'local'`,
      `ROLE everseal_sealer IN DATABASE ${DATABASE} RESET synchronous_commit`,
      `role everseal_sealer in database ${DATABASE}`,
    ],
    ["ROLE postgres SET zero_damaged_pages = 'on'", 'ROLE postgres RESET zero_damaged_pages', 'role postgres'],
    ["ROLE ALL SET ignore_checksum_failure = 'on'", 'ROLE ALL RESET ignore_checksum_failure', 'for every role'],
    // To hide from it what the server is set to.
    [
      "ROLE everseal_verifier SET synchronous_commit = 'on'",
      'ROLE everseal_verifier RESET synchronous_commit',
      'hides',
    ],
  ])('raises store.durability and nothing else: ALTER %s', async (act, undo, named) => {
    expect(await look()).toEqual([]);
    await store.sql(`ALTER ${act}`);
    expect(await look()).toEqual(['store.durability']);
    expect(await look()).toEqual(['store.durability']);
    expect((await alerts.lastRaised()).detail).toContain(named);
    await store.sql(`ALTER ${undo}`);
    expect(await look()).toEqual([]);
    expect(await alerts.sent()).toHaveLength(2);
  });

  it('raises one alert for each place', async () => {
    await store.sql(`ALTER DATABASE ${DATABASE} SET synchronous_commit = 'off'`);
    expect(await look()).toEqual(['store.durability']);
    await store.sql("ALTER ROLE everseal_verifier SET synchronous_commit = 'off'");
    expect(await look()).toEqual(['store.durability', 'store.durability']);
    await store.sql(`ALTER DATABASE ${DATABASE} RESET synchronous_commit; ALTER ROLE everseal_verifier RESET ALL`);
    await store.sql('ALTER ROLE everseal_verifier SET default_transaction_read_only = on');
    expect(await look()).toEqual([]);
  });

  it("is nobody's business in another database", async () => {
    await store.sql("ALTER DATABASE postgres SET synchronous_commit = 'off'");
    expect(await look()).toEqual([]);
    await store.sql('ALTER DATABASE postgres RESET synchronous_commit');
  });
});

describe('what the server is set to', () => {
  it.each([
    ['fsync', 'off'],
    ['full_page_writes', 'off'],
    ['synchronous_commit', 'off'],
    ['wal_level', 'minimal'],
  ])('raises store.durability and nothing else: %s = %s, until it is started as before', async (setting, value) => {
    expect(await look()).toEqual([]);
    // `minimal` is refused beside senders of a log that it does not keep.
    await restart({ [setting]: value, ...(value === 'minimal' && { max_wal_senders: 0 }) });
    expect(await look()).toEqual(['store.durability']);
    expect(await alerts.lastRaised()).toMatchObject({
      ledger: DOMAIN,
      found: value,
      detail: expect.stringContaining(setting),
    });
    await restart({});
    alerts.reopen();
    expect(await look()).toEqual([]);
    expect(await alerts.sent()).toHaveLength(2);
  });

  async function restart(settings: Record<string, string | number>): Promise<void> {
    await store.close();
    await server.stop();
    server = await TestPostgres.start({ folder, settings });
    store = SpecStore.reopen(server, DATABASE);
  }
});
