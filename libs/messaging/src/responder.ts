/**
 * Serves requests that are not on the hot path: resend, hold, witness, claim. A handler turns a request into an answer or
 * throws; an error reaches the requester as a typed answer, in the form that NATS services use:
 *
 *   Nats-Service-Error-Code: <code>
 *   Nats-Service-Error: <message>
 *   {"error":{"code":"…","message":"…","retryable":false}}
 *
 * What the handler refuses by type (fate 'refuse') is told with its code and message; one that may pass (fate 'retry')
 * as retryable; anything else is logged here and told as `service.failed`, without its message.
 *
 * Every answer repeats the name that its request gave itself (request.ts).
 *
 * Bounded: at most `concurrency` handlers run, at most four times as many requests wait; beyond that the answer is
 * `service.busy`. A message without a reply subject is dropped: nobody would get the answer. So is one whose reply subject
 * could not be said to the server (reply-subject.ts).
 */
import { headers as newHeaders } from '@nats-io/transport-node';
import type { Msg } from '@nats-io/transport-node';
import { FormatError } from '@everseal/audit-core';
import type { MessagingLogger, NatsLink } from './connect.js';
import { HeaderBlock } from './header-block.js';
import { listen } from './listen.js';
import { isReplySubject } from './reply-subject.js';
import { REQUEST_NAME } from './request.js';

export interface ServedRequest {
  subject: string;
  /** A view of the read buffer. */
  data: Buffer;
  /** The first value of a header; undefined when there is none. */
  header(name: string): string | undefined;
}

/** An answer's bytes, or bytes with headers. */
export type Answer = Uint8Array | { data: Uint8Array; headers: Readonly<Record<string, string>> };

export interface ServeOptions {
  queue?: string;
  handler: (request: ServedRequest) => Promise<Answer>;
  /** How many handlers may run at once; default 8. */
  concurrency?: number;
  logger: MessagingLogger;
  /** The subscription is over: end the process. */
  onFault: (error: Error) => void;
}

export interface Serving {
  /** Takes no further request and waits for the running handlers. */
  stop(): Promise<void>;
}

const WAITING_PER_HANDLER = 4;
/** A name that can be repeated. */
const PRINTABLE = /^[\x21-\x7e]{1,64}$/;

export function serve(link: NatsLink, subject: string, options: ServeOptions): Serving {
  const responder = new Responder(subject, options);
  const { queue, onFault } = options;
  const listening = listen(link, subject, {
    ...(queue === undefined ? {} : { queue }),
    onMessage: (message) => responder.take(message),
    onFault,
  });
  return {
    stop: async () => {
      await listening.stop();
      await responder.idle();
    },
  };
}

class Responder {
  private running = 0;
  private readonly waiting: Msg[] = [];
  private whenIdle: (() => void)[] = [];
  private readonly concurrency: number;

  constructor(
    private readonly subject: string,
    private readonly options: ServeOptions,
  ) {
    this.concurrency = options.concurrency ?? 8;
  }

  take(message: Msg): void {
    if (!isReplySubject(message.reply)) return;
    if (this.running < this.concurrency) {
      void this.run(message);
    } else if (this.waiting.length < this.concurrency * WAITING_PER_HANDLER) {
      this.waiting.push(message);
    } else {
      respondError(message, 'service.busy', 'too many requests wait already', true);
    }
  }

  /** Resolves when nothing runs or waits. */
  idle(): Promise<void> {
    return this.running === 0 ? Promise.resolve() : new Promise((resolve) => this.whenIdle.push(resolve));
  }

  private async run(first: Msg): Promise<void> {
    this.running += 1;
    for (let message: Msg | undefined = first; message !== undefined; message = this.waiting.shift()) {
      await this.answer(message);
    }
    this.running -= 1;
    if (this.running > 0) return;
    for (const resolve of this.whenIdle.splice(0)) resolve();
  }

  private async answer(message: Msg): Promise<void> {
    try {
      const { data } = message;
      const headers = HeaderBlock.of(message);
      const answer = await this.options.handler({
        subject: message.subject,
        data: Buffer.from(data.buffer, data.byteOffset, data.length),
        header: (name) => headers?.get(name),
      });
      respond(message, answer);
    } catch (error) {
      this.refuse(message, error);
    }
  }

  private refuse(message: Msg, error: unknown): void {
    const { fate, code, text } = described(error);
    try {
      if (fate !== undefined && code !== undefined) return respondError(message, code, text, fate === 'retry');
      this.options.logger.error({ subject: this.subject, err: error }, `failed to answer on ${this.subject}: ${text}`);
      respondError(message, 'service.failed', 'the request failed, see the log of the service', true);
    } catch (err) {
      // The connection is closed, or the answer is larger than the server takes.
      this.options.logger.warn({ subject: this.subject, err }, `an answer on ${this.subject} could not be sent`);
    }
  }
}

/** Fate and code as far as the requester may know them. */
function described(error: unknown): { fate?: 'refuse' | 'retry'; code?: string; text: string } {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof FormatError) return { fate: 'refuse', code: error.code, text };
  if (typeof error !== 'object' || error === null || !('fate' in error) || !('code' in error)) return { text };
  const { fate, code } = error;
  return typeof code === 'string' && (fate === 'refuse' || fate === 'retry') ? { fate, code, text } : { text };
}

function respond(message: Msg, answer: Answer): void {
  const { data, headers } = answer instanceof Uint8Array ? { data: answer, headers: {} } : answer;
  send(message, data, headers);
}

function respondError(message: Msg, code: string, text: string, retryable: boolean): void {
  send(message, JSON.stringify({ error: { code, message: text, retryable } }), {
    'Nats-Service-Error-Code': code,
    'Nats-Service-Error': text.replaceAll(/[\r\n]+/g, ' '),
  });
}

function send(message: Msg, data: Uint8Array | string, headers: Readonly<Record<string, string>>): void {
  const name = HeaderBlock.of(message)?.get(REQUEST_NAME) ?? '';
  const all = newHeaders();
  for (const [key, value] of Object.entries(headers)) all.set(key, value);
  if (PRINTABLE.test(name)) all.set(REQUEST_NAME, name);
  message.respond(data, { headers: all });
}
