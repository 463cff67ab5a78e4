/**
 * Sends one request until its outcome is settled: a receipt, a refusal, two receipts that prove nothing, or the deadline. Every attempt sends the same
 * bytes. No answer, a broken connection, nobody there and `unavailable` say nothing about the outcome of the attempts
 * before, so at the deadline the outcome is unknown, never failed and never done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MessagingError, submit, type NatsLink } from '@everseal/messaging';
import { judgeAnswer, type Later, type Outcome, type ReceiptTrust } from './judge-answer.js';
import type { SubmitRequest } from './submit-request.js';

export interface SendOptions {
  subject: string;
  trust: ReceiptTrust;
  /** Milliseconds from the first attempt until the outcome is given up as unknown. */
  withinMs: number;
  /** Aborted when the person at the keyboard wants to stop: no further attempt is made. */
  signal: AbortSignal;
}

/** The outcome of a request, and what it took. */
export interface Sent {
  request: SubmitRequest;
  outcome: Outcome;
  attempts: number;
  /** Milliseconds from the first attempt to the outcome. */
  ms: number;
}

/** Longer than ingest lets a request wait, so that a late receipt is still heard. */
const ANSWER_WITHIN_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 3_000;
/** An answer may ask for this and no more: whoever took the request says it, and beyond 2^31 ms a timer ends at once. */
const MOST_ASKED_MS = 60_000;
const LEAST_ATTEMPT_MS = 250;

export async function sendRequest(link: NatsLink, request: SubmitRequest, options: SendOptions): Promise<Sent> {
  const started = performance.now();
  const deadline = started + options.withinMs;
  let pause = FIRST_PAUSE_MS;
  let unverified: Outcome | null = null;
  for (let attempts = 1; ; attempts++) {
    const timeoutMs = Math.round(Math.max(LEAST_ATTEMPT_MS, Math.min(ANSWER_WITHIN_MS, deadline - performance.now())));
    const outcome = await attempt(link, request, options, timeoutMs);
    const sent = (settled: Outcome): Sent => ({ request, outcome: settled, attempts, ms: performance.now() - started });
    // One receipt that does not verify may be somebody else's (docs/decisions/0137); a second one is no accident.
    const isFirst = outcome.kind === 'unverified' && unverified === null;
    if (outcome.kind !== 'later' && !isFirst) return sent(outcome);
    if (outcome.kind === 'unverified') unverified = outcome;
    const asked = outcome.kind === 'later' ? outcome.afterMs : null;
    const left = deadline - LEAST_ATTEMPT_MS - performance.now();
    // Half of the pause is left to chance, so that many senders do not come back in one moment. What is asked for may be
    // longer than what is left: somebody else may answer the attempt at the end of it.
    const wait =
      asked === null
        ? pause * (0.5 + Math.random() / 2)
        : Math.min(Math.max(asked, FIRST_PAUSE_MS), MOST_ASKED_MS, Math.max(left, 0));
    pause = Math.min(pause * 2, MOST_PAUSE_MS);
    if (left <= 0 || wait > left || !(await slept(wait, options.signal))) {
      return sent(unverified ?? { kind: 'unknown', reason: outcome.reason });
    }
  }
}

async function attempt(
  link: NatsLink,
  request: SubmitRequest,
  { subject, trust }: SendOptions,
  timeoutMs: number,
): Promise<Outcome | Later> {
  try {
    const headers = { 'Content-Type': request.contentType };
    return judgeAnswer(await submit(link, subject, request.body, { timeoutMs, headers }), request, trust);
  } catch (error) {
    if (!(error instanceof MessagingError)) throw error;
    // The broker passed nothing on: this is an answer, and the same request gets the same one until the policy changes.
    if (error.code === 'nats.forbidden') {
      return { kind: 'refused', code: error.code, message: error.message, position: null };
    }
    return { kind: 'later', reason: error.message, afterMs: null };
  }
}

/** False when it was cut short by the signal. */
async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
