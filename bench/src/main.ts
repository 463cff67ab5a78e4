/**
 * `npm run bench`: the whole system on this machine, everything on (TLS 1.3 on every hop, sync_interval always, fsync,
 * three secondary indexes, the verifier running), 386-byte CloudEvents; and in the same run what people do today.
 *
 *   npm run bench                  all figures, about four minutes
 *   npm run bench -- --quick       one short run of each, for a look
 *   npm run bench -- --reads       the read API alone, after a few seconds of load; --rows 10000000 for a search on as many
 *   npm run bench -- --json        one JSON object a figure
 *   npm run bench -- --markdown    the table of README.md
 *
 * Throughput figures are medians of three runs; the floors are those of the project's plan for a machine with two cores.
 */

import { rmSync, writeFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fullTiles, leafHash, LogState, TILE_WIDTH, tilePath } from '@everseal/audit-core';
import { LocalInstallation, freePorts } from '@everseal/local';
import { readPolicy } from '@everseal/policy';
import pg from 'pg';
import { AUDIT_TABLE, insertEach, insertMany } from './baselines.js';
import { EVENT_BYTES, EventLoad, sampleEvent, type LoadPlan, type LoadResult } from './event-load.js';
import { asJson, asMarkdown, asTable, median, percentile, type Figure } from './figures.js';
import { publishBaseline } from './jetstream-baseline.js';
import { cpuSeconds, peakMegabytes } from './machine.js';
import { metric, type MetricsLogin } from './metrics.js';
import { readLoad, readOnce } from './read-load.js';
import { reachedAt, SealWatch } from './seal-watch.js';
import { fillIndex, searchPages } from './search-load.js';
import { TailWatch } from './tail-watch.js';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    markdown: { type: 'boolean' },
    quick: { type: 'boolean' },
    reads: { type: 'boolean' },
    rows: { type: 'string', default: '1000000' },
    keep: { type: 'boolean' },
  },
});
const RUNS = options.quick ? 1 : 3;
const SECONDS = options.quick ? 3 : 8;
const LEDGER = 'main';
const ORIGIN_SERVICES = [
  ['ingest', 'a'],
  ['sealer', 's1'],
  ['verifier', 'v1'],
] as const;

const figures: Figure[] = [];
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const add = (
  figure: string,
  value: number,
  unit: string,
  floor: number | null,
  better: 'more' | 'less' = 'more',
): void => {
  figures.push({ figure, value, unit, floor, better });
  if (options.json) console.log(asJson(figures.at(-1)!));
};

const root = path.resolve(import.meta.dirname, '../../..');
const dir = path.join(root, '.everseal', 'bench');
rmSync(dir, { recursive: true, force: true });
const policyFile = path.join(root, 'everseal.yaml');
const policy = readPolicy(policyFile);
const ORIGIN = `${policy.domain}/${LEDGER}`;
const ports = await freePorts(policy);
const installation = LocalInstallation.open({ dir, policyFile, ports, say });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop().then(() => process.exit(1)));
let exitCode = 0;
try {
  await installation.start();
  if (options.reads) {
    await fill();
    await reads();
  } else {
    await baselines();
    await load();
    await stored();
    await reads();
    await sweeps();
  }
  await searches();
  if (!options.json) console.log(`\n${options.markdown ? asMarkdown(figures) : asTable(figures)}`);
} catch (error) {
  console.error(error);
  exitCode = 1;
}
await stop();
process.exit(exitCode);

async function stop(): Promise<void> {
  await installation.stop();
  if (!options.keep) rmSync(dir, { recursive: true, force: true });
}

/** One audit row per INSERT, many rows per INSERT, one JetStream message per event: the same event, the same disk. */
async function baselines(): Promise<void> {
  say('baselines: audit rows in Postgres, plain JetStream publish');
  const event = sampleEvent();
  const admin = await installation.logins.superuser('postgres');
  const setup = new pg.Client(admin);
  await setup.connect();
  await setup.query('CREATE DATABASE baseline');
  await setup.end();
  const database = await installation.logins.superuser('baseline');
  const table = new pg.Client(database);
  await table.connect();
  await table.query(AUDIT_TABLE);
  const seconds = Math.max(2, SECONDS / 2);
  add('baseline: audit row INSERT, 1 connection', await insertEach(database, 1, seconds, event), 'events/s', null);
  add('baseline: audit row INSERT, 32 connections', await insertEach(database, 32, seconds, event), 'events/s', null);
  add('baseline: INSERT of 500 rows', await insertMany(database, 500, seconds, event), 'events/s', null);
  await table.query('DROP TABLE audit_row');
  await table.query('CHECKPOINT');
  await table.end();
  const tls = installation.logins.nats('ops', 'ops');
  add(
    'baseline: JetStream publish with fsync, 256 in flight',
    await publishBaseline(dir, tls, seconds, event),
    'events/s',
    null,
  );
}

