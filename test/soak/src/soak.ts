/**
 * One soak: an installation with two of every service under steady load, one disturbance after another, and a judgement at the end.
 *
 *     disturb → all well again? → which alerts came of it? → a moment of quiet → …
 *
 * All is well again when every service runs and is ready, receipts come, what was sealed at the end of the disturbance is cosigned, and
 * no alert is open.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import type { VerifierKey } from '@everseal/audit-core';
import { repositoryRoot, servicesOf, waitUntil, WaitTimeout } from '@everseal/local';
import { InstalledSystem, JournalProducer, LogOracle } from '@everseal/testing';
import { Client } from 'pg';
import { OutsideWatch } from './outside-watch.js';
import { DISTURBANCES, type Disturbance, type Stage } from './disturbances.js';
import { seededRandom, shuffledRounds } from './schedule.js';
import type { Incident, SoakOutcome } from './soak-report.js';
import { readStoredAlerts, runTool, type StoredAlert } from './stored-alerts.js';
import { Supervisor } from './supervisor.js';

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Parts of the names of the only disturbances to run; empty for all. */
  readonly only: readonly string[];
  readonly say: (line: string) => void;
}

const PRODUCERS = ['billing', 'orders'] as const;
/** Each producer: requests in flight, events in each, and the pause after a receipt; about 150 events a second. */
const LOAD = { billing: [1, 2, 40], orders: [3, 2, 60] } as const;
/** Receipts after which events are taken again. */
const RECEIPTS_AGAIN = 20;
const RECOVER_MS = 120_000;
/** Two passes of every sweep at its usual rate; that over the index reads 2,500 entries a second. */
const SWEPT_MS = 900_000;
const QUIET_MS = 1_500;
/** So that the end need not wait long for two whole passes of every sweep. */
const VERIFIER = { sweep: { bodies: 0, index: 0, stored: 0, pauseMs: 200, longestPauseMs: 2_000 } };

export class Soak {
  private readonly random: () => number;
  private readonly supervisor: Supervisor;
  private readonly watch: OutsideWatch;
  private readonly incidents: Incident[] = [];
  private readonly producers: JournalProducer[] = [];
  private readonly seenAlerts = new Set<string>();
  /** By which the producers believe receipts. */
  private readonly ingestKeys: VerifierKey[] = [];
  private loads: Promise<void>[] = [];
  private ending = false;

  private constructor(
    private readonly system: InstalledSystem,
    private readonly options: SoakOptions,
  ) {
    this.random = seededRandom(options.seed);
    this.supervisor = new Supervisor(system.installation);
    this.watch = new OutsideWatch(system.installation.layout.dir);
  }

  static async start(options: SoakOptions): Promise<Soak> {
    const system = await InstalledSystem.start({
      policyFile: path.join(repositoryRoot(), 'test', 'soak', 'soak.yaml'),
      settings: { 'verifier-v1': VERIFIER, 'verifier-v2': VERIFIER },
      settableClocks: true,
    });
    const soak = new Soak(system, options);
    await soak.startLoad();
    return soak;
  }

  async run(): Promise<void> {
    const { only } = this.options;
    const isWanted = (name: string): boolean => only.length === 0 || only.some((part) => name.includes(part));
    const kinds = DISTURBANCES.filter(({ name }) => isWanted(name));
    if (kinds.length === 0) throw new Error(`no disturbance has ${only.join(' or ')} in its name`);
    const ends = performance.now() + this.options.minutes * 60_000;
    await this.untilWell(0);
    for (const disturbance of shuffledRounds(kinds, this.random)) {
      await sleep(QUIET_MS * (0.5 + this.random()));
      if (performance.now() > ends) return;
      this.incidents.push(await this.disturb(disturbance));
    }
  }

  /** Ends the load, waits until everything is sealed, and judges all of it. */
  async judge(date: string, commit: string): Promise<SoakOutcome> {
    const { seed, minutes, say } = this.options;
    this.ending = true;
    await Promise.all(this.loads);
    say('the load has ended; everything is judged');
    const findings: string[] = [];
    const { report, lost, unmarked, unknown, misindexed, ...counts } = await this.askOracle();
    for (const finding of report.findings) findings.push(JSON.stringify(finding));
    for (const [what, which] of Object.entries({ lost, unmarked, unknown, misindexed })) {
      if (which.length > 0) findings.push(`${which.length} events ${what}, the first: ${which[0]}`);
    }
    const journal = this.producers.reduce((sum, producer) => sum + producer.journal.length, 0);
    if (counts.receipted !== journal) findings.push(`${journal - counts.receipted} events have no receipt`);
    if (counts.sealed !== journal + counts.copies) findings.push(`${counts.sealed} events sealed of ${journal} sent`);
    findings.push(...(await this.lastLooks()));
    const attempts = this.producers.reduce((sum, producer) => sum + producer.attempts, 0);
    return { date, commit, seed, minutes, incidents: this.incidents, attempts, ...counts, findings };
  }

