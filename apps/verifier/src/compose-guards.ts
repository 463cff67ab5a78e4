/**
 * The verifier's guards: what surrounds the log (the database's catalog and durability, clocks, keys, anchors, the TLS of every
 * endpoint) against what was agreed. Each is a loop of its own: one that cannot look does not keep the others from looking.
 * They raise alerts; the one over TLS writes down what it saw besides.
 */
import { readFileSync } from 'node:fs';
import {
  deployKeyName,
  parseTimestamp,
  parseVkey,
  type LogMemory,
  type LogTrust,
  type VerifierKey,
} from '@everseal/audit-core';
import { databaseTime } from '@everseal/ledger-store';
import { listen, StreamReader, type NatsLink } from '@everseal/messaging';
import { framesStream, heartbeatSubject, type Policy } from '@everseal/policy';
import { exposeCounts, StopProcess, type AlertBook, type Loop, type ServiceContext } from '@everseal/process';
import type { SystemLedger } from '@everseal/system-ledger';
import type { Pool } from 'pg';
import { AnchorGuard } from './anchor-guard.js';
import { CatalogGuard } from './catalog-guard.js';
import { ClockGuard } from './clock-guard.js';
import { composePosture } from './compose-posture.js';
import type { VerifierSettings } from './config.js';
import { DurabilityGuard } from './durability-guard.js';
import { KeyGuard } from './key-guard.js';
import type { OwnScans } from './own-scans.js';
import type { KnownAnchor } from './known-anchors.js';
import { runVerifierLoop } from './verifier-loop.js';

/** A look takes some round trips; Postgres and the broker answer within seconds or not at all. */
const LOOK_BOUND_MS = 120_000;

type Context = ServiceContext<VerifierSettings>;

export interface GuardParts {
  readonly policy: Policy;
  readonly pool: Pool;
  readonly link: NatsLink;
  readonly alerts: AlertBook;
  readonly systemLedger: SystemLedger | null;
  readonly ledgers: readonly GuardedLedger[];
  readonly ownScans: OwnScans;
  /** Null where none is configured. */
  readonly catalog: CatalogGuard | null;
}

export interface GuardedLedger {
  readonly trust: LogTrust;
  readonly ledgerId: number;
  readonly anchors: readonly KnownAnchor[];
  /** What this verifier has derived so far. */
  readonly memory: () => LogMemory;
}

export interface Guards {
  start(): void;
  /** Scans the TLS of every endpoint at once. */
  rescan(): void;
  stop(): Promise<void>;
}

export function composeGuards(context: Context, parts: GuardParts): Guards {
  const { settings, logger, health, metrics, stop } = context;
  const { pool, alerts, policy, catalog } = parts;
  const clocks = clockGuard(context, parts);
  const durability = new DurabilityGuard(pool, alerts, policy.domain);
  const keys = parts.ledgers.map((ledger, i) => keyGuard(settings.ledgers[i]!, ledger, alerts));
  const posture = composePosture({ settings, ...parts });
  const anchors = anchorGuard(parts);
  const looks: Readonly<Record<string, () => Promise<void>>> = {
    durability: () => durability.look(),
    clocks: () => clocks.look(),
    keys: () => Promise.resolve(keys.forEach((guard) => guard.look())),
    posture: () => posture.look(),
    ...(anchors && { anchors: () => anchors.look() }),
    ...(catalog && { catalog: () => catalog.look() }),
  };
  const counts = Object.fromEntries(Object.keys(looks).map((guard) => [guard, 0]));
  exposeCounts(metrics, 'everseal_guard_looks_total', 'looks that a guard has finished', 'guard', () => counts);
  const loops: Loop[] = [];
  return {
    rescan() {
      posture.rescan();
      for (const loop of loops) loop.wake();
    },
    start() {
      for (const [guard, look] of Object.entries(looks)) {
        const name = `${guard} guard`;
        const pulse = health.pulse(name, LOOK_BOUND_MS);
        const body = async (): Promise<number> => {
          await look();
          counts[guard]! += 1;
          return settings.guards.everyMs;
        };
        loops.push(runVerifierLoop({ name, body, logger, pulse, within: LOOK_BOUND_MS, onStop: stop }));
      }
    },
    stop: async () => void (await Promise.all(loops.map((loop) => loop.stop()))),
  };
}

/** Null, and said so, when the settings name no agreement. */
export function catalogGuard(
  { settings, logger }: Context,
  { policy, pool, alerts }: Pick<GuardParts, 'policy' | 'pool' | 'alerts'>,
): CatalogGuard | null {
  const { agreementFile, deployKeyFile } = settings.guards;
  if (agreementFile === undefined || deployKeyFile === undefined) {
    logger.warn(
      {},
      'the catalog of the database is not guarded: guards.agreementFile and guards.deployKeyFile are not set',
    );
    return null;
  }
  const { domain } = policy;
  const deployKey = readDeployKey(deployKeyFile, domain);
  return new CatalogGuard(pool, alerts, { domain, database: settings.postgres.database, agreementFile, deployKey });
}

function clockGuard({ settings, stop }: Context, { policy, pool, link, alerts, ledgers }: GuardParts): ClockGuard {
  const frames = new StreamReader(link, framesStream(settings.ledgers[0]!.name));
  const brokerTime = async (): Promise<number | null> => {
    const { answered } = await frames.info();
    return answered === null ? null : parseTimestamp(answered);
  };
  const guard = new ClockGuard(alerts, {
    domain: policy.domain,
    boundMs: settings.guards.clockSkewMs,
    now: Date.now,
    steady: () => performance.now(),
    asked: [
      { name: 'Postgres', ask: () => databaseTime(pool) },
      { name: 'the broker', ask: brokerTime },
    ],
    ledgers: ledgers.map(({ trust, memory }) => ({ origin: trust.origin, memory })),
  });
  listen(link, heartbeatSubject('*', '*'), {
    onMessage: ({ subject, data }) => {
      const [service = '', name = ''] = subject.split('.').slice(-2);
      if (service !== 'verifier' || name !== settings.name) guard.hear(service, name, data);
    },
    onFault: stop,
  });
  return guard;
}

/** Null when the settings name no anchor. */
function anchorGuard({ pool, alerts, ledgers }: GuardParts): AnchorGuard | null {
  if (ledgers.every(({ anchors }) => anchors.length === 0)) return null;
  const logs = ledgers.map(({ trust, ledgerId, anchors }) => ({ origin: trust.origin, ledgerId, anchors }));
  return new AnchorGuard(pool, alerts, logs, () => performance.now());
}

function keyGuard(
  { genesisFile, keySetsDir }: VerifierSettings['ledgers'][number],
  { trust, memory }: GuardedLedger,
  alerts: AlertBook,
): KeyGuard {
  return new KeyGuard(alerts, { trust, memory, genesisFile, keySetsDir: keySetsDir ?? null });
}

function readDeployKey(file: string, domain: string): VerifierKey {
  const key = parseVkey(readFileSync(file, 'utf8').trim());
  if (key.name === deployKeyName(domain)) return key;
  throw new StopProcess('key.changed', `${file} holds the key of ${key.name}, not of ${deployKeyName(domain)}`);
}
