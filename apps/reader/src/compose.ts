/**
 * The composition root of the reader: read this file to know what the process is made of. Per ledger a loop looks for the
 * newest checkpoint; everything else happens when somebody asks.
 */

import path from 'node:path';
import { mkdirSync, readFileSync } from 'node:fs';
import { FormatError, NO_QUORUM, originOf, parseWitnessesFile, type TlogPolicy } from '@everseal/audit-core';
import { assertSchema, openReadSource, openPool } from '@everseal/ledger-store';
import type { NatsLink } from '@everseal/messaging';
import { readPolicy, type Policy } from '@everseal/policy';
import {
  Counter,
  exposeNumber,
  firstConnection,
  Gauge,
  Loop,
  RateLimit,
  StopProcess,
  watchCertificate,
  type ServiceContext,
} from '@everseal/process';
import { openServiceLink } from '@everseal/service-link';
import { openSystemLedger, type SystemLedger } from '@everseal/system-ledger';
import { MaterialWatch, postgresTlsOptions, sessionSeconds } from '@everseal/tls';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import type { ReaderSettings } from './config.js';
import { Gate } from './gate.js';
import { JsonApi } from './json-api.js';
import { Listeners } from './listeners.js';
import { PublishedLog } from './published-log.js';
import { ReadApi } from './read-api.js';
import { ReadRecorder } from './read-recorder.js';
import { makeCaches } from './caches.js';
import { ServedLedger } from './served-ledger.js';
import { TokenFile } from './token-file.js';
import { TokenList } from './token-list.js';

/** Longest honest round of a loop here: one or two small statements. */
const ROUND_BOUND_MS = 60_000;
const TOKENS_EVERY_MS = 2_000;
const POOL = { statements: 6, search: 4 };

type Context = ServiceContext<ReaderSettings>;

export interface ReaderService {
  /** Listens, and looks for checkpoints from now on. */
  start(): Promise<void>;
  /** Takes no further request, ends the loops, closes the connections. */
  stop(): Promise<void>;
}

/** The HTTP side, as far as this file knows it. */
export interface HttpApp {
  listen(port: number, host: string): Promise<unknown>;
  close(): Promise<void>;
}

/** @param makeApp the routes over the API, with the listeners in front (api.module.ts) */
export async function composeReader(
  context: Context,
  makeApp: (api: ReadApi, listeners: Listeners) => Promise<HttpApp>,
): Promise<ReaderService> {
  const { settings, logger } = context;
  const policy = readPolicy(settings.policyFile);
  mkdirSync(settings.stateDir, { recursive: true, mode: 0o700 });
  const tokens = settings.tokensFile === undefined ? null : new TokenFile(settings.tokensFile);
  const { pool, index } = await openDatabase(context);
  const link = await openBroker(context, policy);
  const systemLedger = link === null ? null : openRecords(context, policy, link);
  const ledgers = serveLedgers(context, policy, pool);
  const listeners = new Listeners(settings, await openMaterial(context), logger);
  const api = composeApi(context, { policy, ledgers, listeners, tokens, systemLedger, index });
  const app = await makeApp(api, listeners);
  const loops: Loop[] = [];
  return {
    async start() {
      systemLedger?.start();
      loops.push(...[...ledgers.values()].map(({ log }) => followLog(context, log)));
      if (tokens !== null) loops.push(followTokens(context, tokens));
      const { host, port } = settings.api.certificate;
      await app.listen(port, host);
      await listeners.listenOpen();
      const ports = { certificate: listeners.portOf('certificate'), open: listeners.portOf('open') };
      logger.info({ host, ports }, 'the read API listens');
    },
    async stop() {
      await Promise.all([app.close(), listeners.closeOpen()]);
      await Promise.all(loops.map((loop) => loop.stop()));
      await systemLedger?.stop();
      await link?.close();
      await index.destroy();
      await pool.end();
      logger.info({}, 'the reader has stopped');
    },
  };
}

async function openDatabase({ settings, logger }: Context): Promise<{ pool: Pool; index: DataSource }> {
  const { host, port, database, user } = settings.postgres;
  const material = await watchCertificate(settings.postgres, 'Postgres', logger, () =>
    logger.info({}, 'new Postgres connections use the renewed certificate'),
  );
  const shared = {
    host,
    port,
    database,
    user,
    tls: postgresTlsOptions(() => material.current),
    maxLifetimeSeconds: sessionSeconds(material.current.facts),
    readStatementMs: settings.limits.statementMs,
    onIdleError: (err: Error) => logger.warn({ err }, 'an idle Postgres connection broke'),
  };
  const name = `reader-${settings.name}`;
  const pool = openPool({ ...shared, name, max: POOL.statements, transactions: 'long' });
  await firstConnection('Postgres', settings.postgres.firstConnectMs, logger, () => assertSchema(pool));
  const index = await openReadSource({ ...shared, name: `${name}-search`, max: POOL.search });
  return { pool, index };
}

/** Null where there is nothing to do at the broker: the policy names no system ledger. */
async function openBroker(context: Context, policy: Policy): Promise<NatsLink | null> {
  const { settings } = context;
  if (policy.systemLedger === undefined) return null;
  if (settings.nats === undefined) {
    const message = `the policy names the system ledger ${policy.systemLedger}, in which reads are recorded: give the settings nats`;
    throw new StopProcess('settings.nats', message);
  }
  return openServiceLink(context, policy, 'reader', settings.nats);
}

