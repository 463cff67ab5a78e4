/**
 * Pages of a search on an index of any number of rows. The rows are made in the database, under the number of a ledger that
 * does not exist, so that ten million of them take minutes and no log; the statements are the reader's own.
 */
import { openReadSource, searchEvents, type DatabaseAddress, type EventSearch } from '@everseal/ledger-store';
import type { Client } from 'pg';

/** The largest number that the column takes; ledgers count from 1. */
const LEDGER_ID = 32_767;
const ACTORS = 5_000;

/** Rows with `ACTORS` actors, ten thousand targets and four outcomes, as the superuser. */
export async function fillIndex(superuser: Client, rows: number): Promise<void> {
  await superuser.query('SELECT everseal.extend_event_index()');
  const batch = 1_000_000;
  for (let from = 0; from < rows; from += batch) {
    await superuser.query(
      `INSERT INTO everseal.event_index (position, accepted, occurred, identity, ledger_id, producer, event_id, source, type,
         subject, actor, action, target, outcome)
       SELECT n, now(), now(), hashint8extended(n, 0), ${LEDGER_ID}, 'bench', 'event-' || n, 'https://bench.example.com/x',
         'com.example.done', 'subject-' || n, 'actor-' || n % ${ACTORS}, 'action-' || n % 20, 'target-' || n % 10000, 'outcome-' || n % 4
       FROM generate_series($1::bigint, $2::bigint - 1) AS n`,
      [from, Math.min(rows, from + batch)],
    );
  }
  await superuser.query('ANALYZE everseal.event_index');
}

/** Milliseconds of each of `pages` pages, at random places, by actor, by actor and outcome, by outcome, by what does not exist. */
export async function searchPages(address: DatabaseAddress, rows: number, pages: number): Promise<number[]> {
  const source = await openReadSource({
    ...address,
    name: 'bench',
    max: 4,
    readStatementMs: 5_000,
    onIdleError: () => {},
  });
  const latencies: number[] = [];
  try {
    for (let page = 0; page < pages; page++) {
      const start = performance.now();
      await searchEvents(source, { ledgerId: LEDGER_ID, from: 0, limit: 50, ...conditions(page, rows) });
      latencies.push(performance.now() - start);
    }
  } finally {
    await source.destroy();
  }
  return latencies;
}

function conditions(page: number, rows: number): Pick<EventSearch, 'before' | 'equal'> {
  const before = Math.floor(Math.random() * rows) + 1;
  const actor = `actor-${Math.floor(Math.random() * ACTORS)}`;
  const equals: EventSearch['equal'][] = [
    { actor },
    { actor, outcome: 'outcome-1' },
    { outcome: 'outcome-1' },
    { type: 'none' },
  ];
  return { before, equal: equals[page % equals.length]! };
}
