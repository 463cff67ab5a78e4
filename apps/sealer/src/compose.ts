/**
 * The composition root of the sealer: read this file to know what the process is made of. Per ledger there are three
 * loops: sealing (frames to blocks), checkpoints (hold, sign, cosign, announce), and the event index behind them; and one
 * for each anchor (compose-anchors.ts).
 */

import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  agreedSeconds,
  FormatError,
  formatGapReport,
  formatKeysReport,
  heartbeatTime,
  NOTE_KEY,
  openGenesis,
  originOf,
  parseGapRequest,
  parseKeysRequest,
  type CosignedTime,
} from '@everseal/audit-core';
import { assertDurable, assertSchema, createLedger, openPool } from '@everseal/ledger-store';
import { listen, publishDurable, serve, signOfLife, StreamReader, type NatsLink } from '@everseal/messaging';
import {
  ANNOUNCEMENTS,
  announceSubject,
  framesStream,
  framesSubject,
  gapsSubject,
  heartbeatSubject,
  keysSubject,
  nudgeSubject,
  readPolicy,
  resendSubject,
  type Policy,
} from '@everseal/policy';
import {
  type AlertBook,
  fateOf,
  firstConnection,
  KeyFile,
  Loop,
  StopProcess,
  watchCertificate,
  type Condition,
  type Pulse,
  type ServiceContext,
} from '@everseal/process';
import { openServiceLink } from '@everseal/service-link';
import { openAlertBook, openSystemLedger, readAlertKey, type SystemLedger } from '@everseal/system-ledger';
import { postgresTlsOptions, sessionSeconds } from '@everseal/tls';
import type { Pool } from 'pg';
import { ask, askFrame } from './ask.js';
import { CheckpointLedger } from './checkpoint-ledger.js';
import { composeAnchors } from './compose-anchors.js';
import type { SealerSettings } from './config.js';
import { ExternalWitnesses, openWitnessTls, readWitnessPlaces } from './external-witnesses.js';
import { IndexLedger } from './index-ledger.js';
import { isUnknown, Lease } from './lease.js';
import { SealLedger } from './seal-ledger.js';
import { sealerMetrics, type SealerMetrics } from './sealer-metrics.js';
import { SignerMemory } from './signer-memory.js';
import { readSuccessorNote } from './successor-note.js';
import type { WitnessTls } from './witness-connection.js';

/** A loop that does not come round in this time hangs. */
const LOOP_BOUND_MS = 30_000;
/** A round of checkpoints waits for every verifier in turn, up to the bounds of its requests. */
const CHECKPOINT_BOUND_MS = 120_000;
const ALERTS_AGAIN_MS = 5_000;
const ANNOUNCE_TIMEOUT_MS = 5_000;
const HEARTBEAT_MS = 10_000;

type Context = ServiceContext<SealerSettings>;

export interface SealerService {
  /** Starts the loops; before it nothing is sealed. */
  start(): void;
  /** Ends the loops after their present round, gives the lease back, closes the connections. */
  stop(): Promise<void>;
}

export async function composeSealer(context: Context): Promise<SealerService> {
  const { settings, logger } = context;
  const policy = readPolicy(settings.policyFile);
  mkdirSync(settings.stateDir, { recursive: true, mode: 0o700 });
  const { pool, indexPool } = await openDatabase(context);
  const link = await openServiceLink(context, policy, 'sealer', context.settings.nats);
  const systemLedger = openSystemLedger({
    ...context,
    policy,
    service: 'sealer',
    name: settings.name,
    genesisFile: settings.systemGenesisFile,
    folder: path.join(settings.stateDir, 'system-events'),
    link,
  });
  const alerts = openAlerts(context, policy, link, systemLedger);
  const metrics = sealerMetrics(context.metrics);
  const shared = { policy, pool, indexPool, link, alerts, metrics, witnessTls: await openWitnessTls(context) };
  const ledgers = await Promise.all(settings.ledgers.map((ledger) => composeLedger(context, shared, ledger)));
  const heartbeat = signOfLife(link, HEARTBEAT_MS, () => beat(link, settings.name, ledgers));
  const alertsAgain = setInterval(() => alerts.flushSoon(), ALERTS_AGAIN_MS);
  return {
    start() {
      heartbeat.start();
      for (const ledger of ledgers) ledger.start();
      systemLedger?.start();
      alerts.flushSoon();
    },
    async stop() {
      heartbeat.stop();
      clearInterval(alertsAgain);
      await Promise.all(ledgers.map((ledger) => ledger.stop()));
      await systemLedger?.stop();
      await link.close();
      await Promise.all([pool.end(), indexPool.end()]);
      logger.info({}, 'the sealer has stopped');
    },
  };
}

