/**
 * Every failure of talking to NATS and JetStream, as a closed set of codes, one a check. The fate (retry, refuse or stop)
 * follows from the code; callers decide by fate or code, never by the message.
 *
 * None of them says that nothing happened: a request that got no answer may have been carried out. What must know whether
 * a message was stored uses StoreOutcome (stored-publish.ts), where not knowing is a value, not an exception.
 */
const FATES = {
  /** No first connection within the time allowed; the message says why. */
  'nats.unreachable': 'stop',
  /** The connection ended for good: the client library gave up, or close() was called. */
  'nats.closed': 'stop',
  /** Not connected now; the library reconnects by itself. */
  'nats.disconnected': 'retry',
  /** No answer in time. */
  'nats.timeout': 'retry',
  /** Nobody serves the subject: the service, the stream or the account's import is not there (yet). */
  'nats.no-responders': 'retry',
  /** The server forbids it to this certificate. Heals when the server's config is corrected and reloaded. */
  'nats.forbidden': 'retry',
  /** A subscription that the process lives by was forbidden. */
  'nats.subscription-lost': 'stop',
  /** An answer that does not follow its format. */
  'answer.malformed': 'retry',
  /** An answer to somebody else's request (docs/decisions/0137); ours gets none any more. */
  'answer.astray': 'retry',
  /** JetStream answered an API request with an error; `detail` holds its err_code. */
  'stream.api': 'retry',
  'stream.not-found': 'retry',
  /** A batch that does not hang together; nothing of it is used. */
  'batch.broken': 'retry',
  /** JetStream refused to store a message; `detail` holds its err_code. */
  'publish.rejected': 'retry',
  /** Whether a message was stored is not known. */
  'publish.unknown': 'retry',
} as const;

export type MessagingCode = keyof typeof FATES;

export class MessagingError extends Error {
  readonly fate: 'retry' | 'stop';
  /** JetStream's err_code where there is one. */
  readonly detail: number | undefined;

  constructor(
    readonly code: MessagingCode,
    message: string,
    options?: ErrorOptions & { detail?: number | undefined },
  ) {
    super(message, options);
    this.name = 'MessagingError';
    this.fate = FATES[code];
    this.detail = options?.detail;
  }
}

/**
 * The error that the other side of a request answered with, as it said it.
 * Fate: as told, because the one who refused knows whether the same request may be granted later.
 */
export class ServiceError extends Error {
  readonly fate: 'retry' | 'refuse';

  /**
   * @param code in the closed set of that service; `service.busy` and `service.failed` come from the responder itself
   */
  constructor(
    readonly code: string,
    message: string,
    retryable: boolean,
  ) {
    super(message);
    this.name = 'ServiceError';
    this.fate = retryable ? 'retry' : 'refuse';
  }
}
