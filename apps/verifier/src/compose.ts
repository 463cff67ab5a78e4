/**
 * The composition root of the verifier: read this file to know what the process is made of. Per ledger there are a tail
 * and three sweeps, each a supervised loop, custody (custody-compose.ts), and the two requests it answers: hold and
 * add-checkpoint. Beside them stand the guards over what surrounds the ledgers (compose-guards.ts).
 */

import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  COSIGNATURE_KEY,
  FormatError,
  formatVerifierHeartbeat,
  leafHash,
  LogState,
  openGenesis,
  originOf,
  verifierKeyName,
  type KeySet,
  type KeysOfLog,
  type SigningKey,
} from '@everseal/audit-core';
import { assertSchema, findLedger, openPool } from '@everseal/ledger-store';
import { listen, serve, signOfLife, type NatsLink } from '@everseal/messaging';
import { announceSubject, heartbeatSubject, holdSubject, readPolicy, type Policy } from '@everseal/policy';
import {
  type AlertBook,
  firstConnection,
  KeyFile,
  type Loop,
  StopProcess,
  watchCertificate,
  type ServiceContext,
} from '@everseal/process';
import { openServiceLink } from '@everseal/service-link';
import { openAlertBook, openSystemLedger, readAlertKey, type SystemLedger } from '@everseal/system-ledger';
import { postgresTlsOptions, sessionSeconds } from '@everseal/tls';
import type { Pool } from 'pg';
import { answerWitness } from './answer-witness.js';
import { BodyRing } from './body-ring.js';
import { catalogGuard, composeGuards, type GuardedLedger } from './compose-guards.js';
import type { VerifierSettings } from './config.js';
import { composeCustody } from './custody-compose.js';
import { FollowLedger } from './follow-ledger.js';
import { knownAnchors } from './known-anchors.js';
import type { HeldLedger } from './lost-keys.js';
import { loadTree } from './load-tree.js';
import { coverageMetrics } from './coverage-metrics.js';
import { LedgerCoverage, SWEEPS, type Clocks, type SweepName } from './ledger-coverage.js';
import { OwnScans } from './own-scans.js';
import { Pace } from './pace.js';
import { onceRead, type RefusedStart } from './refused-start.js';
import { isRefusal } from './stored-value.js';
import { SweepAnchors } from './sweep-anchors.js';
import { recordBrokerEvents } from './broker-events.js';
import { SweepBodies } from './sweep-bodies.js';
import { SweepIndex } from './sweep-index.js';
import { SweepPlaces } from './sweep-places.js';
import { sweepRate } from './sweep-rate.js';
import { restAfter } from './sweep-rest.js';
import { SweepStored } from './sweep-stored.js';
import { MemoryFile } from './verifier-memory.js';
import { runVerifierLoop } from './verifier-loop.js';
import { verifierMetrics } from './verifier-metrics.js';
import { VerifyLedger } from './verify-ledger.js';
import { composeWitnessing } from './witness-compose.js';
import { WitnessLedger } from './witness-ledger.js';

const TAIL_EVERY_MS = 250;
const TAIL_BOUND_MS = 60_000;
/** A pass over a large ledger takes its time; the loop ticks when a pass ends. */
const SWEEP_BOUND_MS = 24 * 3_600_000;
/** How long to wait at start for a ledger that its sealer has not created yet. */
const LEDGER_WAIT_MS = 60_000;
const ALERTS_AGAIN_MS = 5_000;
const HEARTBEAT_MS = 10_000;
/** How often the verifier looks at its own work, and keeps where it stands. */
const JUDGE_EVERY_MS = 5_000;
const CLOCKS: Clocks = { day: Date.now, steady: () => performance.now() };

type Context = ServiceContext<VerifierSettings>;

export interface VerifierService {
  /** Starts the loops and answers requests from now on. */
  start(): void;
  /** Scans the TLS of every endpoint at once. */
  rescan(): void;
  /** Answers no further request, ends the loops after their present round, closes the connections. */
  stop(): Promise<void>;
}

interface LedgerService extends GuardedLedger, HeldLedger {
  readonly witness: WitnessLedger;
  readonly verify: VerifyLedger;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
}

