/**
 * The client of a producer: events in, proofs out.
 *
 *     record ──▶ [outbox: synced] ──▶ dispatcher ──▶ request-sender ──▶ broker ──▶ ingest
 *        ◀── proof of this event alone ◀── receipt verified ◀──────────────────────────┘
 *
 * A call ends in one of three ways: with a verified receipt, with the event durably in the outbox, or with an error that
 * says whether the event may be in the log. Not knowing is never taken for success, nor for failure.
 */
import { randomBytes } from 'node:crypto';
import type { Receipt } from '@everseal/audit-core';
import { MaterialWatch, natsTlsOptions } from '@everseal/tls';
import { encodeEvent, type AuditEvent, type EncodedEvent, type EventDefaults } from './audit-event.js';
import { BrokerConnection } from './broker-connection.js';
import { noCounts, type ClientCounts } from './client-counts.js';
import { deadlineOf, numbersOf, outboxBytes, type ClientOptions, type Numbers } from './client-options.js';
import { Dispatcher } from './dispatcher.js';
import { EversealError } from './everseal-error.js';
import { Outbox, type KeptEvent } from './outbox.js';
import { PendingEvent } from './pending-event.js';
import { ProblemReports } from './problem-reports.js';
import { producerIdentity, type ProducerIdentity } from './producer-identity.js';
import { Proof } from './proof.js';
import type { Recorded, RecordOptions, Recorder } from './recorder.js';
import { sendRequest } from './request-sender.js';
import { settleAll } from './some-failed.js';
import { TrustedKeys } from './trusted-keys.js';
import { uuidV7 } from './uuid-v7.js';

const CLOSE_WITHIN_MS = 10_000;

/**
 * Connects a producer. Certificate, trust file and outbox are checked first; then it waits for the first connection, unless
 * `connectWithinMs` is 0. What an earlier process left in the outbox is sent from now on.
 * @throws EversealError client.settings, client.unreachable, outbox.locked, outbox.corrupt, outbox.failed
 */
export async function connect(options: ClientOptions): Promise<EversealClient> {
  const numbers = numbersOf(options);
  const keys = TrustedKeys.open(options.trustFile);
  const watch = await openCertificate(options);
  const identity = producerIdentity(watch.current, keys.origin);
  const opened = options.outbox === undefined ? null : await openOutbox(options.outbox);
  const client = new EversealClient({ options, numbers, keys, identity, watch, opened });
  try {
    await client.connectedWithin(numbers.connectWithinMs);
  } catch (error) {
    await client.close({ withinMs: 0 });
    throw error;
  }
  return client;
}