interface LoadRun {
  readonly result: LoadResult;
  /** Sealed events a second, from the first submit to the last event's block committed. */
  readonly sealedPerSecond: number;
  readonly sealMs: number[];
  readonly cosignMs: number[];
  readonly latencies: number[];
}

async function load(): Promise<void> {
  const watch = await SealWatch.open(
    await installation.logins.postgres('ops', 'ops'),
    installation.logins.nats('ops', 'ops'),
    LEDGER,
    'a',
  );
  const producer = await EventLoad.open(installation.logins.nats('producer', 'demo'), LEDGER, 'demo');
  const run = async (what: string, plan: LoadPlan): Promise<LoadRun> => {
    const cpu = ORIGIN_SERVICES.map(([service, name]) => cpuSeconds(installation.service(service, name).pid));
    const engines = [installation.nats.pid, installation.postgres.pid].map(cpuSeconds);
    const own = process.cpuUsage();
    const start = performance.now();
    const result = await producer.run(plan);
    const last = Math.max(0, ...result.samples.map((sample) => sample.frame));
    if (!(await watch.untilSealed(last, 60_000))) throw new Error(`frame ${last} was not sealed within a minute`);
    const seconds = (performance.now() - start) / 1_000;
    if (!(await watch.untilCosigned(last, 60_000))) throw new Error(`frame ${last} was not cosigned within a minute`);
    const used = [
      ...ORIGIN_SERVICES.map(([service, name], i) => {
        return `${service} ${((cpuSeconds(installation.service(service, name).pid) - cpu[i]!) / seconds).toFixed(2)}`;
      }),
      ...['nats', 'postgres'].map((engine, i) => {
        const pid = i === 0 ? installation.nats.pid : installation.postgres.pid;
        return `${engine} ${((cpuSeconds(pid) - engines[i]!) / seconds).toFixed(2)}`;
      }),
      `load ${((process.cpuUsage(own).user + process.cpuUsage(own).system) / 1e6 / seconds).toFixed(2)}`,
    ];
    const sealedPerSecond = result.events / seconds;
    const latencies = result.samples.map((sample) => sample.received - sample.sent);
    say(
      `${what}: ${Math.round(result.events / result.seconds)}/s accepted, ${Math.round(sealedPerSecond)}/s sealed, ` +
        `${result.refused} refused, p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms; ` +
        `cores: ${used.join(', ')}`,
    );
    return {
      result,
      sealedPerSecond,
      latencies,
      sealMs: result.samples.map((sample) => reachedAt(watch.sealed, sample.frame) - sample.received),
      cosignMs: result.samples.map((sample) => reachedAt(watch.cosigned, sample.frame) - sample.received),
    };
  };
  const repeat = async (what: string, plan: LoadPlan): Promise<LoadRun[]> => {
    const runs: LoadRun[] = [];
    for (let i = 0; i < RUNS; i++) runs.push(await run(`${what}, run ${i + 1}`, plan));
    return runs;
  };
  const rate = (runs: readonly LoadRun[]): number => median(runs.map((r) => r.sealedPerSecond));
  const p = (runs: readonly LoadRun[], of: (r: LoadRun) => number[], share: number): number =>
    median(runs.map((r) => percentile(of(r), share)));

  await run('warm-up', { eventsPerRequest: 50, inFlight: 16, seconds: 3 });
  const tail = await TailWatch.open(await installation.logins.postgres('ops', 'ops'), verifierLogin(), ORIGIN);
  const full = await repeat('50 events a request, 16 in flight', {
    eventsPerRequest: 50,
    inFlight: 16,
    seconds: SECONDS,
  });
  const judgedMs = await tail.stop();
  const inserts = figures.find(({ figure }) => figure.includes('32 connections'))!.value;
  add('sealed, 50 events a request, 16 in flight', rate(full), 'events/s', 30_000);
  add('the same as a multiple of audit row INSERT, 32 connections', rate(full) / inserts, '×', 7);
  add(
    'accept p99 at that load',
    p(full, (r) => r.latencies, 0.99),
    'ms',
    60,
    'less',
  );
  add(
    'accepted to sealed p99 at that load',
    p(full, (r) => r.sealMs, 0.99),
    'ms',
    500,
    'less',
  );
  add(
    'accepted to cosigned p99 at that load',
    p(full, (r) => r.cosignMs, 0.99),
    'ms',
    2_000,
    'less',
  );
  add('sealed to judged by the verifier p99 at that load', judgedMs, 'ms', 5_000, 'less');
  add('event index written after the end of that load', await indexWritten(), 's', 5, 'less');
  const memory = ORIGIN_SERVICES.map(([service, name]) => peakMegabytes(installation.service(service, name).pid));
  for (const [i, [service]] of ORIGIN_SERVICES.entries()) add(`peak memory, ${service}`, memory[i]!, 'MB', 400, 'less');

  const single = await repeat('single events, 256 in flight', { eventsPerRequest: 1, inFlight: 256, seconds: SECONDS });
  add('sealed, single events, 256 in flight', rate(single), 'events/s', 12_000);
  await settle();
  const light = await repeat('1,000 single events/s', {
    eventsPerRequest: 1,
    requestsPerSecond: 1_000,
    seconds: SECONDS,
  });
  add(
    'accept p50, open loop, 1,000 single events/s',
    p(light, (r) => r.latencies, 0.5),
    'ms',
    4,
    'less',
  );
  add(
    'accept p99, open loop, 1,000 single events/s',
    p(light, (r) => r.latencies, 0.99),
    'ms',
    15,
    'less',
  );
  const steady = await repeat('15,000 events/s', { eventsPerRequest: 50, requestsPerSecond: 300, seconds: SECONDS });
  add(
    'accept p50, open loop, 15,000 events/s',
    p(steady, (r) => r.latencies, 0.5),
    'ms',
    8,
    'less',
  );
  add(
    'accept p99, open loop, 15,000 events/s',
    p(steady, (r) => r.latencies, 0.99),
    'ms',
    40,
    'less',
  );
  add(
    'accepted to sealed p99, 15,000 events/s',
    p(steady, (r) => r.sealMs, 0.99),
    'ms',
    500,
    'less',
  );
  await producer.close();
  await watch.stop();
}