export async function composeVerifier(context: Context): Promise<VerifierService> {
  const { settings, logger } = context;
  const policy = readPolicy(settings.policyFile);
  mkdirSync(settings.stateDir, { recursive: true, mode: 0o700 });
  const key = openCosigningKey(settings.keyFile, verifierKeyName(policy.domain, settings.name));
  const pool = await openDatabase(context);
  const link = await openServiceLink(context, policy, 'verifier', context.settings.nats);
  const systemLedger = openSystemLedger({
    ...context,
    policy,
    service: 'verifier',
    name: settings.name,
    genesisFile: settings.systemGenesisFile,
    folder: path.join(settings.stateDir, 'system-events'),
    link,
  });
  const alerts = openAlerts(context, policy, link, systemLedger);
  const catalog = catalogGuard(context, { policy, pool, alerts });
  const refused = { catalog, logger };
  await onceRead(refused, () => assertSchema(pool));
  const ledgers: LedgerService[] = [];
  for (const ledger of settings.ledgers) {
    ledgers.push(await composeLedger(context, { policy, key, pool, link, alerts, refused }, ledger));
  }
  verifierMetrics(context.metrics, ledgers, alerts);
  const ownScans = new OwnScans();
  const brokerEvents =
    systemLedger &&
    recordBrokerEvents({
      verifier: `${policy.domain}/verifier/${settings.name}`,
      link,
      ledger: systemLedger,
      ownScans,
      now: Date.now,
      onFault: context.stop,
    });
  const guards = composeGuards(context, { policy, pool, link, alerts, systemLedger, ledgers, ownScans, catalog });
  coverageMetrics(context.metrics, () => ledgers.map(({ verify }) => verify));
  const { start, stop } = answerWitness(context, link, ledgers);
  const witnessing = await composeWitnessing(context, { policy, key, pool, alerts, refused }, ledgers);
  const sayAlive = (): void => beat(link, settings.name, ledgers);
  const heartbeat = signOfLife(link, HEARTBEAT_MS, sayAlive);
  const alertsAgain = setInterval(() => alerts.flushSoon(), ALERTS_AGAIN_MS);
  return {
    start() {
      heartbeat.start();
      for (const ledger of ledgers) ledger.start();
      guards.start();
      start();
      witnessing.start();
      systemLedger?.start();
      alerts.flushSoon();
    },
    rescan: () => guards.rescan(),
    async stop() {
      heartbeat.stop();
      clearInterval(alertsAgain);
      await Promise.all([stop(), witnessing.stop()]);
      await brokerEvents?.stop();
      await Promise.all([guards, ...ledgers].map((part) => part.stop()));
      sayAlive();
      await systemLedger?.stop();
      await link.close();
      await pool.end();
      logger.info({}, 'the verifier has stopped');
    },
  };
}

async function openDatabase({ settings, logger }: Context): Promise<Pool> {
  const { host, port, database, user } = settings.postgres;
  const material = await watchCertificate(settings.postgres, 'Postgres', logger, () =>
    logger.info({}, 'new Postgres connections use the renewed certificate'),
  );
  const pool = openPool({
    host,
    port,
    database,
    user,
    tls: postgresTlsOptions(() => material.current),
    maxLifetimeSeconds: sessionSeconds(material.current.facts),
    name: `verifier-${settings.name}`,
    max: 6,
    transactions: 'long',
    onIdleError: (err) => logger.warn({ err }, 'an idle Postgres connection broke'),
  });
  await firstConnection('Postgres', settings.postgres.firstConnectMs, logger, () =>
    assertSchema(pool).catch((error: unknown) => {
      // It answers: what it refuses is asked for again when there is somebody to tell.
      if (!isRefusal(error)) throw error;
    }),
  );
  return pool;
}

function openAlerts(
  { settings, stop: onFault }: Context,
  policy: Policy,
  link: NatsLink,
  systemLedger: SystemLedger | null,
): AlertBook {
  const { name, alertKeyFile, stateDir } = settings;
  const key = readAlertKey(alertKeyFile, policy, 'verifier', name);
  const now = Date.now;
  return openAlertBook({ policy, service: 'verifier', name, key, folder: stateDir, link, systemLedger, now, onFault });
}

interface Shared {
  readonly policy: Policy;
  readonly key: KeyFile;
  readonly pool: Pool;
  readonly link: NatsLink;
  readonly alerts: AlertBook;
  readonly refused: RefusedStart;
}

