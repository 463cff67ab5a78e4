/**
 * A Recorder for tests of programs that record events: keeps them in memory, where a test can look at once.
 *
 *     const recorder = new MemoryRecorder({ source: 'https://billing.example.com/invoices' });
 *     await approve(invoice, recorder);
 *     expect(recorder.events).toMatchObject([{ data: { action: 'invoice.approve', actor: { id: 'alice' } } }]);
 *
 * It serialises and checks events with the code of the client, so a bad event fails here as it does there, and gives receipts
 * that verify, signed by a key of its own that nobody else trusts.
 *
 * It does not send, retry, batch or keep anything: there is no broker, no ingest, no policy (it takes any source), no
 * outbox (`until: 'kept'` answers `kept` at once, nothing is on a disk), and no deadline ever passes. `event.conflict`,
 * `event.forbidden` and everything unknown come only when a test asks for them with `failNext`.
 */
import { randomBytes } from 'node:crypto';
import {
  encodeEventEntry,
  eventPrefix,
  formatTimestamp,
  ingestKeyName,
  leafHash,
  NOTE_KEY,
  originOf,
  signFrame,
  SigningKey,
  ZERO_HASH,
  type VerifierKey,
} from '@everseal/audit-core';
import { encodeEvent, type AuditEvent, type EncodedEvent } from './audit-event.js';
import { EversealError } from './everseal-error.js';
import { Proof } from './proof.js';
import type { Recorded, RecordOptions, Recorder } from './recorder.js';
import { settleAll } from './some-failed.js';
import { uuidV7 } from './uuid-v7.js';

const DOMAIN = 'test.example.com';
const ORIGIN = originOf(DOMAIN, 'memory');
const PRODUCER = 'memory';

/** A recorded event, parsed. */
export interface RecordedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly data?: unknown;
  readonly [attribute: string]: unknown;
}

export interface MemoryRecorderOptions {
  source: string;
  /** Milliseconds since 1970; default Date.now. */
  now?: () => number;
  /** Default: as the client's. */
  id?: () => string;
  /** What a failing call does unless it says so itself; default `closed`. */
  failure?: 'closed' | 'open';
}

export class MemoryRecorder implements Recorder {
  private readonly key = SigningKey.fromSeed(ingestKeyName(DOMAIN, 'memory'), randomBytes(32), NOTE_KEY);
  private readonly encoded: EncodedEvent[] = [];
  private readonly failures: EversealError[] = [];
  private readonly now: () => number;
  /** Events that were dropped, with `failure: 'open'`. */
  dropped = 0;

  constructor(private readonly options: MemoryRecorderOptions) {
    this.now = options.now ?? Date.now;
  }

  /** Everything recorded, in order; an event is there as soon as `record` was called, awaited or not. */
  get events(): RecordedEvent[] {
    return this.encoded.map(({ bytes }) => JSON.parse(bytes.toString()) as RecordedEvent);
  }

  /** The exact bytes of the same. */
  get bytes(): Buffer[] {
    return this.encoded.map(({ bytes }) => bytes);
  }

  /** What verifies its receipts. */
  get ingestKeys(): readonly VerifierKey[] {
    return [this.key.verifier];
  }

  /** The next event fails with this, the one after it as usual. Called twice, the next two fail. */
  failNext(error: EversealError): void {
    this.failures.push(error);
  }

  clear(): void {
    this.encoded.length = 0;
    this.failures.length = 0;
    this.dropped = 0;
  }

  async record(event: AuditEvent | Uint8Array, options: RecordOptions = {}): Promise<Recorded> {
    let id: string | null = null;
    try {
      const { source, id: newId = () => uuidV7(this.now(), randomBytes(10)) } = this.options;
      const encoded = encodeEvent(event, { source, now: this.now, id: newId });
      ({ id } = encoded);
      const failure = this.failures.shift();
      if (failure !== undefined) throw failure;
      this.encoded.push(encoded);
      if (options.until === 'kept') return { state: 'kept', id };
      return { state: 'receipted', id, proof: this.prove(encoded) };
    } catch (error) {
      const failure = options.failure ?? this.options.failure ?? 'closed';
      if (!(error instanceof EversealError) || failure === 'closed') throw error;
      this.dropped += 1;
      return { state: 'dropped', id, error };
    }
  }

  recordMany(events: readonly (AuditEvent | Uint8Array)[], options: RecordOptions = {}): Promise<Recorded[]> {
    return settleAll(events.map((event) => this.record(event, options)));
  }

  private prove({ id, bytes }: EncodedEvent): Proof {
    const accepted = formatTimestamp(this.now());
    const root = leafHash(encodeEventEntry(eventPrefix(ORIGIN, PRODUCER, accepted), bytes));
    const number = this.encoded.length;
    const frame = { origin: ORIGIN, ingester: 'memory', number, previous: ZERO_HASH, count: 1, root, accepted };
    // Frames of one ingester are chained; whoever checks a receipt cannot see that these are not.
    const previous = number === 1 ? ZERO_HASH : leafHash(Buffer.from(String(number)));
    const note = signFrame({ ...frame, previous }, this.key);
    return new Proof(PRODUCER, id, bytes, { ledger: ORIGIN, frame: note, first: 0, count: 1, proof: [] });
  }
}