/** Waits until the event index, which follows sealing, has come to the end. @returns seconds that took */
async function indexWritten(): Promise<number> {
  const client = new pg.Client(await installation.logins.postgres('ops', 'ops'));
  await client.connect();
  const start = performance.now();
  for (;;) {
    const { rows } = await client.query<{ behind: string }>(
      'SELECT sum(h.size - i.position) AS behind FROM everseal.ledger_head h JOIN everseal.index_head i USING (ledger_id)',
    );
    const seconds = (performance.now() - start) / 1_000;
    if (Number(rows[0]!.behind) < 16 || seconds > 60) {
      await client.end();
      return seconds;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ends what full load has left to do, in Postgres above all: the open-loop figures are those of their own load. */
async function settle(): Promise<void> {
  await indexWritten();
  const client = new pg.Client(await installation.logins.superuser());
  await client.connect();
  await client.query('VACUUM (ANALYZE)');
  await client.query('CHECKPOINT');
  await client.end();
}

/** Every byte of every table and index, for each event. */
async function stored(): Promise<void> {
  await indexWritten();
  const client = new pg.Client(await installation.logins.superuser());
  await client.connect();
  await client.query('VACUUM everseal.event_index');
  const { rows } = await client.query<{ bytes: string; events: string }>(`
    SELECT (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'everseal' AND c.relkind IN ('r', 'p')) AS bytes,
           (SELECT count(*) FROM everseal.event_index) AS events`);
  await client.end();
  const { bytes, events } = rows[0]!;
  add(
    'stored bytes an event, all tables and indexes, as a multiple of its size',
    Number(bytes) / Number(events) / EVENT_BYTES,
    '×',
    2.6,
    'less',
  );
}

/** Some seconds of full load, so that there is something to read. */
async function fill(): Promise<void> {
  const producer = await EventLoad.open(installation.logins.nats('producer', 'demo'), LEDGER, 'demo');
  await producer.run({ eventsPerRequest: 50, inFlight: 16, seconds: SECONDS });
  await producer.close();
  await indexWritten();
}

/** Tiles, checkpoints and proofs at a steady rate, beside an idle sealer. */
async function reads(): Promise<void> {
  const config = path.join(dir, 'config', 'reader-r1.yaml');
  const limits = 'limits: { hashesPerSecond: 100000, hashesBurst: 100000 }';
  writeFileSync(config, `${readFileSync(config, 'utf8')}\n${limits}\n`);
  await installation.service('reader', 'r1').stop();
  await installation.startService('reader', 'r1');
  const login = {
    port: ports.api['reader-r1']!.certificate,
    ...requireCa(installation.logins.certificate('auditor', 'auditor')),
  };
  const size = Number((await readOnce(login, `/log/${LEDGER}/checkpoint`)).split('\n')[1]);
  const anyOf = (count: number): number => Math.floor(Math.random() * count);
  const tile = (): string =>
    `/log/${LEDGER}/${tilePath({ level: 0, number: anyOf(fullTiles(size, 0)), width: TILE_WIDTH })}`;
  const proof = (): string => `/api/${LEDGER}/proofs/${anyOf(size)}`;
  for (const [what, pathOf, perSecond, floor] of [
    ['tile GET p99, 2,000 requests/s', tile, 2_000, 20],
    ['checkpoint GET p99, 2,000 requests/s', () => `/log/${LEDGER}/checkpoint`, 2_000, 20],
    ['proof GET p99, 100 requests/s', proof, 100, 10],
  ] as const) {
    await readLoad(login, pathOf, perSecond / 4, 1);
    const { latencies, failed } = await readLoad(login, pathOf, perSecond, SECONDS);
    if (failed > 0) throw new Error(`${failed} requests failed: ${what}`);
    add(what, percentile(latencies, 0.99), 'ms', floor, 'less');
  }
}

/** Pages of a search on a large index. The last of all: its rows stay in the index. */
async function searches(): Promise<void> {
  const rows = Number(options.rows);
  const superuser = new pg.Client(await installation.logins.superuser());
  await superuser.connect();
  await fillIndex(superuser, rows);
  await superuser.end();
  const { ssl } = await installation.logins.postgres('ops', 'ops');
  const address = { ...installation.logins.place(), user: 'everseal_reader', tls: ssl as never };
  const latencies = await searchPages(address, rows, 400);
  add(`search page p99, ${rows} rows`, percentile(latencies, 0.99), 'ms', 50, 'less');
}

/** The verifier alone over what was just stored, each sweep by itself at full speed; then a first pass, signatures and all. */
async function sweeps(): Promise<void> {
  await installation.service('ingest', 'a').stop();
  await installation.service('sealer', 's1').stop();
  await sweep('bodies', 250_000);
  await sweep('index', 40_000);
  await installation.service('verifier', 'v1').stop();
  await firstPass();
}

function verifierLogin(): MetricsLogin {
  const port = ports.operations['verifier-v1']!;
  return { port, ...requireCa(installation.logins.certificate('ops', 'ops')) };
}

async function sweep(name: 'bodies' | 'index', floor: number): Promise<void> {
  const config = path.join(dir, 'config', 'verifier-v1.yaml');
  const usual = readFileSync(config, 'utf8');
  // One entry a second: as good as off.
  const rates = ['bodies', 'index', 'stored'].map((other) => `  ${other}: ${other === name ? 0 : 1}\n`).join('');
  writeFileSync(config, `${usual}\nsweep:\n${rates}  pauseMs: 600000\n`);
  await installation.service('verifier', 'v1').stop();
  await installation.startService('verifier', 'v1');
  writeFileSync(config, usual);
  const login = verifierLogin();
  for (const deadline = Date.now() + 300_000; (await metric(login, `everseal_sweep_${name}_passes_total`)) < 1;) {
    if (Date.now() > deadline) throw new Error(`the ${name} sweep did not end within five minutes`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const entries = await metric(login, `everseal_sweep_${name}_entries`);
  const seconds = await metric(login, `everseal_sweep_${name}_seconds`);
  add(`sweep of ${name}`, entries / seconds, 'entries/s', floor);
}

/**
 * A reader's first pass with every check, over the blocks of full load and over those of light load, whose frames hold a
 * few events: there the price of a frame shows.
 */
async function firstPass(): Promise<void> {
  const origin = `${installation.policy.domain}/${LEDGER}`;
  const client = new pg.Client(await installation.logins.postgres('ops', 'ops'));
  await client.connect();
  const genesis = readFileSync(installation.keys.genesis(LEDGER));
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
  add('first pass, events with every check, full load', large.events / large.seconds, 'events/s', null);
  add('first pass, frame signatures, light load', small.frames / small.seconds, 'frames/s', 5_000);
}

function requireCa(files: { certFile: string; keyFile: string; caFile: string }): Omit<MetricsLogin, 'port'> {
  return { certFile: files.certFile, keyFile: files.keyFile, caFile: files.caFile };
}
