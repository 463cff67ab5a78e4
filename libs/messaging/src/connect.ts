/**
 * The connection of one service to NATS: TLS 1.3 with a client certificate, handshake before the server's first word,
 * reconnecting for ever, noticing a dead server within 15 s.
 *
 * What the client library does by default would lose a service for good or in silence, hence (all tested):
 * - it gives up after 10 reconnects: here it never does, and if it closes anyway `onClosed` is told;
 * - it notices a dead server after four minutes: here it pings every 5 s;
 * - its pauses between attempts are by the wall clock, which somebody may set back: here by the monotonic one;
 * - `publish` to a forbidden subject succeeds: the violation comes later as a status event, which is logged (a flood in
 *   part, server-error-log.ts), counted and handed to listeners;
 * - requests in flight when the connection breaks wait for their time-out: here they end at once (reply-inbox.ts), and
 *   what would be sent while disconnected is refused, because the library keeps some of it and drops some;
 * - an exception in a subscription's callback ends its read loop: use listen(), which catches.
 *
 * Certificates are files that the library reads at every connect, so a renewal needs a reconnect() and nothing else: the
 * server does not end a session whose certificate has expired.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, errors } from '@nats-io/transport-node';
import type { NatsConnection, PermissionViolationError, Status } from '@nats-io/transport-node';
import { explainConnectError } from './explain-connect-error.js';
import { MessagingError } from './messaging-error.js';
import { ReplyInbox } from './reply-inbox.js';
import { ServerErrorLog } from './server-error-log.js';

export interface MessagingLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface NatsOptions {
  /** Name of this client in the server's logs, e.g. 'ingest-a'. */
  name: string;
  /** `tls://host:port` each; the server's certificate must carry the host. */
  servers: readonly string[];
  /** Paths of PEM files, read at every connect. */
  tls: { certFile: string; keyFile: string; caFile: string };
  /** Private inbox prefix of this identity: the server lets nobody else listen below it. */
  inboxPrefix: string;
  logger: MessagingLogger;
  /** Milliseconds to keep trying for the first connection; default 30,000. */
  firstConnectMs?: number;
  /** Milliseconds between pings; a server that leaves two unanswered is given up. Default 5,000. */
  pingMs?: number;
  /** The connection is over and will not come back: end the process. Not called after close(). */
  onClosed: (error: MessagingError) => void;
}

/** What happened to the connection since it was made; numbers only grow. */
export interface LinkCounts {
  disconnects: number;
  reconnects: number;
  /** Times the server did not answer pings. */
  stale: number;
  /** Publishes and subscriptions that the server forbade. */
  forbidden: number;
  /** Other errors that the server sent. */
  errors: number;
}

export interface LinkListener {
  disconnected?(): void;
  /** Connected again: whatever was concluded from silence is to be looked at anew. */
  reconnected?(): void;
  forbidden?(violation: PermissionViolationError): void;
}

const PING_MS = 5_000;
const RECONNECT_WAIT_MS = 250;
const RECONNECT_JITTER_MS = 250;
/** For TCP, TLS and the server's first word together. */
const DIAL_MS = 5_000;
const CLOSE_MS = 5_000;

/**
 * Connects. Tries each server in turn until one lets us in or the time is over.
 * @throws MessagingError nats.unreachable, saying why and what helps
 */
export async function connectNats(options: NatsOptions): Promise<NatsLink> {
  const within = options.firstConnectMs ?? 30_000;
  const deadline = performance.now() + within;
  for (;;) {
    try {
      return new NatsLink(await dial(options), options);
    } catch (cause) {
      const why = explainConnectError(cause);
      if (performance.now() + RECONNECT_WAIT_MS > deadline) {
        const where = options.servers.join(', ');
        throw new MessagingError('nats.unreachable', `no connection to NATS at ${where} within ${within} ms: ${why}`, {
          cause,
        });
      }
      options.logger.warn({ servers: options.servers, reason: why }, `not connected to NATS yet: ${why}`);
      await sleep(RECONNECT_WAIT_MS);
    }
  }
}

