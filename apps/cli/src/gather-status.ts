/** Asks everybody. What does not answer becomes a fact too; nothing here throws but a mistake in the settings. */
import type { Pool } from 'pg';
import { anchorProgress, findLedger, readHead, readIndexHead } from '@everseal/ledger-store';
import { StreamReader, type NatsLink } from '@everseal/messaging';
import { ALERTS, ANNOUNCEMENTS, framesStream } from '@everseal/policy';
import { AlertHistory } from './alert-history.js';
import { readStored } from './alerts.js';
import { askService } from './ask-service.js';
import { noLedger } from './cli-failure.js';
import { explain } from './explain-error.js';
import { opsSettings, type CliSettings, type OpsSettings } from './config.js';
import { connectAsOps, openDatabase } from './connections.js';
import { newestAnnouncement, readTrust, type LedgerTrust } from './ledger-trust.js';
import { parseMetrics } from './metrics-text.js';
import { readAlertKeys, StoredAlerts } from './read-alerts.js';
import type {
  AlertFacts,
  AnnouncedFacts,
  Asked,
  LedgerFacts,
  ServiceFacts,
  StatusFacts,
  StoredFacts,
  StreamFacts,
  VerifierFacts,
  WitnessedFacts,
  WitnessFacts,
} from './status-facts.js';

const SWEEPS = ['bodies', 'index', 'stored'] as const;

/** @throws CliFailure, ConfigError for what has to be corrected in the settings */
export async function gatherStatus(settings: CliSettings): Promise<StatusFacts> {
  const ops = opsSettings(settings);
  const trusts = settings.ledgers.map(({ name }) => readTrust(settings, name));
  // What was announced before the rest: whoever is asked later has to have come as far.
  const broker = await askBroker(settings, trusts);
  const [services, { verifiers, witnessed }, witnesses, stored] = await Promise.all([
    Promise.all(settings.services.map((service) => askHealth(service, ops))),
    askVerifiers(settings, ops),
    askWitnesses(settings, ops),
    askDatabase(settings, trusts),
  ]);
  const ledgers = trusts.map(({ ledger, origin }, i): LedgerFacts => ({
    ledger,
    origin,
    stored: stored[i]!,
    announced: broker.announced[i]!,
  }));
  return { services, ledgers, streams: broker.streams, verifiers, witnesses, witnessed, alerts: broker.alerts };
}

async function asked<T>(work: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, problem: explain(error).message };
  }
}

async function askHealth(place: CliSettings['services'][number], ops: OpsSettings): Promise<ServiceFacts> {
  const [live, ready] = await Promise.all(['/live', '/ready'].map((path) => askService(place.url, path, ops)));
  const reasons = [
    live!.problem || stuckLoops(live!.body),
    live!.problem ? '' : ready!.problem || failing(ready!.body),
  ];
  return {
    ...place,
    live: live!.status === 200,
    ready: ready!.status === 200,
    reasons: reasons.filter((reason) => reason !== ''),
  };
}

/** `{"conditions":[{"name":…,"ok":false,"reason":…}]}` */
function failing(body: string): string {
  const conditions = listIn(body, 'conditions').filter(({ ok }) => ok === false);
  return conditions.map(({ name, reason }) => `${String(name)}: ${String(reason)}`).join('; ');
}

/** `{"loops":[{"name":…,"ok":false,"age":…}]}` */
function stuckLoops(body: string): string {
  const loops = listIn(body, 'loops').filter(({ ok }) => ok === false);
  return loops.map(({ name, age }) => `loop ${String(name)} has not come round for ${String(age)} ms`).join('; ');
}

function listIn(body: string, member: string): Record<string, unknown>[] {
  try {
    const list = (JSON.parse(body) as Record<string, unknown>)[member];
    return Array.isArray(list) ? (list as Record<string, unknown>[]) : [];
  } catch {
    return [];
  }
}

async function askVerifiers(
  { services }: CliSettings,
  ops: OpsSettings,
): Promise<{ verifiers: VerifierFacts[]; witnessed: WitnessedFacts[] }> {
  const instances = services.filter(({ service }) => service === 'verifier');
  const answers = await Promise.all(instances.map(({ url }) => askService(url, '/metrics', ops)));
  return {
    verifiers: instances.flatMap(({ name }, i) => verifierFacts(name, answers[i]!.body)),
    witnessed: instances.flatMap(({ name }, i) => witnessedFacts(name, answers[i]!.body)),
  };
}

function witnessedFacts(verifier: string, metrics: string): WitnessedFacts[] {
  return parseMetrics(metrics).flatMap(({ name, labels, value: size }) =>
    name === 'everseal_witnessed_size_entries' ? [{ verifier, log: labels['log'] ?? '', size }] : [],
  );
}

function verifierFacts(name: string, metrics: string): VerifierFacts[] {
  const samples = parseMetrics(metrics);
  const known = (what: string, origin: string): number | null =>
    samples.find((sample) => sample.name === `everseal_${what}` && sample.labels['ledger'] === origin)?.value ?? null;
  const valueOf = (what: string, origin: string): number => known(what, origin) ?? 0;
  const timeOf = (what: string, origin: string): number | null => {
    const seconds = known(what, origin);
    return seconds === null ? null : Math.round(seconds * 1_000);
  };
  const origins = samples.flatMap((sample) =>
    sample.name === 'everseal_verified_size_entries' ? [sample.labels['ledger'] ?? ''] : [],
  );
  return origins.map((origin) => ({
    name,
    origin,
    verified: valueOf('verified_size_entries', origin),
    cosigned: valueOf('cosigned_size_entries', origin),
    behind: { entries: valueOf('tail_behind_entries', origin), seconds: valueOf('tail_behind_seconds', origin) },
    sweeps: SWEEPS.map((sweep) => ({
      name: sweep,
      passes: valueOf(`sweep_${sweep}_passes_total`, origin),
      entries: valueOf(`sweep_${sweep}_entries`, origin),
      seconds: valueOf(`sweep_${sweep}_seconds`, origin),
      perSecond: valueOf(`sweep_${sweep}_entries_per_second`, origin),
      ended: timeOf(`sweep_${sweep}_ended_timestamp_seconds`, origin),
      oldestRead: timeOf(`sweep_${sweep}_oldest_read_timestamp_seconds`, origin),
      notCovered: valueOf(`sweep_${sweep}_not_covered`, origin),
    })),
  }));
}

