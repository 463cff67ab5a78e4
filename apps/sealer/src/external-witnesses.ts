/**
 * The witnesses of others that are asked about one ledger, each in a loop of its own: a slow one holds up neither sealing nor
 * another witness. All of them are asked about the same checkpoints, the newest one every few seconds, so that the
 * cosignatures of several come together under one.
 */
import { readFileSync } from 'node:fs';
import {
  FormatError,
  parseWitnessesFile,
  witnessPlaces,
  type SignatureLine,
  type WitnessPlace,
} from '@everseal/audit-core';
import { insertCosignature } from '@everseal/ledger-store';
import { fateOf, Loop, StopProcess, watchCertificate, type AlertBook, type ServiceContext } from '@everseal/process';
import type { Material } from '@everseal/tls';
import type { Pool } from 'pg';
import { proveGrowth } from './announce.js';
import { AskWitness, overdueScope, type WitnessedCheckpoint } from './ask-witness.js';
import type { SealerSettings } from './config.js';
import { isUnknown } from './lease.js';
import type { Sealed } from './sealing.js';
import { WitnessConnection, type WitnessTls } from './witness-connection.js';
import type { WitnessMetrics } from './witness-metrics.js';

/** How often a loop looks whether there is something to ask. */
const LOOK_EVERY_MS = 500;
/** A round is at most three requests within their bound, and a proof. */
const ROUND_BOUND_MS = 300_000;

type Context = ServiceContext<SealerSettings>;

export interface WitnessedLedger {
  readonly name: string;
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  readonly alerts: AlertBook;
}

/** The checkpoint that all witnesses of a ledger are asked about now. */
export class WitnessRounds {
  private newest: WitnessedCheckpoint | null = null;
  private chosen: WitnessedCheckpoint | null = null;
  private chosenAt = -Infinity;

  /** @param everyMs least time between two choices */
  constructor(
    private readonly everyMs: number,
    private readonly steady: () => number,
  ) {}

  /** Entries under the newest checkpoint. */
  get longest(): number {
    return this.newest?.size ?? 0;
  }

  offer(checkpoint: WitnessedCheckpoint): void {
    this.newest = checkpoint;
  }

  current(): WitnessedCheckpoint | null {
    const now = this.steady();
    if (this.newest !== this.chosen && now >= this.chosenAt + this.everyMs) {
      this.chosen = this.newest;
      this.chosenAt = now;
    }
    return this.chosen;
  }
}

export class ExternalWitnesses {
  private readonly rounds: WitnessRounds;
  private readonly loops: Loop[] = [];
  private readonly connections: WitnessConnection[] = [];

  constructor(
    private readonly context: Context,
    private readonly ledger: WitnessedLedger,
    private readonly places: readonly WitnessPlace[],
    private readonly tls: WitnessTls,
    private readonly metrics: WitnessMetrics,
  ) {
    this.rounds = new WitnessRounds(context.settings.witnesses.everyMs, () => performance.now());
  }

  /** A checkpoint was announced. @param note as the log signed it */
  offer(sealed: Sealed, note: string): void {
    this.rounds.offer({ size: sealed.size, note, prove: (old) => proveGrowth(sealed, old) });
  }

  start(): void {
    this.clearFormer();
    for (const place of this.places) this.loops.push(this.follow(place));
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.close();
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  /** A witness that is not in the file any more is not overdue. */
  private clearFormer(): void {
    const { origin, alerts } = this.ledger;
    const scopes = this.places.map(({ name }) => overdueScope(name, origin));
    const former = alerts.open.filter(({ code, ledger }) => code === 'witness.overdue' && ledger === origin);
    for (const { scope } of former) if (!scopes.includes(scope)) alerts.reconcile(scope, []);
  }

  private follow(place: WitnessPlace): Loop {
    const { logger, health, stop, settings } = this.context;
    const { everyMs, timeoutMs, overdueMs } = settings.witnesses;
    const { name, origin, alerts } = this.ledger;
    const connection = new WitnessConnection(place.url, this.tls, timeoutMs);
    this.connections.push(connection);
    const witness = new AskWitness({
      origin,
      place,
      send: (body) => connection.addCheckpoint(body),
      store: (size, line) => this.store(size, line),
      alerts,
      log: logger,
      now: Date.now,
      steady: () => performance.now(),
      everyMs,
      overdueMs,
    });
    this.metrics.add(name, place.name, () => witness.record);
    const what = `witness ${place.name} of ${name}`;
    const pulse = health.pulse(what, ROUND_BOUND_MS);
    // No condition: a witness that is away makes nobody not ready.
    const started = performance.now();
    const body = async (): Promise<number> => {
      const checkpoint = this.rounds.current();
      if (checkpoint) await witness.round(checkpoint, this.rounds.longest);
      else if (performance.now() > started + overdueMs) witness.idle();
      return LOOK_EVERY_MS;
    };
    const fate = (error: unknown): ReturnType<typeof fateOf> => (isUnknown(error) ? 'retry' : fateOf(error));
    return Loop.run({ name: what, body, logger, pulse, within: ROUND_BOUND_MS, onStop: stop, fate });
  }

  private async store(size: number, { line, name: signer, keyId }: SignatureLine): Promise<void> {
    const { pool, ledgerId } = this.ledger;
    await insertCosignature(pool, ledgerId, { size, signer, keyId, line });
  }
}

/** The client certificate and roots for all witnesses. */
export async function openWitnessTls({ settings, logger }: Context): Promise<WitnessTls> {
  const { caFile, certificate, tls12 } = settings.witnesses;
  const watch =
    certificate === undefined
      ? null
      : await watchCertificate(certificate, 'witnesses', logger, () =>
          logger.info({}, 'new connections to witnesses use the renewed certificate'),
        );
  const identity = (): Material | null => watch?.current ?? null;
  return { caFile: caFile ?? null, identity, tls12 };
}

/** @throws StopProcess witnesses.file */
export function readWitnessPlaces(file: string): WitnessPlace[] {
  try {
    return witnessPlaces(parseWitnessesFile(readFileSync(file)));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new StopProcess('witnesses.file', `${file} is no file of witnesses: ${cause.message}`, { cause });
  }
}
