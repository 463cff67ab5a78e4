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

export interface BrokerOptions {
  /** Name in the server's logs. */
  readonly name: string;
  readonly servers: readonly string[];
  readonly tls: NatsTlsOptions;
  readonly inboxPrefix: string;
  /** Connected, for the first time or again. */
  readonly onConnected: () => void;
}

export type Reply =
  | { readonly kind: 'answer'; readonly data: Buffer }
  /** `left`: the request may have reached somebody. */
  | { readonly kind: 'none'; readonly reason: string; readonly left: boolean }
  /** The broker passed nothing on. */
  | { readonly kind: 'forbidden'; readonly reason: string };

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
  /** Aborted when the connection that stands breaks. */
  #broken = new AbortController();
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
    const nc = this.#nc;
    if (nc === null || !this.#isConnected) return { kind: 'none', reason: 'not connected', left: false };
    const headers = newHeaders();
    headers.set('Content-Type', contentType);
    try {
      const asked = nc.request(subject, body, { timeout: timeoutMs, headers });
      const { data } = await orBroken(asked, this.#broken.signal);
      return { kind: 'answer', data: Buffer.from(data.buffer, data.byteOffset, data.length) };
    } catch (error) {
      return replyOf(error, timeoutMs);
    }
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
      this.up();
      const ended = await this.follow(this.#nc);
      this.down(ended);
      this.#nc = null;
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
  private async follow(nc: NatsConnection): Promise<string> {
    const watch = async (): Promise<void> => {
      for await (const { type } of nc.status()) {
        if (type === 'disconnect') this.down('the connection broke');
        else if (type === 'reconnect') this.up();
      }
    };
    void watch();
    const cause = await nc.closed();
    return cause instanceof Error ? cause.message : 'the connection was closed';
  }

  private up(): void {
    this.#broken = new AbortController();
    this.#isConnected = true;
    this.options.onConnected();
  }

  private down(reason: string): void {
    this.#isConnected = false;
    this.#lastProblem = reason;
    this.#broken.abort();
  }

  private async pause(): Promise<void> {
    const { signal } = this.#closing;
    await sleep(RETRY_MS + Math.random() * JITTER_MS, undefined, { signal }).catch(() => undefined);
  }
}

class Broken extends Error {}

function orBroken<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Broken('the connection broke'));
    signal.addEventListener('abort', onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function replyOf(caught: unknown, timeoutMs: number): Reply {
  // The library wraps what ended a request, save its time-out.
  const error = caught instanceof errors.RequestError && caught.cause !== undefined ? caught.cause : caught;
  if (error instanceof errors.PermissionViolationError) return { kind: 'forbidden', reason: error.message };
  if (error instanceof errors.NoRespondersError) {
    return { kind: 'none', reason: 'nobody takes events of this ledger now', left: false };
  }
  if (error instanceof errors.TimeoutError) return { kind: 'none', reason: `no answer in ${timeoutMs} ms`, left: true };
  return { kind: 'none', reason: error instanceof Error ? error.message : String(error), left: true };
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