function openRecords(context: Context, policy: Policy, link: NatsLink): SystemLedger | null {
  const { settings } = context;
  const folder = path.join(settings.stateDir, 'system-events');
  const place = { policy, service: 'reader', name: settings.name, genesisFile: settings.systemGenesisFile } as const;
  return openSystemLedger({ ...context, ...place, folder, link });
}

async function openMaterial({ settings, metrics }: Context): Promise<MaterialWatch> {
  const watch = await MaterialWatch.open(settings.api, 'server', Date.now);
  exposeNumber(
    metrics,
    'everseal_api_certificate_expiry_seconds',
    'Unix time the certificate of the read API ends',
    () => Math.floor(watch.current.facts.notAfter.getTime() / 1000),
  );
  return watch;
}

function serveLedgers({ settings, metrics }: Context, policy: Policy, pool: Pool): Map<string, ServedLedger> {
  const caches = makeCaches(settings.limits.cacheBytes);
  const ledgers = new Map(
    settings.ledgers.map(({ name, witnessesFile }) => {
      if (!policy.ledgers.some((ledger) => ledger.name === name)) {
        throw new StopProcess(
          'settings.ledger',
          `the policy has no ledger ${name}: correct the settings or the policy`,
        );
      }
      const witnesses = witnessesFile === undefined ? null : readWitnesses(witnessesFile);
      const log = new PublishedLog(pool, name, originOf(policy.domain, name), witnesses);
      return [name, new ServedLedger(pool, log, caches)];
    }),
  );
  new Gauge({
    name: 'everseal_published_size_entries',
    help: 'size of the newest checkpoint that is shown',
    labelNames: ['ledger'] as const,
    registers: [metrics],
    collect() {
      for (const { origin, log } of ledgers.values()) this.set({ ledger: origin }, log.newest?.size ?? 0);
    },
  });
  return ledgers;
}

/** @throws StopProcess witnesses.file */
function readWitnesses(file: string): TlogPolicy {
  try {
    const witnesses = parseWitnessesFile(readFileSync(file));
    if (witnesses.quorum !== NO_QUORUM) return witnesses;
    throw new FormatError('policy.quorum', 'its quorum is none, so there is nothing to wait for');
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('witnesses.file', `${file} is no file of witnesses with a quorum: ${cause.message}`, {
      cause,
    });
  }
}

export interface ApiParts {
  readonly policy: Policy;
  readonly ledgers: ReadonlyMap<string, ServedLedger>;
  readonly listeners: Pick<Listeners, 'listenerOf'>;
  readonly tokens: Pick<TokenFile, 'current'> | null;
  readonly systemLedger: Pick<SystemLedger, 'take'> | null;
  readonly index: DataSource;
}

/** What stands before the database: who may ask, how often, and the routes' answers. */
export function composeApi(
  { settings, metrics, logger }: Pick<Context, 'settings' | 'metrics' | 'logger'>,
  parts: ApiParts,
): ReadApi {
  const { policy, ledgers, listeners, tokens, systemLedger, index } = parts;
  const { hashesPerSecond, hashesBurst, contentPerSecond, contentBurst } = settings.limits;
  const steady = (): number => performance.now();
  const publicParts = new Map(settings.ledgers.map((ledger) => [ledger.name, ledger.public]));
  const gate = new Gate({
    policy,
    publicParts,
    tokens: () => tokens?.current ?? TokenList.none,
    recorder: new ReadRecorder(`${policy.domain}/reader/${settings.name}`, systemLedger, Date.now),
    limits: {
      hashes: new RateLimit(hashesPerSecond, hashesBurst, steady),
      content: new RateLimit(contentPerSecond, contentBurst, steady),
    },
    listenerOf: listeners.listenerOf,
    now: Date.now,
  });
  const answers = new Counter({
    name: 'everseal_api_answers_total',
    help: 'answers of the read API, by operation and status',
    labelNames: ['operation', 'status'],
    registers: [metrics],
  });
  const onAnswer = (operation: string, status: number): void => answers.inc({ operation, status });
  return new ReadApi({ ledgers, publicParts, gate, json: new JsonApi(index), logger, onAnswer });
}

function followLog({ settings, logger, health, stop }: Context, log: PublishedLog): Loop {
  const name = `checkpoint ${log.name}`;
  return Loop.run({
    name,
    body: () => log.look().then(() => settings.refreshMs),
    logger,
    pulse: health.pulse(name, ROUND_BOUND_MS),
    within: ROUND_BOUND_MS,
    condition: health.condition(name, 'the newest checkpoint was not looked for yet'),
    onStop: stop,
  });
}

function followTokens({ logger, health, stop }: Context, tokens: TokenFile): Loop {
  return Loop.run({
    name: 'tokens',
    body: async () => {
      tokens.look();
      return Promise.resolve(TOKENS_EVERY_MS);
    },
    logger,
    pulse: health.pulse('tokens', ROUND_BOUND_MS),
    within: ROUND_BOUND_MS,
    condition: health.condition('tokens', 'the tokens were not read yet'),
    onStop: stop,
  });
}
