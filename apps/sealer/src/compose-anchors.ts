/**
 * The anchors of one ledger: what the settings name becomes a target and a supervised loop of its own. None of them holds up another,
 * nor sealing, nor checkpoints; an anchor that is away does not make the sealer unready, it raises `anchor.overdue`.
 */
import { readFileSync } from 'node:fs';
import { fateOf, Loop, type AlertBook, type ServiceContext } from '@everseal/process';
import type { Pool } from 'pg';
import { AnchorLedger } from './anchor-ledger.js';
import type { AnchorMetrics } from './anchor-metrics.js';
import type { AnchorTarget } from './anchor-target.js';
import type { SealerSettings } from './config.js';
import { FileTarget } from './file-target.js';
import { isUnknown } from './lease.js';
import { readObjectCredentials } from './object-credentials.js';
import { ObjectTarget } from './object-target.js';
import type { Sealed } from './sealing.js';

/** A round is one attempt, bounded by its time-out, between a few short questions to Postgres. */
const ROUND_BOUND_MS = 180_000;
/** Between two time stamps that are filled in: the authority is somebody else's. */
const TIMESTAMP_PACE_MS = 1_000;

type Context = ServiceContext<SealerSettings>;

export interface AnchoredLedger {
  readonly name: string;
  readonly origin: string;
  readonly ledgerId: number;
  /** The note that is entry 0. */
  readonly genesis: Buffer;
  readonly pool: Pool;
  readonly alerts: AlertBook;
  readonly metrics: AnchorMetrics;
}

export interface Anchors {
  /** A block was committed: this sealer holds the ledger. */
  offer(sealed: Sealed): void;
  start(): void;
  stop(): Promise<void>;
}

export async function composeAnchors(context: Context, ledger: AnchoredLedger): Promise<Anchors> {
  const { logger, health, stop } = context;
  let keySets: readonly Buffer[] = [];
  let newest: Sealed | null = null;
  const planned = await targetsOf(context, ledger);
  const anchors = planned.map(({ target, everyMs, paceMs }) => {
    const { origin, ledgerId, pool, alerts } = ledger;
    const common = { origin, ledgerId, pool, alerts, log: logger, now: Date.now, keySets: () => keySets };
    return new AnchorLedger({ ...common, target, everyMs, paceMs });
  });
  ledger.metrics.show(anchors);
  const loops: Loop[] = [];
  return {
    offer(sealed) {
      if (sealed.keysNote !== newest?.keysNote) keySets = keySetsOf(ledger.genesis, sealed);
      newest = sealed;
    },
    start() {
      for (const anchor of anchors) {
        const name = `anchor ${ledger.name} ${anchor.name}`;
        const pulse = health.pulse(name, ROUND_BOUND_MS);
        const fate = (error: unknown): ReturnType<typeof fateOf> => (isUnknown(error) ? 'retry' : fateOf(error));
        const body = (signal: AbortSignal): Promise<number> => anchor.round(signal);
        loops.push(Loop.run({ name, body, logger, pulse, within: ROUND_BOUND_MS, onStop: stop, fate }));
      }
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      await Promise.all(planned.map(({ target }) => target.close()));
    },
  };
}

/** From entry 0 to the newest, each once. */
function keySetsOf(genesis: Buffer, { keysBefore, keysNote }: Sealed): Buffer[] {
  const notes = [genesis.toString(), ...keysBefore, keysNote];
  return [...new Set(notes)].map((note) => Buffer.from(note));
}

interface Planned {
  readonly target: AnchorTarget;
  readonly everyMs: number;
  readonly paceMs: number;
}

async function targetsOf(context: Context, { name: ledger, origin }: AnchoredLedger): Promise<Planned[]> {
  const { settings, logger } = context;
  const isHere = ({ ledgers }: { ledgers?: string[] | undefined }): boolean => ledgers?.includes(ledger) ?? true;
  const { timestamps, files, objectStores } = settings.anchors;
  return [
    ...(await timestampTargets(timestamps.filter(isHere))),
    ...files.filter(isHere).map(({ everyMs, ...rest }) => {
      return { target: new FileTarget({ ...rest, ledger, origin, log: logger }), everyMs, paceMs: 0 };
    }),
    ...objectStores.filter(isHere).map(({ endpoint, credentialsFile, everyMs, ...rest }) => {
      const credentials = readObjectCredentials(credentialsFile);
      const target = new ObjectTarget({ ...rest, endpoint: endpoint ?? null, credentials, now: Date.now });
      return { target, everyMs, paceMs: 0 };
    }),
  ];
}

/** What reads ASN.1 takes 16 MB of memory (measured): it is loaded where there is an authority. */
async function timestampTargets(authorities: SealerSettings['anchors']['timestamps']): Promise<Planned[]> {
  if (authorities.length === 0) return [];
  const { readPinned, TimestampTarget } = await import('./timestamp-target.js');
  return authorities.map(({ url, certificatesFile, caFile, policy, everyMs, ...rest }) => {
    const pinned = readPinned(certificatesFile);
    const ca = caFile === undefined ? undefined : readFileSync(caFile);
    const common = { ...rest, url: new URL(url), pinned, ca, policy: policy ?? null, now: Date.now };
    return { target: new TimestampTarget(common), everyMs, paceMs: TIMESTAMP_PACE_MS };
  });
}
