/**
 * What the posture guard is made of: the endpoints of the verifier's own connections, those that the settings add, and its
 * own certificates.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { identityOf, type Policy } from '@everseal/policy';
import type { AlertBook } from '@everseal/process';
import type { SystemLedger } from '@everseal/system-ledger';
import { parseEndpoint, type ClientIdentity } from '@everseal/tls-posture';
import type { GuardedLedger } from './compose-guards.js';
import type { VerifierSettings } from './config.js';
import type { OwnScans } from './own-scans.js';
import { PostureGuard, type WatchedEndpoint } from './posture-guard.js';
import { PostureMemory } from './posture-memory.js';

/** Of the period, before the first scan: long enough for what is started together to be there, a minute of a quarter of an hour. */
const FIRST_AFTER = 1 / 15;

export interface PostureParts {
  readonly settings: VerifierSettings;
  readonly policy: Policy;
  readonly alerts: AlertBook;
  readonly systemLedger: SystemLedger | null;
  readonly ledgers: readonly GuardedLedger[];
  readonly ownScans: OwnScans;
}

export function composePosture(parts: PostureParts): PostureGuard {
  const { settings, policy, alerts, systemLedger, ledgers, ownScans } = parts;
  const { posture, name, nats, postgres, operations } = settings;
  const { commonName, uri } = identityOf(policy.domain, 'verifier', name);
  const memory = new PostureMemory(path.join(settings.stateDir, 'posture.json'));
  return new PostureGuard(alerts, memory, {
    domain: policy.domain,
    verifier: name,
    endpoints: watchedEndpoints(settings).map((one) => toldOf(one, ownScans)),
    certFiles: [nats.certFile, nats.caFile, postgres.certFile, postgres.caFile, operations.certFile],
    revocationLists: posture.revocationLists.map(({ file }) => file),
    minimum: posture.minimum,
    everyMs: posture.everyMs,
    firstAfterMs: posture.everyMs * FIRST_AFTER * (0.5 + Math.random()),
    graceMs: posture.graceMs,
    patienceMs: posture.patienceMs,
    claims: { commonName, uri },
    now: Date.now,
    steady: () => performance.now(),
    random: Math.random,
    newId: randomUUID,
    seal: (event) => systemLedger?.seal(event) ?? true,
    ledgers: ledgers.map(({ trust, memory: derived }) => ({ origin: trust.origin, memory: derived })),
  });
}

/** Its own connections first; what the settings say of the same endpoint takes their place. */
export function watchedEndpoints({ nats, postgres, posture }: VerifierSettings): WatchedEndpoint[] {
  const { host, port, database, user } = postgres;
  const asNats = (): ClientIdentity | undefined => identityIn(nats);
  const asPostgres = (): ClientIdentity | undefined => identityIn(postgres);
  const own = [
    ...nats.servers.map((server) => watched(server.replace(/^tls:/, 'nats+tlsfirst:'), nats.caFile, asNats)),
    watched(`postgres+direct://${user}@${host}:${port}/${database}`, postgres.caFile, asPostgres),
  ];
  const named = posture.endpoints.map(({ url, service, certFile, caFile, pins }): WatchedEndpoint => {
    const { protocol } = parseEndpoint(url);
    const roots = caFile ?? (protocol === 'postgres' ? postgres.caFile : nats.caFile);
    const base = watched(url, roots, protocol === 'postgres' ? asPostgres : asNats);
    return { ...base, service: service ?? null, certFile: certFile ?? null, pins };
  });
  const isNamed = ({ endpoint }: WatchedEndpoint): boolean => named.some((one) => one.endpoint.url === endpoint.url);
  return [...own.filter((one) => !isNamed(one)), ...named];
}

/** Of the broker alone somebody hears what became of a connection. */
function toldOf(one: WatchedEndpoint, ownScans: OwnScans): WatchedEndpoint {
  if (one.endpoint.protocol !== 'nats') return one;
  const opened = (from: string): void => ownScans.opened(from, Date.now());
  return { ...one, endpoint: { ...one.endpoint, opened } };
}

function watched(url: string, caFile: string, identity: () => ClientIdentity | undefined): WatchedEndpoint {
  return { endpoint: parseEndpoint(url), service: null, certFile: null, caFile, pins: [], identity };
}

/** Read anew for each scan: it is renewed as well. Undefined when it cannot be read now; it is renewed by replacing it. */
function identityIn({ certFile, keyFile }: { certFile: string; keyFile: string }): ClientIdentity | undefined {
  try {
    return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  } catch {
    return undefined;
  }
}