async function composeLedger(
  context: Context,
  { policy, key, pool, link, alerts, refused }: Shared,
  { name, genesisFile }: VerifierSettings['ledgers'][number],
): Promise<LedgerService> {
  const { settings, logger, stop: end } = context;
  const origin = originOf(policy.domain, name);
  const genesis = readFileSync(genesisFile);
  const first = openGenesis(genesis, origin);
  const trust = { origin, genesis: leafHash(genesis) };
  const ledgerId = await waitForLedger(pool, origin, refused);
  const folder = path.join(settings.stateDir, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = new MemoryFile(
    path.join(folder, 'memory.json'),
    trust,
    key.keys.map(({ verifier }) => verifier),
  );
  const remembered = file.read();
  if (!inForce(key, remembered?.memory.keys ?? first)) {
    logger.warn({ origin }, "this verifier's key is not in the ledger's newest key set that it knows");
  }
  const state = remembered ? LogState.recall(trust, remembered.memory) : LogState.empty(trust);
  const tree = await loadTree(folder, state, file);
  const ring = new BodyRing(path.join(folder, 'bodies'), settings.bodyBytes);
  const follow = new FollowLedger(trust, pool, ledgerId, state, tree, ring);
  const keys = (): KeysOfLog => follow.memory;
  // A key that no set names yet is as good as none; what it cosigns counts for whoever comes to know it.
  const keyOf = (set: KeySet | null): SigningKey => (set && inForce(key, set)) ?? key.keys[0]!;
  const { sweep } = settings;
  const pace = (set: number): Pace => new Pace(() => sweepRate(set, follow.arrivals.perSecond()));
  const paces = { bodies: pace(sweep.bodies), index: pace(sweep.index), stored: pace(sweep.stored) };
  const cosigned = (): number => witness.cosignedSize;
  const anchors = knownAnchors(settings, name);
  const sweepAnchors = new SweepAnchors(pool, ledgerId, origin, keys, anchors, paces.stored);
  const sweeps = {
    bodies: new SweepBodies(pool, ledgerId, tree, () => follow.memory, paces.bodies),
    index: new SweepIndex(pool, ledgerId, origin, tree, () => follow.memory, paces.index),
    stored: new SweepStored(pool, ledgerId, origin, tree, keys, cosigned, paces.stored, sweepAnchors),
  };
  const { behind } = settings;
  const places = new SweepPlaces(path.join(folder, 'sweeps.json'));
  const bounds = { behindEntries: behind.entries, behindMs: behind.ms, staleMs: sweep.staleMs };
  const coverage = new LedgerCoverage(() => follow.size, bounds, CLOCKS, places.endedAt);
  const verify = new VerifyLedger(follow, sweeps, ring, alerts, pool, coverage, places, CLOCKS);
  const witness = new WitnessLedger(follow, file, remembered, keyOf, Date.now, (finding, evidence) =>
    custody.shown(finding, evidence),
  );
  const report = verify.reportShown.bind(verify);
  const custody = composeCustody(context, { name, folder, policy, pool, link, alerts, follow, witness, report });
  const loops = ledgerLoops(context, name, verify, paces);
  const holding = serve(link, holdSubject(name, settings.name), {
    handler: ({ data }) => witness.hold(data),
    concurrency: 2,
    logger,
    onFault: end,
  });
  listen(link, announceSubject(name), { onMessage: () => loops.wakeTail(), onFault: end });
  return {
    trust,
    ledgerId,
    anchors,
    remembered: remembered?.memory.size ?? 0,
    memory: () => follow.memory,
    witness,
    verify,
    start() {
      loops.start();
      custody.start();
    },
    async stop() {
      await holding.stop();
      await custody.stop();
      await loops.stop();
      verify.savePlaces();
      tree.close();
    },
  };
}

/** The sealer creates a ledger when it first runs; both may be started at once. */
async function waitForLedger(pool: Pool, origin: string, refused: RefusedStart): Promise<number> {
  for (const deadline = Date.now() + LEDGER_WAIT_MS; ;) {
    const ledgerId = await onceRead(refused, () => findLedger(pool, origin));
    if (ledgerId !== null) return ledgerId;
    if (Date.now() > deadline) {
      throw new StopProcess(
        'ledger.missing',
        `the database has no ledger ${origin}: start its sealer, which creates it`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

function ledgerLoops(
  { settings, logger, health, stop }: Context,
  name: string,
  verify: VerifyLedger,
  paces: Readonly<Record<SweepName, Pace>>,
): { start: () => void; stop: () => Promise<void>; wakeTail: () => void } {
  const loops: Loop[] = [];
  const tailCondition = health.condition(`tail ${name}`, 'the newest blocks are not read yet');
  const run = (what: string, within: number, body: (signal: AbortSignal) => Promise<number>): Loop => {
    const pulse = health.pulse(`${what} ${name}`, within);
    const condition = what === 'tail' ? { condition: tailCondition } : {};
    return runVerifierLoop({ name: `${what} ${name}`, body, logger, pulse, within, onStop: stop, ...condition });
  };
  return {
    start() {
      loops.push(run('tail', TAIL_BOUND_MS, () => verify.tail().then(() => TAIL_EVERY_MS)));
      for (const sweep of SWEEPS) {
        loops.push(
          run(sweep, SWEEP_BOUND_MS, async (signal) => {
            const slept = paces[sweep].slept;
            const took = await verify.sweep(sweep, signal);
            return restAfter(took - (paces[sweep].slept - slept), settings.sweep);
          }),
        );
      }
      loops.push(
        run('coverage', TAIL_BOUND_MS, async () => {
          await verify.judgeItself();
          verify.savePlaces();
          return JUDGE_EVERY_MS;
        }),
      );
    },
    wakeTail: () => loops[0]?.wake(),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

function beat(link: NatsLink, name: string, ledgers: readonly LedgerService[]): void {
  if (!link.connected) return;
  for (const { witness, verify } of ledgers) {
    const checkpoint = witness.heartbeat();
    if (checkpoint === null) continue;
    link.nc.publish(
      heartbeatSubject('verifier', name),
      formatVerifierHeartbeat(Date.now(), checkpoint, verify.coverage.coverage),
    );
  }
}

/** The cosigning key, or two while it is rotated. */
function openCosigningKey(file: string, name: string): KeyFile {
  try {
    return KeyFile.open(file, name, COSIGNATURE_KEY);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('key.changed', `${file} is not the key of ${name}: ${cause.message}`, { cause });
  }
}

/** The key of this verifier that a key set names; null when it names none. */
function inForce(key: KeyFile, set: KeySet): SigningKey | null {
  return key.among(set.verifiers.filter(({ name }) => name === key.name));
}
