/** What the verifier does by itself over a log that stands. */
import { readFileSync } from 'node:fs';
import { leafHash, LogState } from '@everseal/audit-core';
import pg from 'pg';
import type { Bench } from './bench.js';
import { metric } from './metrics.js';
import { NO_SWEEPS, restartVerifier } from './restart-verifier.js';

/** The verifier alone over what was just stored, each sweep by itself at full speed; then a first pass, signatures and all. */
export async function sweeps(bench: Bench): Promise<void> {
  await bench.installation.service('ingest', 'a').stop();
  await bench.installation.service('sealer', 's1').stop();
  await sweep(bench, 'bodies', 250_000);
  await sweep(bench, 'index', 40_000);
  await bench.installation.service('verifier', 'v1').stop();
  await firstPass(bench);
}

async function sweep(bench: Bench, name: 'bodies' | 'index', floor: number): Promise<void> {
  await restartVerifier(bench, { ...NO_SWEEPS, [name]: 0 });
  const login = bench.operations('verifier', 'v1');
  for (const deadline = Date.now() + 300_000; (await metric(login, `everseal_sweep_${name}_passes_total`)) < 1;) {
    if (Date.now() > deadline) throw new Error(`the ${name} sweep did not end within five minutes`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const entries = await metric(login, `everseal_sweep_${name}_entries`);
  const seconds = await metric(login, `everseal_sweep_${name}_seconds`);
  bench.add(`sweep of ${name}`, entries / seconds, 'entries/s', floor);
}

/**
 * A reader's first pass with every check, over the blocks of full load and over those of light load, whose frames hold a
 * few events: there the price of a frame shows.
 */
async function firstPass(bench: Bench): Promise<void> {
  const { origin } = bench;
  const client = new pg.Client(await bench.installation.logins.postgres('ops', 'ops'));
  await client.connect();
  const genesis = readFileSync(bench.installation.keys.genesis(bench.ledger));
  const state = LogState.empty({ origin, genesis: leafHash(genesis) });
  const large = { frames: 0, events: 0, seconds: 0 };
  const small = { frames: 0, events: 0, seconds: 0 };
  for (;;) {
    const { rows } = await client.query<{ body: Buffer }>(
      `SELECT body FROM everseal.block_body JOIN everseal.ledger USING (ledger_id)
       WHERE origin = $1 AND height >= $2 ORDER BY height LIMIT 32`,
      [origin, state.height],
    );
    if (rows.length === 0) break;
    for (const { body } of rows) {
      const start = performance.now();
      const block = state.readBlock(body);
      const seconds = (performance.now() - start) / 1_000;
      if (!block.ok) throw new Error(`the log is not good: ${JSON.stringify(block.finding)}`);
      const frames = block.frames.length;
      const events = block.frames.reduce((sum, { frame }) => sum + frame.count, 0);
      const kind = events > 64 * frames ? large : events <= 8 * frames ? small : null;
      if (!kind || frames === 0) continue;
      kind.frames += frames;
      kind.events += events;
      kind.seconds += seconds;
    }
  }
  await client.end();
  bench.add('first pass, events with every check, full load', large.events / large.seconds, 'events/s', null);
  bench.add('first pass, frame signatures, light load', small.frames / small.seconds, 'frames/s', 5_000);
}
