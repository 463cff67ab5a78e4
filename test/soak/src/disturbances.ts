/**
 * What may happen to an installation in a good month and must raise nothing, and what each may raise all the same: the table that a run
 * is judged by.
 *
 * | field | meaning |
 * | --- | --- |
 * | `alerts` | verdicts that may come of it, from services or the outside watcher; they must be cleared again by themselves |
 * | `stops` | services that may end by themselves (a supervisor starts them again), by id |
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseVkey, type VerifierKey } from '@everseal/audit-core';
import { OPERATOR, servicesOf, waitUntil, type ServiceInstance, type ServiceKind } from '@everseal/local';
import type { InstalledSystem } from '@everseal/testing';
import { Client } from 'pg';
import { runTool } from './stored-alerts.js';

/** What a disturbance works on. */
export interface Stage {
  readonly system: InstalledSystem;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Runs `work` while the supervisor leaves this service alone. */
  readonly unsupervised: (id: string, work: () => Promise<void>) => Promise<void>;
  /** Has the producers believe receipts by this key, too, as their operators would. */
  readonly trustIngest: (key: VerifierKey) => void;
  /** The verdicts that stand now, as far as is known. */
  readonly standing: () => Promise<readonly string[]>;
}

export interface Disturbance {
  readonly name: string;
  readonly alerts: readonly string[];
  /** Ends when the disturbance is over; whether all is well again is looked at afterwards. Returns what exactly was done. */
  readonly act: (stage: Stage) => Promise<Done>;
}

export interface Done {
  readonly what: string;
  readonly stops: readonly string[];
}

const HOUR_MS = 3_600_000;
/** A wrong clock stays until it was noticed, and no longer than this. */
const STEP_HELD_MS = 25_000;
/** Long enough for every look of the guards to fall into it at least now and then. */
const STEP_LEAST_MS = 6_000;
const PAUSE_LEAST_MS = 2_000;
const PAUSE_MOST_MS = 8_000;
const FAILOVER_MS = 60_000;

export const DISTURBANCES: readonly Disturbance[] = [
  ...kinds().flatMap((kind) => [restart(kind, 'SIGTERM'), restart(kind, 'SIGKILL')]),
  pause('ingest'),
  pause('verifier'),
  { name: 'failover: the sealing sealer stands still until the other one seals', alerts: [], act: failover },
  { name: 'Postgres restarts (fast shutdown)', alerts: [], act: (stage) => restartPostgres(stage, 'SIGINT') },
  { name: 'kill -9 of Postgres', alerts: [], act: (stage) => restartPostgres(stage, 'SIGKILL') },
  { name: 'nats-server restarts (SIGTERM)', alerts: [], act: (stage) => restartNats(stage, 'SIGTERM') },
  { name: 'kill -9 of nats-server', alerts: [], act: (stage) => restartNats(stage, 'SIGKILL') },
  { name: 'every certificate is renewed', alerts: [], act: renewCertificates },
  { name: 'the deploy step runs again', alerts: [], act: deployAgain },
  { name: 'the log key is rotated', alerts: [], act: rotateLogKey },
  rotateKey('ingest'),
  rotateKey('verifier'),
  ...kinds().flatMap((kind) => [stepClock(kind, HOUR_MS), stepClock(kind, -HOUR_MS)]),
];

function kinds(): ServiceKind[] {
  return ['ingest', 'sealer', 'verifier'];
}

function restart(kind: ServiceKind, signal: 'SIGTERM' | 'SIGKILL'): Disturbance {
  const name = signal === 'SIGKILL' ? `kill -9 of one ${kind}` : `one ${kind} restarts (SIGTERM)`;
  return {
    name,
    alerts: [],
    act: async (stage) => {
      const { service, name: instance, id } = one(stage, kind);
      await stage.unsupervised(id, async () => {
        const running = stage.system.installation.service(service, instance);
        if (signal === 'SIGKILL') running.kill('SIGKILL');
        else await running.stop();
        await running.exited;
        await stage.system.installation.startService(service, instance);
      });
      return { what: id, stops: [] };
    },
  };
}

/** A process that gets no processor for a while: a busy machine, a snapshot, a debugger. */
function pause(kind: 'ingest' | 'verifier'): Disturbance {
  return {
    name: `one ${kind} stands still for some seconds`,
    alerts: [],
    act: async (stage) => {
      const { service, name, id } = one(stage, kind);
      const running = stage.system.installation.service(service, name);
      running.kill('SIGSTOP');
      await sleep(PAUSE_LEAST_MS + stage.random() * (PAUSE_MOST_MS - PAUSE_LEAST_MS));
      running.kill('SIGCONT');
      return { what: id, stops: [] };
    },
  };
}

/** The paused one wakes without its lease and has to stop: what it remembers is no longer the head. */
async function failover(stage: Stage): Promise<Done> {
  const { installation, ledger } = stage.system;
  const before = await holderOf(stage, ledger);
  const running = installation.service('sealer', before);
  running.kill('SIGSTOP');
  try {
    await waitUntil(async () => (await holderOf(stage, ledger)) !== before, {
      what: `another sealer than ${before}`,
      timeoutMs: FAILOVER_MS,
      everyMs: 200,
    });
  } finally {
    running.kill('SIGCONT');
  }
  return { what: `sealer-${before}`, stops: [`sealer-${before}`] };
}