  async stop(): Promise<void> {
    this.supervisor.stop();
    await this.watch.stop();
    await Promise.all(this.producers.map((producer) => producer.close()));
    await this.system.stop();
  }

  private async startLoad(): Promise<void> {
    const { installation, ledger, origin, keys } = this.system;
    this.ingestKeys.push(...keys.ingest);
    for (const producer of PRODUCERS) {
      const source = `https://${producer}.example.com/soak`;
      const login = installation.logins.nats('producer', producer);
      this.producers.push(
        await JournalProducer.open({ login, ledger, producer, origin, ingestKeys: this.ingestKeys, source }),
      );
    }
    this.loads = this.producers.map((producer, i) => producer.load(...loadOf(PRODUCERS[i]!, () => this.ending)));
  }

  private async disturb({ name, alerts: allowed, act }: Disturbance): Promise<Incident> {
    const { say } = this.options;
    let [what, problem, recoveredMs]: [string, string, number | null] = ['', '', null];
    let stops: readonly string[] = [];
    try {
      ({ what, stops } = await act(this.stage));
      say(`${name}: ${what}`);
      const over = performance.now();
      await this.untilWell(RECEIPTS_AGAIN);
      recoveredMs = performance.now() - over;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
      if (what === '') what = 'not carried out';
    }
    const raised = await this.newlyRaised();
    const expected = raised.filter(({ code }) => allowed.includes(code)).map(({ said }) => said);
    const unexpected = raised.filter(({ code }) => !allowed.includes(code)).map(({ said }) => said);
    const ended = this.supervisor.take().filter(({ id }) => !stops.includes(id));
    const incident: Incident = {
      name,
      what,
      recoveredMs,
      problem,
      expected,
      unexpected,
      stopped: ended.map(({ id, lastWords }) => `${id}: ${lastWords}`),
    };
    say(
      recoveredMs === null
        ? `  NOT well again: ${problem}`
        : `  well again after ${(recoveredMs / 1_000).toFixed(1)} s`,
    );
    for (const alert of unexpected) say(`  FALSE ALARM ${alert}`);
    for (const service of incident.stopped) say(`  STOPPED BY ITSELF ${service}`);
    return incident;
  }

  private get stage(): Stage {
    return {
      system: this.system,
      random: this.random,
      unsupervised: (id, work) => this.supervisor.leaving(id, work),
      trustIngest: (key) => void this.ingestKeys.push(key),
      standing: async () => (await this.standing()) ?? [],
    };
  }

  /** Resolves when all is well, see the head of this file. @throws WaitTimeout that says what is not */
  private async untilWell(receipts: number): Promise<void> {
    const [wanted, size] = [this.receipts + receipts, await this.sealedSize()];
    const deadline = performance.now() + RECOVER_MS;
    for (;;) {
      const problem = await this.notWell(wanted, size);
      if (problem === null) return;
      if (performance.now() > deadline) throw new WaitTimeout(problem);
      await sleep(100);
    }
  }

  private async notWell(wantedReceipts: number, size: number): Promise<string | null> {
    if (!this.supervisor.allRun) return 'a service does not run';
    for (const { service, name, id } of servicesOf(this.system.installation.policy)) {
      const said = await this.system.ask(service, name, '/ready').catch((error: Error) => error.message);
      if (!said.includes('"status":"ready"')) return `${id} is not ready: ${said}`;
    }
    if (this.receipts < wantedReceipts) return `${wantedReceipts - this.receipts} receipts are missing`;
    const cosigned = await this.cosignedSize();
    if (cosigned < size) return `cosigned up to ${cosigned}, wanted ${size}`;
    const standing = await this.standing();
    if (standing === null) return 'the alerts cannot be read';
    if (standing.length > 0) return `open alerts: ${standing.join(', ')}`;
    return this.watch.standing.length > 0 ? `the outside watcher says ${this.watch.standing.join(', ')}` : null;
  }

  private get receipts(): number {
    return this.producers.reduce((sum, producer) => sum + producer.receipts, 0);
  }

