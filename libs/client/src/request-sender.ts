/**
 * Sends the events of one request until each has its outcome, or nobody wants one any more.
 *
 * The bytes of a request never change once it was sent, and it is never put together anew: an ingester answers a repeated
 * request, or a run of neighbours out of it, with the receipt of the place where its events stand; a mixture of old and new
 * events it would have to seal once more (docs/decisions/0004). Hence:
 *
 * - an attempt without an outcome (no answer, a broken connection, `unavailable`, a receipt that does not verify) is made
 *   again with the same bytes, after a pause (retry-pause.ts);
 * - a request that is refused for one of its events is cut there, and goes on as the events before and those behind;
 * - an event of an earlier process, whose neighbours are not known any more, is sent alone (dispatcher.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receipt } from '@everseal/audit-core';
import type { Reply } from './answer-inbox.js';
import { EversealError } from './everseal-error.js';
import { judgeAnswer, type Verdict } from './judge-answer.js';
import type { PendingEvent } from './pending-event.js';
import type { ClientCounts } from './client-counts.js';
import { RetryPause } from './retry-pause.js';
import type { TrustedKeys } from './trusted-keys.js';

export interface SenderOptions {
  readonly producer: string;
  readonly keys: TrustedKeys;
  readonly send: (body: Buffer, contentType: string, timeoutMs: number) => Promise<Reply>;
  /** Resolves when the connection stands; soon, if the signal is aborted. */
  readonly connected: (signal: AbortSignal) => Promise<void>;
  /** Must have noted the outcome, durably where that is promised, when it resolves. Does not throw. */
  readonly onReceipted: (event: PendingEvent, receipt: Receipt) => Promise<void>;
  readonly onRefused: (event: PendingEvent, error: EversealError) => void;
  /** An answer that claims acceptance and does not prove it. */
  readonly onUnverified: (reason: string) => void;
  readonly counts: ClientCounts;
  /** Aborted when the client closes. */
  readonly signal: AbortSignal;
  /** Milliseconds that one attempt waits for its answer. */
  readonly answerWithinMs: number;
}

type Refused = Extract<Verdict, { kind: 'refused' }>;

/** Resolves when every event of the request is settled, or not wanted any more. Does not throw. */
export async function sendRequest(request: readonly PendingEvent[], options: SenderOptions): Promise<void> {
  const parts = [request];
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    const verdict = await untilSettled(part, options);
    if (verdict === null) continue;
    if (verdict.kind === 'refused') parts.unshift(...refuse(part, verdict, options));
    else {
      const { receipts } = verdict;
      await Promise.all(part.map((event, i) => options.onReceipted(event, receipts[i]!)));
    }
  }
}

/** Null when nobody wants to know any more. */
async function untilSettled(
  events: readonly PendingEvent[],
  options: SenderOptions,
): Promise<Refused | Extract<Verdict, { kind: 'receipted' }> | null> {
  const { body, contentType } = requestOf(events);
  const { counts, signal } = options;
  for (const pause = new RetryPause(); ;) {
    await options.connected(signal);
    if (signal.aborted || !events.some(({ isWanted }) => isWanted)) return null;
    counts.attempts += 1;
    // While it is under way its outcome is open: a call whose deadline comes now must not be told "not sent".
    const before = events.map(({ isUncertain }) => isUncertain);
    for (const event of events) event.isUncertain = true;
    const reply = await options.send(body, contentType, options.answerWithinMs);
    const verdict = verdictOf(reply, body, events, options);
    if (verdict.kind === 'receipted') return verdict;
    const hasLeft = reply.kind === 'answer' || reply.left;
    if (!hasLeft || verdict.kind === 'refused') events.forEach((event, i) => (event.isUncertain = before[i]!));
    if (verdict.kind === 'refused') return verdict;
    if (reply.kind === 'forbidden') forbid(events, reply.reason);
    counts.retries += 1;
    if (verdict.kind === 'unverified') {
      counts.unverified += 1;
      options.onUnverified(verdict.reason);
    }
    const code = verdict.kind === 'unverified' ? 'client.unverified' : 'client.deadline';
    for (const event of events) event.waits(code, verdict.reason);
    await pauseFor(pause.next(verdict.kind === 'unknown' ? verdict.afterMs : null), signal);
  }
}

function verdictOf(
  reply: Reply,
  body: Buffer,
  events: readonly PendingEvent[],
  { producer, keys }: SenderOptions,
): Verdict {
  if (reply.kind !== 'answer') return { kind: 'unknown', reason: reply.reason, afterMs: null };
  const submitted = { origin: keys.origin, producer, events: events.map(({ event }) => event.bytes) };
  const verdict = judgeAnswer(reply.data, body, submitted, keys.ingest);
  // Perhaps by a key that was put into the file since.
  if (verdict.kind === 'unverified' && keys.refresh()) return judgeAnswer(reply.data, body, submitted, keys.ingest);
  return verdict;
}

/** To a call this is an answer. What somebody was told is kept has to wait until the policy is corrected. */
function forbid(events: readonly PendingEvent[], reason: string): void {
  for (const event of events) {
    if (event.ordinal !== null) continue;
    const message = `the broker does not let this certificate send events there (${reason}): name the producer in the policy, and render the broker's config again`;
    event.fail(new EversealError('client.forbidden', message, { isUnknown: event.isUncertain }));
  }
}

/** Fails the event that is to blame, all if it is none in particular. @returns what is to be sent further, in order */
function refuse(
  events: readonly PendingEvent[],
  { code, message, position }: Refused,
  { onRefused }: SenderOptions,
): (readonly PendingEvent[])[] {
  const blamed = events.length === 1 ? 0 : position;
  const fail = (event: PendingEvent): void => {
    const said = `event ${event.event.id} was refused: ${message.replace(/^event \d+:? /, '')}`;
    onRefused(event, new EversealError(code, said, { isUnknown: event.isUncertain }));
  };
  if (blamed !== null && blamed < events.length) {
    fail(events[blamed]!);
    return [events.slice(0, blamed), events.slice(blamed + 1)].filter(({ length }) => length > 0);
  }
  if (code === 'event.forbidden') {
    events.forEach(fail);
    return [];
  }
  // About the request as a whole, as these are made never said: the halves will tell.
  const middle = Math.ceil(events.length / 2);
  return [events.slice(0, middle), events.slice(middle)];
}

/** One event as it is, more as a JSON array of their exact bytes. */
function requestOf(events: readonly PendingEvent[]): { body: Buffer; contentType: string } {
  const [first] = events;
  if (events.length === 1) return { body: first!.event.bytes, contentType: 'application/cloudevents+json' };
  const parts = events.flatMap(({ event }, i) => [Buffer.from(i === 0 ? '[' : ','), event.bytes]);
  return { body: Buffer.concat([...parts, Buffer.from(']')]), contentType: 'application/cloudevents-batch+json' };
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
