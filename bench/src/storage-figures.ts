/** How large the log is. */
import pg from 'pg';
import type { Bench } from './bench.js';
import { EVENT_BYTES } from './event-load.js';
import { indexWritten } from './index-written.js';

/** Every byte of every table and index, for each event. */
export async function stored(bench: Bench): Promise<void> {
  await indexWritten(bench);
  const client = new pg.Client(await bench.installation.logins.superuser());
  await client.connect();
  await client.query('VACUUM everseal.event_index');
  const { rows } = await client.query<{ bytes: string; events: string }>(`
    SELECT (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'everseal' AND c.relkind IN ('r', 'p')) AS bytes,
           (SELECT count(*) FROM everseal.event_index) AS events`);
  await client.end();
  const { bytes, events } = rows[0]!;
  bench.add(
    'stored bytes an event, all tables and indexes, as a multiple of its size',
    Number(bytes) / Number(events) / EVENT_BYTES,
    '×',
    2.6,
    'less',
  );
}