/** `indexPool` has no bound on transactions: a batch of the event index may take its time, and holds nobody up. */
async function openDatabase({ settings, logger }: Context): Promise<{ pool: Pool; indexPool: Pool }> {
  const { host, port, database, user } = settings.postgres;
  const material = await watchCertificate(settings.postgres, 'Postgres', logger, () =>
    logger.info({}, 'new Postgres connections use the renewed certificate'),
  );
  const common = {
    host,
    port,
    database,
    user,
    tls: postgresTlsOptions(() => material.current),
    maxLifetimeSeconds: sessionSeconds(material.current.facts),
    onIdleError: (err: Error) => logger.warn({ err }, 'an idle Postgres connection broke'),
  };
  const pool = openPool({ ...common, name: `sealer-${settings.name}`, max: 8, transactions: 'short' });
  const indexPool = openPool({ ...common, name: `sealer-${settings.name}-index`, max: 2, transactions: 'long' });
  await firstConnection('Postgres', settings.postgres.firstConnectMs, logger, () => assertSchema(pool));
  await assertDurable(pool);
  return { pool, indexPool };
}

function openAlerts(
  { settings, stop: onFault }: Context,
  policy: Policy,
  link: NatsLink,
  systemLedger: SystemLedger | null,
): AlertBook {
  const { name, alertKeyFile, stateDir } = settings;
  const key = readAlertKey(alertKeyFile, policy, 'sealer', name);
  const now = Date.now;
  return openAlertBook({ policy, service: 'sealer', name, key, folder: stateDir, link, systemLedger, now, onFault });
}

interface Shared {
  readonly policy: Policy;
  readonly pool: Pool;
  readonly indexPool: Pool;
  readonly link: NatsLink;
  readonly alerts: AlertBook;
  readonly metrics: SealerMetrics;
  readonly witnessTls: WitnessTls;
}

interface LedgerService {
  readonly origin: string;
  readonly size: () => number;
  /** The times that verifiers gave with the newest cosignatures; empty before the first. */
  readonly cosigned: () => readonly CosignedTime[];
  readonly start: () => void;
  readonly stop: () => Promise<void>;
}

async function composeLedger(
  context: Context,
  { policy, pool, indexPool, link, alerts, metrics, witnessTls }: Shared,
  { name, logKeyFile, genesisFile, successorNoteFile, witnessesFile }: SealerSettings['ledgers'][number],
): Promise<LedgerService> {
  const { settings, logger, health } = context;
  const origin = originOf(policy.domain, name);
  // A ledger that is not there yet is created; where in its stream reading begins is learned from the stream itself.
  const ledgerId = await createLedger(pool, origin, { epoch: '', created: '', sequence: 0, hash: null });
  const genesis = readFileSync(genesisFile);
  const logKeys = openLogKeys(logKeyFile, origin);
  const keys = openGenesis(genesis, origin);
  const pulse = health.pulse(`seal ${name}`, LOOP_BOUND_MS);
  const sealing = health.condition(`seal ${name}`, 'the head of the ledger is not recovered yet');
  let cosigned: readonly CosignedTime[] = [];
  const places = witnessesFile === undefined ? [] : readWitnessPlaces(witnessesFile);
  const witnessed = { name, origin, ledgerId, pool, alerts };
  const witnesses = new ExternalWitnesses(context, witnessed, places, witnessTls, metrics.witnesses);
  const memory = SignerMemory.open(path.join(settings.stateDir, `${name}.checkpoint`), origin);
  const checkpoints = new CheckpointLedger({
    origin,
    domain: policy.domain,
    ledger: name,
    ledgerId,
    pool,
    memory,
    logKeys: () => logKeys.keys.map(({ verifier }) => verifier),
    verifiers: policy.verifiers.map((verifier) => verifier.name),
    alerts,
    log: logger,
    ask: (subject, body, timeoutMs) => ask(link, subject, body, timeoutMs),
    announce: async (message) => {
      const options = { stream: ANNOUNCEMENTS, timeoutMs: ANNOUNCE_TIMEOUT_MS };
      await publishDurable(link, announceSubject(name), message, options);
    },
    onCosigned: (checkpoint, times) => {
      metrics.cosigned.set({ ledger: name }, checkpoint);
      if (times.length > 0) cosigned = times;
    },
    onAnnounced: (sealed, note) => witnesses.offer(sealed, note),
  });
  const onIndexed = (position: number): void => metrics.indexed.set({ ledger: name }, position);
  const index = new IndexLedger(indexPool, ledgerId, origin, alerts, onIndexed, () => seal.settled());
  const anchored = { name, origin, ledgerId, genesis, pool, alerts, metrics: metrics.anchors };
  const anchors = await composeAnchors(context, anchored);
  const lease = new Lease(pool, ledgerId, settings.name, context.stop);
  let size = 0;
  const seal = new SealLedger({
    origin,
    ledgerId,
    pool,
    lease,
    reader: new StreamReader(link, framesStream(name)),
    logKeyOf: (named) => logKeys.among([named]),
    genesis,
    successor: readSuccessorNote(successorNoteFile, keys),
    heldBytes: spoolBytesOf(policy, name),
    gapAfterMs: settings.gapAfterMs,
    alerts,
    log: logger,
    now: Date.now,
    subjectOf: (ingester) => framesSubject(name, ingester),
    resend: (ingester, number) => askFrame(link, resendSubject(name, ingester), number),
    confirmHead: (head, sealed) => checkpoints.confirmHead(head, sealed),
    // A standby is ready, too: it has asked for the lease and was told that another holds it.
    onTurn: () => {
      pulse.tick();
      sealing.ok();
    },
    onSealed: (sealed, block) => {
      size = sealed.size;
      checkpoints.offer(sealed);
      index.offer(sealed.size, block);
      anchors.offer(sealed);
      metrics.size.set({ ledger: name }, sealed.size);
      if (block) metrics.blocks.inc({ ledger: name });
    },
  });
  const loops = ledgerLoops(context, name, { pulse, condition: sealing }, { seal, checkpoints, index });
  serve(link, gapsSubject(name, settings.name), {
    handler: ({ data }) => answerGaps(seal, data),
    logger,
    onFault: context.stop,
  });
  serve(link, keysSubject(name, settings.name), {
    handler: ({ data }) => answerKeys(seal, data),
    logger,
    onFault: context.stop,
  });
  listen(link, nudgeSubject(name), { onMessage: () => seal.nudge(), onFault: context.stop });
  listen(link, heartbeatSubject('ingest', '*'), {
    onMessage: ({ subject, data }) => seal.hear(subject.slice(subject.lastIndexOf('.') + 1), data),
    onFault: context.stop,
  });
  return {
    origin,
    size: () => size,
    cosigned: () => cosigned,
    start() {
      loops.start();
      witnesses.start();
      anchors.start();
    },
    async stop() {
      await Promise.all([loops.stop(), witnesses.stop(), anchors.stop()]);
      await lease.release();
    },
  };
}

