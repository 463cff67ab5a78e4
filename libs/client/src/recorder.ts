/**
 * What a program that records events depends on: the client in production, `MemoryRecorder` in its tests.
 */
import type { AuditEvent } from './audit-event.js';
import type { EversealError } from './everseal-error.js';
import type { Proof } from './proof.js';

export interface RecordOptions {
  /** Milliseconds until the call is settled one way or another. */
  withinMs?: number;
  /**
   * `closed`: the call rejects when the event has neither a receipt nor a place in the outbox; let the business operation
   * fail with it. `open`: the call never rejects; the event is dropped, counted and told to `onDropped`.
   */
  failure?: 'closed' | 'open';
  /** `receipt`: wait for it. `kept`: with an outbox, be content as soon as the event is synced there. */
  until?: 'receipt' | 'kept';
}

export type Recorded =
  /** In the log's hands, and proven. Keep the proof. */
  | { readonly state: 'receipted'; readonly id: string; readonly proof: Proof }
  /** Synced in the local outbox: it will be sent until it has a receipt, also after a crash. `onReceipt` tells. */
  | { readonly state: 'kept'; readonly id: string }
  /** Only with `failure: 'open'`. The client does nothing more for it; `error.isUnknown`: it may be in the log. */
  | { readonly state: 'dropped'; readonly id: string | null; readonly error: EversealError };

export interface Recorder {
  /**
   * Records one event.
   * @param event in the words of auditing, or the exact bytes of a CloudEvent
   * @throws EversealError with `failure: 'closed'`, which is the default
   */
  record(event: AuditEvent | Uint8Array, options?: RecordOptions): Promise<Recorded>;

  /**
   * Records events, each with its own outcome: a bad one does not harm the others.
   * @returns their outcomes, in order
   * @throws SomeFailed when one has failed, after all are settled
   */
  recordMany(events: readonly (AuditEvent | Uint8Array)[], options?: RecordOptions): Promise<Recorded[]>;
}
