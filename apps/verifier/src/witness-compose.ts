/** Wires what makes this verifier a witness of other logs: the listener, the logs that it knows, the keys that it may use. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { FormatError, NOTE_KEY, originOf, parseVkey, type KnownLog, type SigningKey } from '@everseal/audit-core';
import type { Policy } from '@everseal/policy';
import {
  Counter,
  Gauge,
  RateLimit,
  StopProcess,
  type AlertBook,
  type KeyFile,
  type ServiceContext,
} from '@everseal/process';
import { MaterialWatch } from '@everseal/tls';
import type { Pool } from 'pg';
import type { VerifierSettings } from './config.js';
import { LostKeys, type HeldLedger } from './lost-keys.js';
import { onceRead, type RefusedStart } from './refused-start.js';
import { WitnessedLog } from './witnessed-log.js';
import { WitnessServer } from './witness-server.js';

type Context = ServiceContext<VerifierSettings>;
type WitnessSettings = NonNullable<VerifierSettings['witness']>;

interface Shared {
  readonly policy: Policy;
  readonly key: KeyFile;
  readonly pool: Pool;
  readonly alerts: AlertBook;
  readonly refused: RefusedStart;
}

/** What was asked to be witnessed, as it runs; does nothing where the settings name no listener. */
export interface Witnessing {
  readonly start: () => void;
  readonly stop: () => Promise<void>;
}

/** @param ledgers what this verifier holds itself, as remembered before it cosigned anything */
export async function composeWitnessing(
  context: Context,
  { policy, key, pool, alerts, refused }: Shared,
  ledgers: readonly HeldLedger[],
): Promise<Witnessing> {
  const { settings, logger, health, stop } = context;
  const folder = path.join(settings.stateDir, 'witness');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lost = LostKeys.open(folder);
  // Before the first cosignature of this process, which would look like a forgotten one: a start that is refused this waits.
  await onceRead(refused, () => lost.look(pool, ledgers, key.keys));
  for (const { verifier } of key.keys.filter((one) => !lost.without([one]).includes(one))) {
    const what = 'cosigned what this verifier does not remember: its folder was lost or set back';
    logger.warn({ key: verifier.vkey }, `${verifier.name} (${verifier.idHex}) ${what}; it is not used for other logs`);
  }
  const { witness } = settings;
  if (witness === undefined) return { start: () => {}, stop: async () => {} };
  const keys = (): SigningKey[] => lost.without(key.keys);
  const report: ConstructorParameters<typeof WitnessedLog>[1]['report'] = (finding, evidence) =>
    alerts.raise(`a log of others`, finding, { ledger: originIn(evidence['first']!), evidence, stands: true });
  const logs = knownLogs(witness, policy).map((log) => new WitnessedLog(log, { folder, keys, now: Date.now, report }));
  const { requestsPerSecond, requestsBurst } = witness;
  const server = new WitnessServer({
    logs,
    place: witness,
    material: await MaterialWatch.open(witness, 'server', Date.now),
    rate: new RateLimit(requestsPerSecond, requestsBurst, () => performance.now()),
    logger,
    onAnswer: witnessMetrics(context, logs),
    onFault: stop,
  });
  const condition = health.condition('witness', 'starting');
  return {
    start() {
      const problems = logs.flatMap(({ origin, problem }) => (problem === null ? [] : [`${origin}: ${problem}`]));
      if (keys().length < key.keys.length) problems.unshift('its folder was lost or set back: give it a new key');
      if (problems.length === 0) condition.ok();
      else condition.fail(`not a witness: ${problems.join('; ')}; see docs/operations/witnesses.md`);
      server.listen().catch((error: unknown) => stop(error instanceof Error ? error : new Error(String(error))));
    },
    stop: () => server.close(),
  };
}

/** @throws StopProcess settings.witness */
function knownLogs({ logs }: WitnessSettings, policy: Policy): KnownLog[] {
  const own = policy.ledgers.map(({ name }) => originOf(policy.domain, name));
  const refuse = (why: string, cause?: unknown): StopProcess =>
    new StopProcess('settings.witness', `witness.logs: ${why}`, { cause });
  const seen = new Set<string>(own);
  return logs.map(({ origin, keys }) => {
    if (own.includes(origin)) throw refuse(`${origin} is a ledger of this installation, which its verifiers derive`);
    if (seen.has(origin)) throw refuse(`${origin} stands there twice`);
    seen.add(origin);
    try {
      return { origin, keys: keys.map((vkey) => noteKey(vkey)) };
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw refuse(`${origin} has a key that is none: ${cause.message}`, cause);
    }
  });
}

function noteKey(vkey: string): KnownLog['keys'][number] {
  const key = parseVkey(vkey);
  if (key.type !== NOTE_KEY)
    throw new FormatError('key.type', `${key.name} has a key that cosigns, not one that signs`);
  return key;
}

function witnessMetrics({ metrics }: Context, logs: readonly WitnessedLog[]): (status: number) => void {
  new Gauge({
    name: 'everseal_witnessed_size_entries',
    help: 'newest checkpoint of a log of others that was cosigned here',
    labelNames: ['log'] as const,
    registers: [metrics],
    collect() {
      for (const { origin, size } of logs) this.set({ log: origin }, size);
    },
  });
  const answers = new Counter({
    name: 'everseal_witness_answers_total',
    help: 'answers to other logs, by HTTP status',
    labelNames: ['status'] as const,
    registers: [metrics],
  });
  return (status) => answers.inc({ status: String(status) });
}

const originIn = (note: string): string => note.slice(0, note.indexOf('\n'));