/** Lists the gaps of a ledger, after carrying out the order that the request may hold. */
async function answerGaps(seal: SealLedger, request: Buffer): Promise<Buffer> {
  const order = parseGapRequest(request);
  if (order !== null) await seal.declare(order);
  return formatGapReport(await seal.gaps());
}

/** The key sets of a ledger, after carrying out the order that the request may hold. */
async function answerKeys(seal: SealLedger, request: Buffer): Promise<Buffer> {
  const order = parseKeysRequest(request);
  if (order !== null) await seal.followKeys(order);
  return formatKeysReport(seal.keySets());
}

/** Sealing, checkpoints and the index, each a supervised loop of its own: none of them can hold another up. */
function ledgerLoops(
  { logger, stop, health }: Context,
  name: string,
  sealing: { pulse: Pulse; condition: Condition },
  { seal, checkpoints, index }: { seal: SealLedger; checkpoints: CheckpointLedger; index: IndexLedger },
): { start: () => void; stop: () => Promise<void> } {
  const loops: Loop[] = [];
  const fate = (error: unknown): ReturnType<typeof fateOf> => (isUnknown(error) ? 'retry' : fateOf(error));
  const common = { logger, onStop: stop, fate };
  const condition = (what: string): Condition => health.condition(`${what} ${name}`, 'starting');
  const rounds = {
    checkpoint: {
      body: () => checkpoints.round(),
      condition: condition('checkpoint'),
      within: CHECKPOINT_BOUND_MS,
    },
    index: { body: () => index.round(), condition: condition('index'), within: LOOP_BOUND_MS },
  };
  return {
    start() {
      const seals = { ...common, ...sealing, name: `seal ${name}`, within: LOOP_BOUND_MS };
      loops.push(Loop.run({ ...seals, body: (signal) => seal.run(signal) }));
      for (const [what, round] of Object.entries(rounds)) {
        const pulse = health.pulse(`${what} ${name}`, round.within);
        loops.push(Loop.run({ ...common, ...round, name: `${what} ${name}`, pulse }));
      }
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

function spoolBytesOf(policy: Policy, ledger: string): number {
  const found = policy.ledgers.find(({ name }) => name === ledger);
  if (!found)
    throw new StopProcess('policy.ledger', `the policy has no ledger ${ledger}, which this sealer is to seal`);
  return found.spoolBytes;
}

/** The log key, or two while it is rotated; which of them is in force is known once the ledger is read. */
function openLogKeys(file: string, origin: string): KeyFile {
  try {
    return KeyFile.open(file, origin, NOTE_KEY);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('key.changed', `${file} is not the log key of ${origin}: ${cause.message}`, { cause });
  }
}

function beat(link: NatsLink, name: string, ledgers: readonly LedgerService[]): void {
  if (!link.connected) return;
  const sizes = Object.fromEntries(ledgers.map(({ origin, size }) => [origin, size()]));
  const times = heartbeatTime(Date.now(), agreedSeconds(ledgers.flatMap((ledger) => ledger.cosigned())));
  link.nc.publish(heartbeatSubject('sealer', name), JSON.stringify({ ...times, sizes }));
}
