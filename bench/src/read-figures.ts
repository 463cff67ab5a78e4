/** The read API beside an idle sealer, and searches in a large index. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fullTiles, TILE_WIDTH, tilePath } from '@everseal/audit-core';
import pg from 'pg';
import type { Bench } from './bench.js';
import { EventLoad } from './event-load.js';
import { percentile } from './figures.js';
import { indexWritten } from './index-written.js';
import { cpuSeconds } from './machine.js';
import { ReadLoad } from './read-load.js';
import { fillIndex, searchPages } from './search-load.js';

/** Full load until at least so many events are accepted, so that there is something to read. */
export async function fill(bench: Bench, events: number): Promise<void> {
  const producer = await EventLoad.open(bench.installation.logins.nats('producer', 'demo'), bench.ledger, 'demo');
  for (let accepted = 0; accepted < events;) {
    accepted += (await producer.run({ eventsPerRequest: 50, inFlight: 16, seconds: bench.seconds })).events;
    bench.say(`${accepted} events accepted`);
  }
  await producer.close();
  bench.say(`the index is written ${(await indexWritten(bench, 900)).toFixed(0)} s later`);
}

/** What Postgres does after a load by itself, some minutes later: done now, so that it is idle when the sealer is. */
async function cleanUp(bench: Bench): Promise<void> {
  const superuser = new pg.Client(await bench.installation.logins.superuser());
  await superuser.connect();
  const start = performance.now();
  await superuser.query('VACUUM (ANALYZE)');
  await superuser.query('CHECKPOINT');
  await superuser.end();
  bench.say(`Postgres has cleaned up, in ${((performance.now() - start) / 1_000).toFixed(0)} s`);
}

/** Tiles, checkpoints and proofs at a steady rate, beside an idle sealer; the verifier, which sweeps all the time, stands still. */
export async function reads(bench: Bench): Promise<void> {
  const config = path.join(bench.dir, 'config', 'reader-r1.yaml');
  const limits = 'limits: { hashesPerSecond: 100000, hashesBurst: 100000 }';
  writeFileSync(config, `${readFileSync(config, 'utf8')}\n${limits}\n`);
  await bench.installation.service('verifier', 'v1').stop();
  await cleanUp(bench);
  await bench.installation.service('reader', 'r1').stop();
  await bench.installation.startService('reader', 'r1');
  const auditor = new ReadLoad(bench.login(bench.ports.api['reader-r1']!.certificate, 'auditor', 'auditor'));
  const checkpoint = `/log/${bench.ledger}/checkpoint`;
  const size = Number((await auditor.get(checkpoint)).toString().split('\n')[1]);
  bench.say(`reads of a log of ${size} entries`);
  const anyOf = (count: number): number => Math.floor(Math.random() * count);
  const tile = (): string =>
    `/log/${bench.ledger}/${tilePath({ level: 0, number: anyOf(fullTiles(size, 0)), width: TILE_WIDTH })}`;
  const proof = (): string => `/api/${bench.ledger}/proofs/${anyOf(size)}`;
  await auditor.connect(checkpoint);
  for (const [what, pathOf, perSecond, floor] of [
    ['tile GET p99, 2,000 requests/s', tile, 2_000, 20],
    ['checkpoint GET p99, 2,000 requests/s', () => checkpoint, 2_000, 20],
    ['proof GET p99, 100 requests/s', proof, 100, 10],
  ] as const) {
    // Compiled code and the first of the cache are not what is measured.
    await auditor.run(pathOf, perSecond, 3);
    const cpu = { reader: bench.installation.service('reader', 'r1').pid, postgres: bench.installation.postgres.pid };
    const before = { reader: cpuSeconds(cpu.reader), postgres: cpuSeconds(cpu.postgres), own: process.cpuUsage() };
    const { latencies, failed } = await auditor.run(pathOf, perSecond, bench.seconds);
    const own = process.cpuUsage(before.own);
    bench.say(
      `${what}: p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms; cores: ` +
        `reader ${((cpuSeconds(cpu.reader) - before.reader) / bench.seconds).toFixed(2)}, ` +
        `postgres ${((cpuSeconds(cpu.postgres) - before.postgres) / bench.seconds).toFixed(2)}, ` +
        `load ${((own.user + own.system) / 1e6 / bench.seconds).toFixed(2)}`,
    );
    if (failed > 0) throw new Error(`${failed} requests failed: ${what}`);
    bench.add(what, percentile(latencies, 0.99), 'ms', floor, 'less');
  }
  auditor.close();
  await bench.installation.startService('verifier', 'v1');
}

/** Pages of a search on a large index. The last of all: its rows stay in the index. */
export async function searches(bench: Bench, rows: number): Promise<void> {
  const superuser = new pg.Client(await bench.installation.logins.superuser());
  await superuser.connect();
  await fillIndex(superuser, rows);
  await superuser.end();
  const { ssl } = await bench.installation.logins.postgres('ops', 'ops');
  const address = { ...bench.installation.logins.place(), user: 'everseal_reader', tls: ssl as never };
  const latencies = await searchPages(address, rows, 400);
  bench.add(`search page p99, ${rows} rows`, percentile(latencies, 0.99), 'ms', 50, 'less');
}