  /** Codes of the open alerts; null while they cannot be read. */
  private async standing(): Promise<string[] | null> {
    const stored = await readStoredAlerts(this.system.installation.layout.dir);
    if (!stored) return null;
    const cleared = new Set(stored.alerts.map(({ source, clears }) => `${source} ${clears}`));
    const isOpen = ({ state, source, number }: StoredAlert): boolean =>
      state === 'raised' && !cleared.has(`${source} ${number}`);
    return stored.alerts.filter(isOpen).map(({ code }) => code);
  }

  /** By services since the last call, and what the outside watcher has seen beside that. */
  private async newlyRaised(): Promise<{ code: string; said: string }[]> {
    const stored = await readStoredAlerts(this.system.installation.layout.dir);
    const raised = stored?.alerts.filter(({ state }) => state === 'raised') ?? [];
    const fresh = raised.filter(({ source, number }) => !this.seenAlerts.has(`${source} ${number}`));
    for (const { source, number } of fresh) this.seenAlerts.add(`${source} ${number}`);
    const noticed = this.watch.takeNoticed().filter(({ code }) => !raised.some((alert) => alert.code === code));
    return [
      ...fresh.map((alert) => ({ code: alert.code, said: described(alert) })),
      ...noticed.map(({ code, detail }) => ({ code, said: `${code} by the outside watcher: ${detail}` })),
    ];
  }

  /** Postgres may be away: then 0, and what is asked for comes later. */
  private async sealedSize(): Promise<number> {
    return this.number(
      'SELECT size FROM everseal.ledger_head JOIN everseal.ledger USING (ledger_id) WHERE origin = $1',
    );
  }

  private async cosignedSize(): Promise<number> {
    return this.number(
      'SELECT max(size) AS size FROM everseal.cosignature JOIN everseal.ledger USING (ledger_id) WHERE origin = $1',
    );
  }

  private async number(query: string): Promise<number> {
    const client = new Client(await this.system.installation.logins.postgres('ops', 'ops'));
    client.on('error', () => {}); // a connection that is cut gives no number, as below
    try {
      await client.connect();
      const { rows } = await client.query<{ size: string | null }>(query, [this.system.origin]);
      return Number(rows[0]?.size ?? 0);
    } catch {
      return 0;
    } finally {
      await client.end().catch(() => {});
    }
  }

  private async askOracle(): ReturnType<LogOracle['judge']> {
    const oracle = await LogOracle.open(
      await this.system.installation.logins.postgres('ops', 'ops'),
      this.system.trust,
    );
    try {
      await oracle.caughtUp(
        this.producers.flatMap(({ journal }) => journal),
        RECOVER_MS,
      );
      await oracle.cosigned(RECOVER_MS);
      return await oracle.judge(Object.fromEntries(this.producers.map(({ journal }, i) => [PRODUCERS[i]!, journal])));
    } finally {
      await oracle.close();
    }
  }

  /** Two whole passes of every sweep of every verifier, the operator's own check, and the alerts once more. */
  private async lastLooks(): Promise<string[]> {
    const { installation } = this.system;
    const verifiers = installation.policy.verifiers.map(({ name }) => name);
    const sweeps = verifiers.flatMap((name) => ['bodies', 'index', 'stored'].map((sweep) => ({ name, sweep })));
    await Promise.all(
      sweeps.map(async ({ name, sweep }) => {
        const passes = (): Promise<number> =>
          this.system.metric('verifier', name, `everseal_sweep_${sweep}_passes_total`);
        const wanted = (await passes()) + 2;
        const what = `two passes of the ${sweep} sweep of verifier ${name}`;
        await waitUntil(async () => (await passes()) >= wanted, { what, timeoutMs: SWEPT_MS, everyMs: 500 });
      }),
    );
    const { code, out, err } = await runTool(installation.layout.dir, ['verify', '--json']);
    const stored = await readStoredAlerts(installation.layout.dir);
    const late = (await this.newlyRaised()).map(({ said }) => `alert at the end: ${said}`);
    return [
      ...(code === 0 ? [] : [`everseal verify says ${code}: ${out}${err}`]),
      ...(stored === null || stored.open > 0 ? [`${stored?.open ?? 'unknown'} alerts open at the end`] : []),
      ...(stored?.odd ?? []),
      ...late,
    ];
  }
}

function loadOf(producer: (typeof PRODUCERS)[number], isOver: () => boolean): Parameters<JournalProducer['load']> {
  const [events, inFlight, pauseMs] = LOAD[producer];
  return [events, inFlight, isOver, pauseMs];
}

function described({ code, source, detail }: StoredAlert): string {
  return `${code} by ${source}: ${detail}`;
}
