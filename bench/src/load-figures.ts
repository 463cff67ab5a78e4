/** Events through the whole system: full load, single events, and steady loads that do not wait for answers. */
import { EVENT_PATH, type Bench } from './bench.js';
import { EventLoad, type LoadPlan, type LoadResult } from './event-load.js';
import { median, percentile } from './figures.js';
import { indexWritten, settle } from './index-written.js';
import { cpuSeconds, peakMegabytes } from './machine.js';
import { NO_SWEEPS, restartVerifier } from './restart-verifier.js';
import { reachedAt, SealWatch } from './seal-watch.js';
import { TailWatch } from './tail-watch.js';

interface LoadRun {
  readonly result: LoadResult;
  /** Sealed events a second, from the first submit to the last event's block committed. */
  readonly sealedPerSecond: number;
  readonly sealMs: number[];
  readonly cosignMs: number[];
  readonly latencies: number[];
}

/** Of the same load, before it is measured. */
const WARM_UP_SECONDS = 3;

export async function load(bench: Bench): Promise<void> {
  const watch = await SealWatch.open(
    await bench.installation.logins.postgres('ops', 'ops'),
    bench.installation.logins.nats('ops', 'ops'),
    bench.ledger,
    'a',
  );
  const producer = await EventLoad.open(bench.installation.logins.nats('producer', 'demo'), bench.ledger, 'demo');
  const run = async (what: string, plan: LoadPlan): Promise<LoadRun> => {
    const cpu = EVENT_PATH.map(([service, name]) => cpuSeconds(bench.installation.service(service, name).pid));
    const engines = [bench.installation.nats.pid, bench.installation.postgres.pid].map(cpuSeconds);
    const own = process.cpuUsage();
    const start = performance.now();
    const result = await producer.run(plan);
    const last = Math.max(0, ...result.samples.map((sample) => sample.frame));
    if (!(await watch.untilSealed(last, 60_000))) throw new Error(`frame ${last} was not sealed within a minute`);
    const seconds = (reachedAt(watch.sealed, last) - start) / 1_000;
    if (!(await watch.untilCosigned(last, 60_000))) throw new Error(`frame ${last} was not cosigned within a minute`);
    const used = [
      ...EVENT_PATH.map(([service, name], i) => {
        return `${service} ${((cpuSeconds(bench.installation.service(service, name).pid) - cpu[i]!) / seconds).toFixed(2)}`;
      }),
      ...['nats', 'postgres'].map((engine, i) => {
        const pid = i === 0 ? bench.installation.nats.pid : bench.installation.postgres.pid;
        return `${engine} ${((cpuSeconds(pid) - engines[i]!) / seconds).toFixed(2)}`;
      }),
      `load ${((process.cpuUsage(own).user + process.cpuUsage(own).system) / 1e6 / seconds).toFixed(2)}`,
    ];
    const sealedPerSecond = result.events / seconds;
    const latencies = result.samples.map((sample) => sample.received - sample.sent);
    // No answer is the longest wait of all.
    for (let i = 0; i < result.unanswered; i++) latencies.push(Infinity);
    bench.say(
      `${what}: ${Math.round(result.events / result.seconds)}/s accepted, ${Math.round(sealedPerSecond)}/s sealed, ` +
        `${result.refused} refused, ${result.unanswered} without an answer, p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms; ` +
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
  // Every kind of load runs before it is measured, for processes that have not met it are slower, a verifier that was just started most of all.
  const warmUp = (what: string, plan: LoadPlan): Promise<LoadRun> =>
    run(`${what}, warm-up`, { ...plan, seconds: Math.min(WARM_UP_SECONDS, plan.seconds) });
  const repeat = async (what: string, plan: LoadPlan): Promise<LoadRun[]> => {
    const runs: LoadRun[] = [];
    for (let i = 0; i < bench.runs; i++) runs.push(await run(`${what}, run ${i + 1}`, plan));
    return runs;
  };
  const rate = (runs: readonly LoadRun[]): number => median(runs.map((r) => r.sealedPerSecond));
  const p = (runs: readonly LoadRun[], of: (r: LoadRun) => number[], share: number): number =>
    median(runs.map((r) => percentile(of(r), share)));

  const fullLoad = { eventsPerRequest: 50, inFlight: 16, seconds: bench.seconds };
  await warmUp('50 events a request, 16 in flight', fullLoad);
  const tail = await TailWatch.open(
    await bench.installation.logins.postgres('ops', 'ops'),
    bench.operations('verifier', 'v1'),
    bench.origin,
  );
  const full = await repeat('50 events a request, 16 in flight', fullLoad);
  const judgedMs = await tail.stop();
  const inserts = bench.figures.find(({ figure }) => figure.includes('32 connections'))!.value;
  bench.add('sealed, 50 events a request, 16 in flight', rate(full), 'events/s', 30_000);
  bench.add('the same as a multiple of audit row INSERT, 32 connections', rate(full) / inserts, '×', 7);
  bench.add(
    'accept p99 at that load',
    p(full, (r) => r.latencies, 0.99),
    'ms',
    60,
    'less',
  );
  bench.add(
    'accepted to sealed p99 at that load',
    p(full, (r) => r.sealMs, 0.99),
    'ms',
    500,
    'less',
  );
  bench.add(
    'accepted to cosigned p99 at that load',
    p(full, (r) => r.cosignMs, 0.99),
    'ms',
    2_000,
    'less',
  );
  bench.add('sealed to judged by the verifier p99 at that load', judgedMs, 'ms', 5_000, 'less');
  bench.add('event index written after the end of that load', await indexWritten(bench), 's', 5, 'less');
  const memory = EVENT_PATH.map(([service, name]) => peakMegabytes(bench.installation.service(service, name).pid));
  for (const [i, [service]] of EVENT_PATH.entries())
    bench.add(`peak memory, ${service}`, memory[i]!, 'MB', 400, 'less');

  await restartVerifier(bench, NO_SWEEPS);
  await warmUp('the same without sweeps', fullLoad);
  const unswept = await repeat('the same without sweeps', fullLoad);
  bench.add('sealed at that load, as a multiple of the same without sweeps', rate(full) / rate(unswept), '×', 0.9);
  await restartVerifier(bench, null);

  // Full load leaves the event index behind: what writes it belongs to that figure, not to the next ones.
  await settle(bench);
  const singleEvents = { eventsPerRequest: 1, inFlight: 256, seconds: bench.seconds };
  await warmUp('single events, 256 in flight', singleEvents);
  const single = await repeat('single events, 256 in flight', singleEvents);
  bench.add('sealed, single events, 256 in flight', rate(single), 'events/s', 12_000);
  await settle(bench);
  const lightLoad = { eventsPerRequest: 1, requestsPerSecond: 1_000, seconds: bench.seconds };
  await warmUp('1,000 single events/s', lightLoad);
  const light = await repeat('1,000 single events/s', lightLoad);
  bench.add(
    'accept p50, open loop, 1,000 single events/s',
    p(light, (r) => r.latencies, 0.5),
    'ms',
    4,
    'less',
  );
  bench.add(
    'accept p99, open loop, 1,000 single events/s',
    p(light, (r) => r.latencies, 0.99),
    'ms',
    15,
    'less',
  );
  const steadyLoad = { eventsPerRequest: 50, requestsPerSecond: 300, seconds: bench.seconds };
  await warmUp('15,000 events/s', steadyLoad);
  const steady = await repeat('15,000 events/s', steadyLoad);
  bench.add(
    'accept p50, open loop, 15,000 events/s',
    p(steady, (r) => r.latencies, 0.5),
    'ms',
    8,
    'less',
  );
  bench.add(
    'accept p99, open loop, 15,000 events/s',
    p(steady, (r) => r.latencies, 0.99),
    'ms',
    40,
    'less',
  );
  bench.add(
    'accepted to sealed p99, 15,000 events/s',
    p(steady, (r) => r.sealMs, 0.99),
    'ms',
    500,
    'less',
  );
  await producer.close();
  await watch.stop();
}
