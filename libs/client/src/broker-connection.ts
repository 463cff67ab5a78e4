/**
 * The connection of a producer to NATS: TLS 1.3 with its certificate, handshake before the server's first word, a private
 * inbox; made in the background, tried for ever, and noticed within 15 s when it is dead.
 *
 * What the client library would do by itself and a producer must not rely on: give up after 10 reconnects, leave requests
 * waiting for their time-out when the connection breaks, keep some of what is sent while disconnected and drop the rest.
 * Certificate files are read at every connect, so a renewal needs a reconnect and nothing else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, errors, headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import type { NatsTlsOptions } from '@everseal/tls';
import { AnswerInbox, type Reply } from './answer-inbox.js';

export interface BrokerOptions {
  /** Name in the server's logs. */
  readonly name: string;
  readonly servers: readonly string[];
  readonly tls: NatsTlsOptions;
  readonly inboxPrefix: string;
  /** Connected, for the first time or again. */
  readonly onConnected: () => void;
}

const DIAL_MS = 5_000;
const PING_MS = 5_000;
const RETRY_MS = 250;
const JITTER_MS = 250;
const CLOSE_MS = 2_000;

/** One for the life of a client. Owner of `nc`: the loop `run`. */
export class BrokerConnection {
  #nc: NatsConnection | null = null;
  #isConnected = false;
  #isClosing = false;
  /** That of `nc`. */
  #inbox: AnswerInbox | null = null;
  #lastProblem = 'not tried yet';
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;

  constructor(private readonly options: BrokerOptions) {
    this.#running = this.run();
  }

  get connected(): boolean {
    return this.#isConnected;
  }

  /** Why there is no connection. */
  get problem(): string {
    return this.#lastProblem;
  }

  /** Makes the connection anew, with the certificate files as they are now. Requests in flight end. */
  async reconnect(): Promise<void> {
    await this.#nc?.reconnect();
  }

  /** Sends a request and waits for one answer. Never throws. @param timeoutMs at least 1 */
  async request(subject: string, body: Buffer, contentType: string, timeoutMs: number): Promise<Reply> {
    const inbox = this.#inbox;
    if (inbox === null || !this.#isConnected) return { kind: 'none', reason: 'not connected', left: false };
    const headers = newHeaders();
    headers.set('Content-Type', contentType);
    return inbox.ask(subject, body, headers, timeoutMs);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#closing.abort();
    const nc = this.#nc;
    if (nc !== null) {
      const drained = nc.drain().catch(() => undefined);
      await Promise.race([drained, sleep(CLOSE_MS, undefined, { ref: false })]);
      await nc.close();
    }
    await this.#running;
  }

  /** Dials until it is connected; follows the connection; if the library ends it for good, dials again. */
  private async run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        this.#nc = await this.dial();
      } catch (error) {
        this.#lastProblem = error instanceof Error ? error.message : String(error);
        await this.pause();
        continue;
      }
      if (this.#isClosing) return this.#nc.close();
      const inbox = new AnswerInbox(this.#nc, this.options.inboxPrefix);
      this.#inbox = inbox;
      this.up();
      const ended = await this.follow(this.#nc, inbox);
      this.down(ended);
      [this.#nc, this.#inbox] = [null, null];
    }
  }

  private dial(): Promise<NatsConnection> {
    const { name, servers, tls, inboxPrefix } = this.options;
    return connect({
      name,
      servers: [...servers],
      tls,
      inboxPrefix,
      timeout: DIAL_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: monotonicDelay(() => performance.now()),
      // A user that is missing in the server's config comes back with the config's correction.
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
    });
  }

  /** @returns why it ended */
  private async follow(nc: NatsConnection, inbox: AnswerInbox): Promise<string> {
    const watch = async (): Promise<void> => {
      for await (const status of nc.status()) {
        if (status.type === 'disconnect') this.down('the connection broke');
        else if (status.type === 'reconnect') this.up();
        else if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) {
          inbox.forbidden(status.error);
        }
      }
    };
    void watch();
    const cause = await nc.closed();
    return cause instanceof Error ? cause.message : 'the connection was closed';
  }

  private up(): void {
    this.#isConnected = true;
    this.options.onConnected();
  }

  private down(reason: string): void {
    this.#isConnected = false;
    this.#lastProblem = reason;
    this.#inbox?.broken();
  }

  private async pause(): Promise<void> {
    const { signal } = this.#closing;
    await sleep(RETRY_MS + Math.random() * JITTER_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * The library adds what this gives to the wall-clock time of its last attempt, and waits until then: with a clock that is set
 * back, for as long as that. So the pause is measured by the monotonic clock, and ends with what any wall clock has passed.
 */
function monotonicDelay(now: () => number): () => number {
  let [tried, pause] = [-Infinity, 0];
  return () => {
    const left = tried + pause - now();
    if (left > 0) return left;
    [tried, pause] = [now(), RETRY_MS + Math.random() * JITTER_MS];
    return -Infinity;
  };
}
