/**
 * Every failure of the client, as a closed set of codes, one a check. Callers decide by code and by `isUnknown`, never by
 * the message.
 *
 * `isUnknown` is what matters most: false says that the event is not in the log because of this call; true says that it may
 * be there or not. Recording it again with the same bytes is right in both cases, with a new id only when it is false.
 */
import type { RefusalCode } from '@everseal/audit-core';

/** What the client itself finds, beside the refusals of ingest and the broker. */
export type ClientFailure =
  /** Options, certificate or trust file are not usable; `cause` says more. */
  | 'client.settings'
  /** No first connection within the time allowed. It is not tried any further. */
  | 'client.unreachable'
  /** The deadline passed. `isUnknown` tells whether anything had left this process. */
  | 'client.deadline'
  /** As `client.deadline`, and the last answer claimed acceptance without proving it. */
  | 'client.unverified'
  /** The broker does not let this certificate send there: the policy, or its rendering, lacks the producer. */
  | 'client.forbidden'
  /** More waits than `mostWaitingBytes`. */
  | 'client.overloaded'
  /** The client is closed, or was before an answer came. */
  | 'client.closed'
  /** Some events of `recordMany` failed; `outcomes` says which. */
  | 'client.some-failed'
  /** Another process has the outbox. */
  | 'outbox.locked'
  /** The outbox's files were damaged, not by a crash. Nothing was changed. */
  | 'outbox.corrupt'
  /** The outbox holds its bound. */
  | 'outbox.full'
  /** The outbox could not be written. */
  | 'outbox.failed';

export type EversealErrorCode = ClientFailure | Exclude<RefusalCode, 'unavailable'>;

export class EversealError extends Error {
  /** True when the event may be in the log nevertheless. */
  readonly isUnknown: boolean;

  constructor(
    readonly code: EversealErrorCode,
    message: string,
    options: ErrorOptions & { isUnknown?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'EversealError';
    this.isUnknown = options.isUnknown ?? false;
  }
}