function dial({ name, servers, tls, inboxPrefix, pingMs = PING_MS }: NatsOptions): Promise<NatsConnection> {
  return connect({
    name,
    servers: [...servers],
    tls: { ...tls, handshakeFirst: true, minVersion: 'TLSv1.3' } as NonNullable<Parameters<typeof connect>[0]>['tls'],
    inboxPrefix,
    timeout: DIAL_MS,
    pingInterval: pingMs,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: monotonicDelay(() => performance.now()),
    // A user that is missing in the server's config comes back with the config's correction, so keep asking.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  });
}

/**
 * What the library is to add to the wall-clock time of its last attempt before it tries again. It compares that with the wall
 * clock: one that is set back an hour would keep a service disconnected for that hour. So the wait is measured by the
 * monotonic clock, and once it is over, the answer is one that any clock has passed.
 */
function monotonicDelay(now: () => number): () => number {
  let [tried, wait] = [-Infinity, 0];
  return () => {
    const left = tried + wait - now();
    if (left > 0) return left;
    [tried, wait] = [now(), RECONNECT_WAIT_MS + Math.random() * RECONNECT_JITTER_MS];
    return -Infinity;
  };
}

/** One connection, for the life of a process. Made by connectNats. */
export class NatsLink {
  /** Where answers to this connection's requests arrive. */
  readonly inbox: ReplyInbox;
  readonly counts: Readonly<LinkCounts>;
  private readonly mutableCounts: LinkCounts = { disconnects: 0, reconnects: 0, stale: 0, forbidden: 0, errors: 0 };
  private readonly listeners = new Set<LinkListener>();
  private readonly serverErrors: ServerErrorLog;
  private isConnected = true;
  private isClosing = false;

  constructor(
    readonly nc: NatsConnection,
    private readonly options: Pick<NatsOptions, 'logger' | 'onClosed' | 'inboxPrefix'>,
  ) {
    this.counts = this.mutableCounts;
    this.serverErrors = new ServerErrorLog(options.logger);
    this.inbox = new ReplyInbox(this, options.inboxPrefix);
    void this.followStatus();
    void this.followClose();
  }

  /** False from the moment a disconnect is noticed until the next connection stands. */
  get connected(): boolean {
    return this.isConnected;
  }

  /** Largest message, headers included, that the server says it takes; bytes. 0 while disconnected. */
  get maxPayload(): number {
    return this.nc.info?.max_payload ?? 0;
  }

  /** @returns call it to stop listening */
  listen(listener: LinkListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Makes a new connection now, with the certificate files as they are. Requests in flight end as disconnected. */
  async reconnect(): Promise<void> {
    await this.nc.reconnect();
  }

  /** Sends what is buffered, ends the subscriptions and closes; a server that does not answer is left after 5 s. */
  async close(): Promise<void> {
    this.isClosing = true;
    const drained = this.nc.drain().catch(() => undefined);
    await Promise.race([drained, sleep(CLOSE_MS, undefined, { ref: false })]);
    await this.nc.close();
  }

  private async followStatus(): Promise<void> {
    for await (const status of this.nc.status()) this.onStatus(status);
  }

  private onStatus(status: Status): void {
    const { logger } = this.options;
    switch (status.type) {
      case 'disconnect':
        if (!this.isConnected) return;
        this.isConnected = false;
        this.mutableCounts.disconnects += 1;
        if (!this.isClosing) logger.warn({ server: status.server }, 'disconnected from NATS, reconnecting');
        return this.tell((listener) => listener.disconnected?.());
      case 'reconnect':
        this.isConnected = true;
        this.mutableCounts.reconnects += 1;
        logger.info({ server: status.server }, 'connected to NATS again');
        return this.tell((listener) => listener.reconnected?.());
      case 'staleConnection':
        this.mutableCounts.stale += 1;
        return logger.warn({}, 'the NATS server does not answer pings');
      case 'error':
        return this.onServerError(status.error);
      default:
        return;
    }
  }

  private onServerError(error: Error): void {
    if (error instanceof errors.PermissionViolationError) {
      this.mutableCounts.forbidden += 1;
      const { operation, subject } = error;
      this.serverErrors.forbidden(operation, subject);
      return this.tell((listener) => listener.forbidden?.(error));
    }
    this.mutableCounts.errors += 1;
    this.serverErrors.reported(error, explainConnectError(error));
  }

  private tell(what: (listener: LinkListener) => void): void {
    this.listeners.forEach(what);
  }

  private async followClose(): Promise<void> {
    const cause = await this.nc.closed();
    this.serverErrors.flush();
    if (this.isConnected) {
      this.isConnected = false;
      this.tell((listener) => listener.disconnected?.());
    }
    if (this.isClosing) return;
    const why = cause instanceof Error ? explainConnectError(cause) : 'the client library closed it';
    this.options.onClosed(new MessagingError('nats.closed', `the connection to NATS is over: ${why}`, { cause }));
  }
}