async function openCertificate({ tls, now = Date.now }: ClientOptions): Promise<MaterialWatch> {
  try {
    return await MaterialWatch.open(tls, 'client', now);
  } catch (cause) {
    throw new EversealError('client.settings', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function openOutbox(outbox: NonNullable<ClientOptions['outbox']>): Promise<{ outbox: Outbox; kept: KeptEvent[] }> {
  return Outbox.open(outbox.folder, { mostBytes: outboxBytes(outbox) });
}

interface Parts {
  readonly options: ClientOptions;
  readonly numbers: Numbers;
  readonly keys: TrustedKeys;
  readonly identity: ProducerIdentity;
  readonly watch: MaterialWatch;
  readonly opened: { outbox: Outbox; kept: KeptEvent[] } | null;
}

/** Made by `connect`. */
export class EversealClient implements Recorder {
  readonly counts: Readonly<ClientCounts>;
  readonly #counts = noCounts();
  readonly #problems: ProblemReports;
  readonly #outbox: Outbox | null;
  readonly #connection: BrokerConnection;
  readonly #dispatcher: Dispatcher;
  readonly #defaults: EventDefaults;
  /** Events that a call waits for. */
  readonly #calls = new Set<PendingEvent>();
  /** Bytes of events that are nowhere but in memory. */
  #memoryBytes = 0;
  readonly #closing = new AbortController();
  /** Whoever waits for something to change; asked at every change. */
  readonly #waiters = new Set<() => void>();
  #isClosed = false;

  constructor(private readonly parts: Parts) {
    const { options, numbers, identity, watch, opened } = parts;
    const now = options.now ?? Date.now;
    this.counts = this.#counts;
    this.#problems = new ProblemReports(options.onProblem, () => performance.now());
    this.#defaults = { source: options.source, now, id: () => uuidV7(now(), randomBytes(10)) };
    this.#outbox = opened?.outbox ?? null;
    this.#connection = new BrokerConnection({
      name: `producer-${identity.name}`,
      servers: typeof options.servers === 'string' ? [options.servers] : options.servers,
      tls: natsTlsOptions(options.tls),
      inboxPrefix: identity.inboxPrefix,
      onConnected: () => {
        this.#counts.connections += 1;
        this.changed();
      },
    });
    this.#dispatcher = new Dispatcher(
      { inFlight: numbers.inFlight, events: numbers.batchEvents },
      (request) => this.send(request),
      () => this.#connection.connected && !this.#closing.signal.aborted,
      () => this.changed(),
    );
    watch.listen({
      onRenewed: () => this.#connection.reconnect(),
      onProblem: (error) => this.#problems.tell(error),
    });
    watch.start();
    for (const kept of opened?.kept ?? []) this.takeUp(kept);
  }

  /** Whether the connection stands now. */
  get connected(): boolean {
    return this.#connection.connected;
  }

  /** `<domain>/<ledger>`, where events go. */
  get origin(): string {
    return this.parts.keys.origin;
  }

  /** Events in the outbox that have no receipt yet; 0 without an outbox. */
  get kept(): number {
    return this.#outbox?.waiting ?? 0;
  }

  async record(event: AuditEvent | Uint8Array, options: RecordOptions = {}): Promise<Recorded> {
    let encoded: EncodedEvent | null = null;
    try {
      encoded = encodeEvent(event, this.#defaults);
      return await this.take(encoded, options);
    } catch (error) {
      const failure = options.failure ?? this.parts.options.failure ?? 'closed';
      if (!(error instanceof EversealError) || failure === 'closed') throw error;
      return this.drop(encoded, error);
    }
  }

  recordMany(events: readonly (AuditEvent | Uint8Array)[], options: RecordOptions = {}): Promise<Recorded[]> {
    return settleAll(events.map((event) => this.record(event, options)));
  }

  /**
   * Waits until nothing waits for a receipt any more, in memory or in the outbox.
   * @returns false when that was not reached in time
   */
  flush({ withinMs = this.parts.numbers.withinMs } = {}): Promise<boolean> {
    return this.reached(() => this.#calls.size === 0 && this.kept === 0 && this.#dispatcher.isIdle, withinMs);
  }

  /**
   * Takes nothing any more, waits for the calls that are under way, and lets go of everything. What is in the outbox stays
   * there and is sent after the next `connect`.
   */
  async close({ withinMs = CLOSE_WITHIN_MS } = {}): Promise<void> {
    this.#isClosed = true;
    await this.reached(() => this.#calls.size === 0, withinMs);
    this.#closing.abort();
    for (const call of this.#calls) call.abandon();
    this.changed();
    this.parts.watch.stop();
    await this.#connection.close();
    await this.reached(() => !this.#dispatcher.isSending, CLOSE_WITHIN_MS);
    await this.#outbox?.close();
  }

  /** For `connect`. @throws EversealError client.unreachable */
  async connectedWithin(withinMs: number): Promise<void> {
    if (withinMs === 0 || (await this.reached(() => this.connected, withinMs))) return;
    const message = `no connection to ${String(this.parts.options.servers)} within ${withinMs} ms: ${this.#connection.problem}`;
    throw new EversealError('client.unreachable', message);
  }

  private take(encoded: EncodedEvent, { withinMs, until = 'receipt' }: RecordOptions): Promise<Recorded> {
    if (this.#isClosed) throw new EversealError('client.closed', 'the client is closed');
    if (until === 'kept' && this.#outbox === null) {
      throw new EversealError('client.settings', "until: 'kept' needs an outbox: name its folder when connecting");
    }
    const pending = new PendingEvent(encoded, deadlineOf(withinMs, this.parts.numbers.withinMs));
    this.#calls.add(pending);
    void this.enter(pending, until);
    return pending.outcome.finally(() => {
      this.#calls.delete(pending);
      this.changed();
    });
  }

  /** Into the outbox, if there is one, and on its way. */
  private async enter(pending: PendingEvent, until: 'receipt' | 'kept'): Promise<void> {
    const { id, bytes } = pending.event;
    if (this.#outbox !== null) {
      try {
        // Until this is done nobody can say what the next start would find, and send.
        pending.isUncertain = true;
        const ordinal = await this.#outbox.append(bytes);
        // Its call has given up and was told so: if nothing crashes now it is not sent.
        if (pending.isSettled) return this.#outbox.settle(ordinal);
        pending.isUncertain = false;
        pending.ordinal = ordinal;
        if (until === 'kept') pending.settle({ state: 'kept', id });
        return this.#dispatcher.push(pending);
      } catch (error) {
        if (!(error instanceof EversealError)) return pending.fail(asFailure(error));
        // A sync that failed may have brought it to the disk.
        pending.isUncertain = error.code === 'outbox.failed';
        this.#counts.unkept += 1;
        this.#problems.tell(error);
      }
    }
    if (this.#memoryBytes + bytes.length > this.parts.numbers.mostWaitingBytes) {
      const message = `${this.#memoryBytes} bytes of events wait for a receipt, as much as may: ${this.#connection.problem}`;
      return pending.fail(new EversealError('client.overloaded', message));
    }
    this.#memoryBytes += bytes.length;
    const release = (): void => void (this.#memoryBytes -= bytes.length);
    pending.outcome.then(release, release);
    this.#dispatcher.push(pending);
  }

  /** An event that an earlier process left. */
  private takeUp({ ordinal, bytes }: KeptEvent): void {
    let event: EncodedEvent;
    try {
      event = encodeEvent(bytes, this.#defaults);
    } catch (error) {
      // Taken under other rules than today's.
      return this.setAside(ordinal, { id: '', bytes }, asFailure(error));
    }
    const pending = new PendingEvent(event, null, 'old');
    pending.ordinal = ordinal;
    this.#dispatcher.push(pending);
  }

  private async send(request: readonly PendingEvent[]): Promise<void> {
    const { identity, keys, numbers } = this.parts;
    await sendRequest(request, {
      producer: identity.name,
      keys,
      send: (body, contentType, timeoutMs) => this.#connection.request(identity.subject, body, contentType, timeoutMs),
      connected: async (signal) => void (await this.reached(() => this.connected || signal.aborted, null)),
      onReceipted: (event, receipt) => this.receipted(event, receipt),
      onRefused: (event, error) => this.refused(event, error),
      onUnverified: (reason) =>
        this.#problems.tell(new EversealError('client.unverified', `a receipt that proves nothing: ${reason}`)),
      counts: this.#counts,
      signal: this.#closing.signal,
      answerWithinMs: numbers.answerWithinMs,
    });
  }

  private async receipted(pending: PendingEvent, receipt: Receipt): Promise<void> {
    const { id, bytes } = pending.event;
    this.#counts.receipted += 1;
    const proof = new Proof(this.parts.identity.name, id, bytes, receipt);
    pending.settle({ state: 'receipted', id, proof });
    try {
      await this.parts.options.onReceipt?.(proof);
    } catch (error) {
      // Whoever keeps the proofs did not keep this one. It is asked for again after the next start.
      this.#problems.tell(asFailure(error));
      return;
    }
    if (pending.ordinal !== null) this.#outbox?.settle(pending.ordinal);
    this.changed();
  }

  private refused(pending: PendingEvent, error: EversealError): void {
    this.#counts.refused += 1;
    const { ordinal, event } = pending;
    pending.fail(error);
    if (ordinal !== null) this.setAside(ordinal, event, error);
    pending.ordinal = null;
    this.changed();
  }

  /** A kept event that will never be taken. */
  private setAside(ordinal: number, event: EncodedEvent, error: EversealError): void {
    const { code, message } = error;
    try {
      this.#outbox?.refuse(ordinal, event.bytes, { code, message, at: new Date(this.#defaults.now()).toISOString() });
    } catch (cause) {
      this.#problems.tell(asFailure(cause)); // It stays, and is asked about again after the next start.
    }
    this.#problems.guard(() => this.parts.options.onRefused?.({ id: event.id, bytes: event.bytes }, error));
  }

  private drop(encoded: EncodedEvent | null, error: EversealError): Recorded {
    this.#counts.dropped += 1;
    const id = encoded?.id ?? null;
    this.#problems.guard(() => this.parts.options.onDropped?.({ id, bytes: encoded?.bytes ?? null }, error));
    return { state: 'dropped', id, error };
  }

  private changed(): void {
    for (const look of this.#waiters) look();
    this.#dispatcher.pump();
  }

  /** Waits for a condition that `changed` is called after. @param withinMs null without a bound @returns whether it holds */
  private reached(holds: () => boolean, withinMs: number | null): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isReached: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(isReached);
      };
      const look = (): void => void (holds() && end(true));
      const timer = withinMs === null ? undefined : setTimeout(() => end(false), withinMs);
      this.#waiters.add(look);
    });
  }
}

function asFailure(error: unknown): EversealError {
  if (error instanceof EversealError) return error;
  return new EversealError('outbox.failed', error instanceof Error ? error.message : String(error), { cause: error });
}