/** Of several sealers of a ledger one asks; the others have nothing to say. */
async function askWitnesses({ services }: CliSettings, ops: OpsSettings): Promise<WitnessFacts[]> {
  const sealers = services.filter(({ service }) => service === 'sealer');
  const answers = await Promise.all(sealers.map(({ url }) => askService(url, '/metrics', ops)));
  const newest = new Map<string, WitnessFacts>();
  for (const facts of answers.flatMap(({ body }) => witnessFacts(body))) {
    const key = `${facts.ledger} ${facts.witness}`;
    const known = newest.get(key);
    if (!known || facts.overdue || facts.size > known.size) newest.set(key, facts);
  }
  return [...newest.values()];
}

function witnessFacts(metrics: string): WitnessFacts[] {
  const samples = parseMetrics(metrics);
  return samples.flatMap(({ name, labels, value: size }) => {
    if (name !== 'everseal_witness_cosigned_size_entries') return [];
    const { ledger = '', witness = '' } = labels;
    const valueOf = (what: string): number =>
      samples.find(
        (sample) =>
          sample.name === `everseal_witness_${what}` &&
          sample.labels['ledger'] === ledger &&
          sample.labels['witness'] === witness,
      )?.value ?? 0;
    const seconds = valueOf('cosigned_timestamp_seconds');
    const at = seconds === 0 ? null : Math.round(seconds * 1_000);
    return [{ ledger, witness, size, at, overdue: valueOf('overdue') > 0, failures: valueOf('failures') }];
  });
}

interface BrokerFacts {
  announced: Asked<AnnouncedFacts | null>[];
  streams: Asked<readonly StreamFacts[]>;
  alerts: Asked<AlertFacts>;
}

async function askBroker(settings: CliSettings, trusts: readonly LedgerTrust[]): Promise<BrokerFacts> {
  const connected = await asked(() => connectAsOps(settings));
  if (!connected.ok) {
    return { announced: trusts.map(() => connected), streams: connected, alerts: connected };
  }
  const link = connected.value;
  try {
    const [announced, streams, alerts] = await Promise.all([
      Promise.all(trusts.map((trust) => asked(() => askAnnouncement(link, trust)))),
      asked(() =>
        Promise.all(
          [...trusts.map(({ ledger }) => framesStream(ledger)), ANNOUNCEMENTS, ALERTS].map((name) =>
            askStream(link, name),
          ),
        ),
      ),
      asked(() => askAlerts(link, settings)),
    ]);
    return { announced, streams, alerts };
  } finally {
    await link.close();
  }
}

async function askAnnouncement(link: NatsLink, trust: LedgerTrust): Promise<AnnouncedFacts | null> {
  const newest = await newestAnnouncement(link, trust);
  if (newest === null) return null;
  return {
    size: newest.checkpoint.size,
    stored: Date.parse(newest.stored),
    cosigners: newest.cosignatures.map(({ key, seconds }) => ({ name: key.name, at: seconds * 1_000 })),
    heads: newest.heads.map(({ ingester, number, debts }) => ({ ingester, number, debts: debts.length })),
  };
}

async function askStream(link: NatsLink, stream: string): Promise<StreamFacts> {
  const { name, messages, bytes, firstSequence, lastSequence, lost } = await new StreamReader(link, stream).info();
  return { name, messages, bytes, firstSequence, lastSequence, lost };
}

async function askAlerts(link: NatsLink, settings: CliSettings): Promise<AlertFacts> {
  const history = new AlertHistory(readAlertKeys(settings));
  const stored = new StoredAlerts(link);
  await readStored(history, stored);
  const codes = history.standing.map(({ body }) => body.code);
  return {
    open: codes.length,
    openCodes: [...new Set(codes)],
    unverified: history.unverified,
    gaps: history.gaps(stored.hasFirst).length,
  };
}

async function askDatabase(
  settings: CliSettings,
  trusts: readonly LedgerTrust[],
): Promise<(Asked<StoredFacts> | null)[]> {
  if (settings.postgres === undefined) return trusts.map(() => null);
  const opened = await asked(() => openDatabase(settings));
  if (!opened.ok) return trusts.map(() => opened);
  const pool = opened.value;
  try {
    return await Promise.all(trusts.map(({ origin }) => asked(() => askHead(pool, origin))));
  } finally {
    await pool.end();
  }
}

async function askHead(pool: Pool, origin: string): Promise<StoredFacts> {
  const ledgerId = await findLedger(pool, origin);
  if (ledgerId === null) throw noLedger(origin);
  const { size, height, sealed, state, holder, leaseLeft } = await readHead(pool, ledgerId);
  const indexed = await readIndexHead(pool, ledgerId);
  const anchors = (await anchorProgress(pool, ledgerId)).map(({ target, ...rest }) => ({ name: target, ...rest }));
  return {
    size,
    height,
    sealed: sealed === null ? null : Date.parse(sealed),
    state,
    holder,
    leaseLeftMs: leaseLeft,
    indexed,
    anchors,
  };
}