async function holderOf({ system }: Stage, ledger: string): Promise<string> {
  const client = new Client(await system.installation.logins.superuser());
  await client.connect();
  try {
    const query = `SELECT holder FROM everseal.ledger_head JOIN everseal.ledger USING (ledger_id) WHERE origin LIKE $1`;
    const { rows } = await client.query<{ holder: string | null }>(query, [`%/${ledger}`]);
    return rows[0]?.holder ?? '';
  } finally {
    await client.end();
  }
}

async function restartPostgres({ system }: Stage, signal: NodeJS.Signals): Promise<Done> {
  const { process: running } = system.installation.postgres;
  running.kill(signal);
  await running.exited;
  await system.installation.startPostgres();
  return { what: 'Postgres', stops: [] };
}

async function restartNats({ system }: Stage, signal: NodeJS.Signals): Promise<Done> {
  const { process: running } = system.installation.nats;
  running.kill(signal);
  await running.exited;
  await system.installation.startNats();
  return { what: 'nats-server', stops: [] };
}

async function renewCertificates({ system }: Stage): Promise<Done> {
  await system.installation.renewCertificates({ leastLeft: 1 });
  // A service looks at its files every five seconds; what it makes of them is to fall into this disturbance.
  await sleep(STEP_LEAST_MS);
  return { what: 'all identities', stops: [] };
}

async function deployAgain({ system }: Stage): Promise<Done> {
  await system.installation.deploy();
  return { what: 'migrate and provision', stops: [] };
}

async function rotateLogKey(stage: Stage): Promise<Done> {
  const { installation, ledger } = stage.system;
  await rotate(stage, ledger, ['log'], installation.keys.log(ledger));
  return { what: `log key of ${ledger}`, stops: [] };
}

/** In every ledger, one after the other: the same key signs in all of them. */
function rotateKey(role: 'ingest' | 'verifier'): Disturbance {
  return {
    name: `the key of one ${role} is rotated`,
    alerts: [],
    act: async (stage) => {
      const { installation } = stage.system;
      const { name, id } = one(stage, role);
      const keyFile = role === 'ingest' ? installation.keys.ingest(name) : installation.keys.verifier(name);
      const made = await tool(stage, ['keys', 'new', role, name, '--key-file', keyFile]);
      if (role === 'ingest') stage.trustIngest(parseVkey(made.trim()));
      for (const { name: ledger } of installation.policy.ledgers) await rotate(stage, ledger, [role, name], keyFile);
      return { what: id, stops: [] };
    },
  };
}

async function rotate(stage: Stage, ledger: string, of: readonly string[], keyFile: string): Promise<void> {
  const operator = stage.system.installation.keys.operator(OPERATOR);
  const files = ['--key-file', keyFile, '--operator-key', operator];
  await tool(stage, ['keys', 'rotate', ...of, '--ledger', ledger, ...files]);
}

/** What the tool printed. @throws what it said, unless all was well */
async function tool({ system }: Stage, args: readonly string[]): Promise<string> {
  const { code, out, err } = await runTool(system.installation.layout.dir, args);
  if (code === 0) return out;
  throw new Error(`everseal ${args.join(' ')} ends with ${code}: ${err}`);
}

/**
 * Every wrong clock is to be called wrong, so `clock.skew` is no false alarm here. A sealer that is an hour ahead stops before it dates
 * a block, and an ingester that was set is not ready until it is set right.
 */
function stepClock(kind: ServiceKind, by: number): Disturbance {
  return {
    name: `the clock of one ${kind} is set an hour ${by > 0 ? 'ahead' : 'back'}, and right again`,
    // A verifier's heartbeats do not count for the outside watcher while they are dated an hour off.
    alerts: kind === 'verifier' ? ['clock.skew', 'heartbeat.missing'] : ['clock.skew'],
    act: async (stage) => {
      // The sealer that seals: a standby dates nothing.
      const id = kind === 'sealer' ? `sealer-${await holderOf(stage, stage.system.ledger)}` : one(stage, kind).id;
      await stage.system.setClock(id, by);
      const began = performance.now();
      const isNoticed = async (): Promise<boolean> => (await stage.standing()).includes('clock.skew');
      while (performance.now() - began < STEP_HELD_MS) {
        await sleep(1_000);
        if (performance.now() - began > STEP_LEAST_MS && (await isNoticed())) break;
      }
      await stage.system.setClock(id, 0);
      return { what: id, stops: kind === 'sealer' && by > 0 ? [id] : [] };
    },
  };
}

/** One instance of this kind, chosen by the schedule. */
function one({ system, random }: Stage, kind: ServiceKind): ServiceInstance {
  const all = servicesOf(system.installation.policy).filter(({ service }) => service === kind);
  return all[Math.floor(random() * all.length)]!;
}
