/**
 * Answers to requests: one subscription for the whole connection, `<inbox prefix>.<random>.*`, whose last token says
 * which request an answer belongs to. Unlike the client library's own, it ends every waiting request the moment the
 * connection breaks or the server forbids the request, and it can wait for many answers to one request.
 *
 * State: `waiting` holds a request from open() until its owner closes it or it has failed; each fails at most once.
 * The subscription is made at the first request, and made again after the server has forbidden it (a corrected server
 * config may allow it).
 */
import { randomBytes } from 'node:crypto';
import type { Msg, MsgHdrs, PermissionViolationError, Subscription } from '@nats-io/transport-node';
import type { NatsLink } from './connect.js';
import { HeaderBlock } from './header-block.js';
import { MessagingError } from './messaging-error.js';

const NO_RESPONDERS = 503;

export interface AskOptions {
  /** Milliseconds to wait for the answer. */
  timeoutMs: number;
  headers?: MsgHdrs;
}

export interface ReplyHandler {
  /** An answer. What it throws fails the request as `answer.malformed`. */
  onMessage(message: Msg): void;
  /** The wait is over without the answer that would have ended it. Must not throw. */
  onFailure(error: MessagingError): void;
}

/** A request that waits for answers. */
export interface Waiting {
  /** Starts the time allowed anew: an answer came, more are to come. */
  extend(): void;
  /** Nothing more is expected. */
  close(): void;
}

interface Entry extends Waiting {
  subject: string;
  handler: ReplyHandler;
  fail(error: MessagingError): void;
}

export class ReplyInbox {
  private readonly base: string;
  private readonly waiting = new Map<string, Entry>();
  private subscription: Subscription | null = null;
  private next = 0;

  constructor(
    private readonly link: NatsLink,
    prefix: string,
  ) {
    this.base = `${prefix}.${randomBytes(8).toString('hex')}`;
    link.listen({
      disconnected: () => this.failAll('nats.disconnected', 'the connection to NATS broke'),
      forbidden: (violation) => this.forbidden(violation),
    });
  }

  /**
   * Sends a request and waits for one answer.
   * @throws MessagingError nats.disconnected, nats.timeout, nats.no-responders, nats.forbidden
   */
  ask(subject: string, data: Uint8Array | string, { timeoutMs, headers }: AskOptions): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const waiting = this.open(subject, data, timeoutMs, headers, {
        onMessage: (message) => {
          waiting.close();
          resolve(message);
        },
        onFailure: reject,
      });
    });
  }

  /**
   * Sends a request and hands over every answer until the caller closes it.
   * @param timeoutMs for the first answer, and after each extend()
   * @throws MessagingError nats.disconnected when it could not be sent at all
   */
  open(
    subject: string,
    data: Uint8Array | string,
    timeoutMs: number,
    headers: MsgHdrs | undefined,
    handler: ReplyHandler,
  ): Waiting {
    if (!this.link.connected || this.link.nc.isClosed()) {
      throw new MessagingError('nats.disconnected', `not connected to NATS: ${subject} was not sent`);
    }
    this.subscription ??= this.subscribe();
    const token = (this.next++).toString(36);
    const entry = this.register(token, subject, timeoutMs, handler);
    try {
      this.link.nc.publish(subject, data, {
        reply: `${this.base}.${token}`,
        ...(headers === undefined ? {} : { headers }),
      });
    } catch (error) {
      entry.close();
      throw error;
    }
    return entry;
  }

  private register(token: string, subject: string, timeoutMs: number, handler: ReplyHandler): Entry {
    const expire = () =>
      entry.fail(new MessagingError('nats.timeout', `no answer on ${subject} within ${timeoutMs} ms`));
    let timer = setTimeout(expire, timeoutMs);
    const entry: Entry = {
      subject,
      handler,
      extend: () => {
        clearTimeout(timer);
        timer = setTimeout(expire, timeoutMs);
      },
      close: () => {
        clearTimeout(timer);
        this.waiting.delete(token);
      },
      fail: (error) => {
        entry.close();
        handler.onFailure(error);
      },
    };
    this.waiting.set(token, entry);
    return entry;
  }

  private subscribe(): Subscription {
    return this.link.nc.subscribe(`${this.base}.*`, {
      callback: (error, message) => {
        // Errors (the subscription was forbidden) come through the link as well, with their subject.
        if (error !== null) return;
        const entry = this.waiting.get(message.subject.slice(this.base.length + 1));
        if (entry === undefined) return;
        try {
          if (isNoResponders(message)) {
            entry.fail(new MessagingError('nats.no-responders', `nobody serves ${entry.subject}`));
          } else {
            entry.handler.onMessage(message);
          }
        } catch (cause) {
          // Thrown on, it would end the read loop, and every other request with it.
          entry.fail(new MessagingError('answer.malformed', `an answer on ${entry.subject} found a bug`, { cause }));
        }
      },
    });
  }

  private forbidden({ operation, subject }: PermissionViolationError): void {
    if (operation === 'subscription' && subject === `${this.base}.*`) {
      this.subscription = null;
      this.failAll('nats.forbidden', `the server forbids our inbox ${subject}`);
    } else if (operation === 'publish') {
      const forbidden = [...this.waiting.values()].filter((entry) => entry.subject === subject);
      for (const entry of forbidden) {
        entry.fail(new MessagingError('nats.forbidden', `the server forbids ${subject} to this certificate`));
      }
    }
  }

  private failAll(code: 'nats.disconnected' | 'nats.forbidden', why: string): void {
    const ended = [...this.waiting.values()];
    for (const entry of ended) {
      entry.fail(new MessagingError(code, `no answer on ${entry.subject}: ${why}`));
    }
  }
}

/**
 * The server's own "nobody there": status 503 without a body. A stored message that is read back may carry any status
 * line its publisher chose, but then also the header with which the server says what stream it is of.
 */
function isNoResponders(message: Msg): boolean {
  if (message.data.length > 0) return false;
  const headers = HeaderBlock.of(message);
  return headers?.code === NO_RESPONDERS && headers.ofServer('Nats-Stream') === undefined;
}
