/** Questions of the sealer to other services over NATS. That nobody answers is an answer to reckon with, not a failure. */

import { MessagingError, request, ServiceError, type NatsLink } from '@everseal/messaging';
import type { Answer } from './checkpoint-ledger.js';

/** As long as an ingester may take to read a frame from its spool; a question is asked again anyway. */
const RESEND_TIMEOUT_MS = 5_000;

/** One request. Null when nobody answered in time, or only to say that it cannot now. */
export async function ask(
  link: NatsLink,
  subject: string,
  body: Uint8Array,
  timeoutMs: number,
): Promise<Answer | null> {
  try {
    const answer = await request(link, subject, body, { timeoutMs });
    return { status: answer.header('Status') ?? null, data: answer.data };
  } catch (error) {
    if (error instanceof MessagingError || error instanceof ServiceError) return null;
    throw error;
  }
}

/** Asks an ingester for one of its frame messages; null when nobody answered, or it does not hold the frame. */
export async function askFrame(link: NatsLink, subject: string, number: number): Promise<Buffer | null> {
  const answer = await ask(link, subject, Buffer.from(JSON.stringify({ number })), RESEND_TIMEOUT_MS);
  // A copy: the answer is a view of the read buffer.
  return answer && answer.data.length > 0 ? Buffer.from(answer.data) : null;
}
