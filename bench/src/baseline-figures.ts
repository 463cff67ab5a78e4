/** What people do today, in the same run: see baselines.ts and jetstream-baseline.ts. */
import pg from 'pg';
import { AUDIT_TABLE, insertEach, insertMany } from './baselines.js';
import type { Bench } from './bench.js';
import { sampleEvent } from './event-load.js';
import { publishBaseline } from './jetstream-baseline.js';

/** One audit row per INSERT, many rows per INSERT, one JetStream message per event: the same event, the same disk. */
export async function baselines(bench: Bench): Promise<void> {
  bench.say('baselines: audit rows in Postgres, plain JetStream publish');
  const event = sampleEvent();
  const admin = await bench.installation.logins.superuser('postgres');
  const setup = new pg.Client(admin);
  await setup.connect();
  await setup.query('CREATE DATABASE baseline');
  await setup.end();
  const database = await bench.installation.logins.superuser('baseline');
  const table = new pg.Client(database);
  await table.connect();
  await table.query(AUDIT_TABLE);
  const seconds = Math.max(2, bench.seconds / 2);
  bench.add(
    'baseline: audit row INSERT, 1 connection',
    await insertEach(database, 1, seconds, event),
    'events/s',
    null,
  );
  bench.add(
    'baseline: audit row INSERT, 32 connections',
    await insertEach(database, 32, seconds, event),
    'events/s',
    null,
  );
  bench.add('baseline: INSERT of 500 rows', await insertMany(database, 500, seconds, event), 'events/s', null);
  await table.query('DROP TABLE audit_row');
  await table.query('CHECKPOINT');
  await table.end();
  const tls = bench.installation.logins.nats('ops', 'ops');
  bench.add(
    'baseline: JetStream publish with fsync, 256 in flight',
    await publishBaseline(bench.dir, tls, seconds, event),
    'events/s',
    null,
  );
}
