/**
 * The submit requests of one ledger: from a message to a request in the queue, an answer, or silence.
 *
 * Who sent it is the last token of the subject and nothing else: the broker lets a certificate publish to its own subject
 * only. Cheap checks come first, and everything is checked before anything is remembered, so a refusal has no effect.
 * Answers go to reply subjects of the request/reply protocol only; a request that names any other place to answer to (a
 * stream's subject, the JetStream API, somebody's inbox), or one that could not be said to the server, gets no answer and is not
 * sealed, for nobody would have a receipt.
 *
 * Called from the connection's read loop: never throws, returns soon.
 */
import {
  formatRefusal,
  parseName,
  parseSubmission,
  receiptWriter,
  Refused,
  type RefusalCode,
} from '@everseal/audit-core';
import { isReplySubject } from '@everseal/messaging';
import { mayWrite, sourceRule, type Policy } from '@everseal/policy';
import type { Logger } from '@everseal/process';
import type { Msg } from '@nats-io/transport-node';
import type { Commit } from './commit.js';
import { Conflict, type Duplicates } from './duplicates.js';
import { envelopeBytes } from './frame-builder.js';
import type { IngestMetrics } from './ingest-metrics.js';
import { PendingRequest, type Follower, type SubmittedEvent } from './pending-request.js';
import type { RefusalLog } from './refusal-log.js';
import { contentTypeOf } from './request-headers.js';

export type SubmitOptions = {
  readonly ledger: string;
  readonly origin: string;
  readonly policy: Policy;
  /** A reply subject starts with one of these: the broker's for requests of other accounts, and the own inbox's. */
  readonly replyPrefixes: readonly string[];
  readonly commit: Commit;
  readonly duplicates: Duplicates;
  /** Why nothing can be accepted now, null when it can; asked for every request. @param bytes that it will take */
  readonly pushback: (bytes: number) => Refused | null;
  readonly answer: (reply: string, bytes: Buffer) => void;
  readonly onConflict: (producer: string, conflict: Conflict) => void;
  /** A bug where something may have been half done: ends the process. */
  readonly onFault: (error: Error) => void;
  readonly logger: Logger;
  readonly refusals: RefusalLog;
  readonly metrics: IngestMetrics;
};

/** What the policy says of one producer, looked up once. */
type Rules = { readonly mayUse: (source: string) => boolean; readonly envelope: number };

export class Submit {
  readonly #rules = new Map<string, Rules>();

  constructor(private readonly options: SubmitOptions) {}

  take(message: Msg): void {
    const { metrics, replyPrefixes } = this.options;
    const { reply } = message;
    if (!isReplySubject(reply) || !replyPrefixes.some((prefix) => reply.startsWith(prefix))) {
      metrics.ignored.inc();
      return;
    }
    const producer = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    let request: PendingRequest;
    try {
      request = this.read(message, reply, producer);
    } catch (error) {
      this.refuse(message.data, reply, producer, error instanceof Refused ? error : this.unreadable(producer, error));
      return;
    }
    try {
      this.accept(request);
    } catch (error) {
      this.refuse(request.body, reply, producer, error);
    }
  }

  /** Reading has no effect, so even a bug there that some input finds is a refusal and no reason to stop. */
  private unreadable(producer: string, cause: unknown): Refused {
    this.options.logger.error({ producer, err: cause }, 'a request could not be read: this is a bug');
    return new Refused('request.malformed', 'the request could not be read', null, { cause });
  }

  /** All checks that need nothing but the request and the policy. @throws Refused */
  private read(message: Msg, reply: string, producer: string): PendingRequest {
    const { data } = message;
    const rules = this.rulesOf(producer);
    const contentType = contentTypeOf(message);
    const busy = this.options.pushback(data.length);
    if (busy !== null) throw busy;
    const body = Buffer.from(data.buffer, data.byteOffset, data.length);
    const { events } = parseSubmission(contentType, body);
    let bytes = rules.envelope * events.length;
    for (let i = 0; i < events.length; i += 1) {
      const { start, end, source } = events[i] as SubmittedEvent;
      bytes += end - start;
      if (!rules.mayUse(source)) {
        throw new Refused('event.forbidden', `the policy does not give this producer the source of event ${i}`, i);
      }
    }
    const full = this.options.pushback(bytes);
    if (full !== null) throw full;
    return new PendingRequest(reply, producer, body, events, bytes, performance.now());
  }

  private accept(request: PendingRequest): void {
    const { duplicates } = this.options;
    if (duplicates.maybeKnown(request)) void this.repeat(request);
    else this.enqueue(request);
  }

  private enqueue(request: PendingRequest): void {
    this.options.duplicates.remember(request);
    this.options.commit.submit(request);
  }

  /** A request that seems to have come before. */
  private async repeat(request: PendingRequest): Promise<void> {
    const { duplicates, metrics } = this.options;
    try {
      // Twice: between finding the place and joining it, its frame may have been answered.
      for (let i = 0; i < 2; i += 1) {
        const found = await duplicates.look(request);
        if (found === null) break;
        if (this.join(request, found)) {
          metrics.repeated.inc();
          return;
        }
      }
      // Neither conflict nor one place to point at: it is accepted once more, and the index marks the copies.
      const full = this.options.pushback(request.entryBytes);
      if (full !== null) throw full;
      this.enqueue(request);
    } catch (error) {
      this.refuse(request.body, request.reply, request.producer, error);
    }
  }

  /** Answers from the place where the events stand, or waits with it; false when it is gone. */
  private join(request: PendingRequest, found: NonNullable<Awaited<ReturnType<Duplicates['look']>>>): boolean {
    const { reply, count, arrived } = request;
    const follower: Follower = { reply, first: found.first, count, arrived, answered: false };
    if (found.in === 'request') {
      if (found.request.settled) return false;
      found.request.follow(follower);
      return true;
    }
    const { frame, first } = found;
    if (frame.built !== null) return this.options.commit.follow(frame.frame.number, follower);
    this.options.answer(reply, receiptWriter(frame.note)(first, count, frame.tree.proveRange(first, count)));
    return true;
  }

  private rulesOf(producer: string): Rules {
    const known = this.#rules.get(producer);
    if (known !== undefined) return known;
    const { policy, ledger, origin } = this.options;
    if (!mayWrite(policy, producer, ledger)) {
      throw new Refused('event.forbidden', `the policy does not let this producer write to ledger ${ledger}`);
    }
    // The policy names it, so its name is one, and there are only so many.
    const rules = {
      mayUse: sourceRule(policy, producer, ledger),
      envelope: envelopeBytes(origin, parseName(producer)),
    };
    this.#rules.set(producer, rules);
    return rules;
  }

  private refuse(body: Uint8Array, reply: string, producer: string, error: unknown): void {
    const { answer, metrics, refusals, onConflict, onFault } = this.options;
    if (!(error instanceof Refused)) {
      onFault(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    metrics.refused(error.code satisfies RefusalCode);
    const isConflict = error instanceof Conflict;
    const facts: Record<string, string> = isConflict
      ? { eventId: error.event.id, known: error.known, sent: error.sent }
      : {};
    refusals.write(producer, error, facts);
    if (isConflict) onConflict(producer, error);
    answer(reply, formatRefusal(error, body));
  }
}
