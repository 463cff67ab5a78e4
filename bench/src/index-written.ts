/** Waiting for what follows sealing. */
import pg from 'pg';
import type { Bench } from './bench.js';

/**
 * Waits until the event index, which follows sealing, has come to the end.
 * @param most seconds to wait; who gives up says so
 * @returns seconds that took
 */
export async function indexWritten(bench: Bench, most = 60): Promise<number> {
  const client = new pg.Client(await bench.installation.logins.postgres('ops', 'ops'));
  await client.connect();
  const start = performance.now();
  for (;;) {
    const { rows } = await client.query<{ behind: string }>(
      'SELECT sum(h.size - i.position) AS behind FROM everseal.ledger_head h JOIN everseal.index_head i USING (ledger_id)',
    );
    const seconds = (performance.now() - start) / 1_000;
    const behind = Number(rows[0]!.behind);
    if (behind < 16 || seconds > most) {
      if (behind >= 16)
        bench.say(`after ${most} s the index is still ${behind} entries behind: not waiting any longer`);
      await client.end();
      return seconds;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ends what full load has left to do, in Postgres above all: the open-loop figures are those of their own load. */
export async function settle(bench: Bench): Promise<void> {
  await indexWritten(bench);
  const client = new pg.Client(await bench.installation.logins.superuser());
  await client.connect();
  await client.query('VACUUM (ANALYZE)');
  await client.query('CHECKPOINT');
  await client.end();
}
