/**
 * Answers to requests on one connection: one subscription, `<inbox prefix>.<random>.*`, whose last token says which request an
 * answer belongs to.
 *
 * Not the client library's own: that one decodes an empty answer's headers, and throws for what its own side would not send, a
 * space in a name for example. Thrown inside the read loop that ends the loop, with every request in flight, and whoever answers
 * could do it again and again. Here an answer is its body; headers are looked at as bytes, to tell the server's "nobody there" from an empty answer.
 *
 * State: `waiting` holds a request until its reply, of whatever kind; each has exactly one. The subscription is made at the first
 * request, and made again after the server has forbidden it.
 */
import { randomBytes } from 'node:crypto';
import type { Msg, MsgHdrs, NatsConnection, PermissionViolationError, Subscription } from '@nats-io/transport-node';

export type Reply =
  | { readonly kind: 'answer'; readonly data: Buffer }
  /** `left`: the request may have reached somebody. */
  | { readonly kind: 'none'; readonly reason: string; readonly left: boolean }
  /** The broker does not let the request through; or, when it `left`, the answer. */
  | { readonly kind: 'forbidden'; readonly reason: string; readonly left: boolean };

type Waiting = { readonly subject: string; readonly end: (reply: Reply) => void };

const NO_RESPONDERS = /^NATS\/1\.0 503\b/;

export class AnswerInbox {
  private readonly base: string;
  private readonly waiting = new Map<string, Waiting>();
  private subscription: Subscription | null = null;
  private next = 0;

  constructor(
    private readonly nc: NatsConnection,
    prefix: string,
  ) {
    this.base = `${prefix}.${randomBytes(8).toString('hex')}`;
  }

  /** Sends a request and waits for one answer. Never throws. */
  ask(subject: string, body: Buffer, headers: MsgHdrs, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve) => {
      const token = (this.next++).toString(36);
      const end = (reply: Reply): void => {
        clearTimeout(timer);
        this.waiting.delete(token);
        resolve(reply);
      };
      const timer = setTimeout(() => end(none(`no answer in ${timeoutMs} ms`)), timeoutMs);
      this.waiting.set(token, { subject, end });
      try {
        this.subscription ??= this.subscribe();
        this.nc.publish(subject, body, { reply: `${this.base}.${token}`, headers });
      } catch (error) {
        end(none(reasonOf(error)));
      }
    });
  }

  /** The connection broke: what is in flight gets no answer any more. */
  broken(): void {
    this.endAll(none('the connection broke'));
  }

  /** The server forbade a publish. It names the subject and not the request, so the oldest to that subject is told. */
  forbidden({ operation, subject, message }: PermissionViolationError): void {
    if (operation !== 'publish') return;
    const oldest = [...this.waiting.values()].find((one) => one.subject === subject);
    oldest?.end({ kind: 'forbidden', reason: message, left: false });
  }

  private subscribe(): Subscription {
    return this.nc.subscribe(`${this.base}.*`, {
      // Called from the read loop, which what it throws would end.
      callback: (error, message) => {
        if (error !== null) {
          this.subscription = null;
          this.endAll({ kind: 'forbidden', reason: error.message, left: true });
          return;
        }
        const one = this.waiting.get(message.subject.slice(this.base.length + 1));
        if (one === undefined) return;
        try {
          one.end(replyOf(message));
        } catch (thrown) {
          one.end(none(reasonOf(thrown)));
        }
      },
    });
  }

  private endAll(reply: Reply): void {
    for (const one of this.waiting.values()) one.end(reply);
  }
}

const none = (reason: string, left = true): Reply => ({ kind: 'none', reason, left });

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function replyOf(message: Msg): Reply {
  if (isNoResponders(message)) return none('nobody takes events of this ledger now', false);
  const { data } = message;
  return { kind: 'answer', data: Buffer.from(data.buffer, data.byteOffset, data.length) };
}

/** The server's own "nobody there": status 503, no body, no reply subject. Headers stand right before the body, in the same buffer. */
function isNoResponders(message: Msg): boolean {
  const { subject, reply = '', data } = message;
  if (data.length > 0 || reply !== '') return false;
  const { size } = message as Msg & { size?: () => number };
  if (size === undefined) throw new Error('this NATS client does not tell the size of a message');
  // A reply subject that is no text makes this wrong, though never more than what is there.
  const bytes = Math.max(0, Math.min(size.call(message) - subject.length, data.byteOffset));
  return NO_RESPONDERS.test(Buffer.from(data.buffer, data.byteOffset - bytes, bytes).toString('latin1'));
}
