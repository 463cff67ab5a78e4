/**
 * A producer that keeps a journal: every event that it means to send is written down first, every receipt is verified and
 * written down when it comes, and a request without a receipt is sent again with the same bytes until there is one. What
 * the journal says afterwards is what the log has to hold (log-oracle.ts). In memory, and in a file too where one is given.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FormatError, parseAnswer, verifyReceipt, type VerifierKey } from '@everseal/audit-core';
import type { NatsLogin } from '@everseal/local';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import type { EventJournal } from './event-journal.js';

/** One event of the journal. */
export interface JournalEntry {
  readonly id: string;
  readonly source: string;
  /** As it was sent. */
  readonly bytes: Buffer;
  /** Ingester and number of the frame that the receipt names; null while there is none. */
  frame: { ingester: string; number: number } | null;
}

export interface JournalProducerOptions {
  readonly login: NatsLogin;
  readonly ledger: string;
  readonly producer: string;
  readonly origin: string;
  readonly ingestKeys: readonly VerifierKey[];
  /** The CloudEvents attribute of every event. */
  readonly source: string;
  /** Gets every intent before it is sent and every receipt before it counts, each synced. */
  readonly journal?: EventJournal;
  /** How long one attempt waits for its answer, milliseconds; default 5,000. */
  readonly answerWithinMs?: number;
}

const BATCH = headers();
BATCH.set('Content-Type', 'application/cloudevents-batch+json');
const ANSWER_WITHIN_MS = 5_000;
/** After an attempt that brought no receipt. */
const PAUSE_MS = 100;

export class JournalProducer {
  /** Every event in the order in which it was meant to be sent. */
  readonly journal: JournalEntry[] = [];
  /** Events with a receipt. */
  receipts = 0;
  /** Requests that were sent, repetitions included. */
  attempts = 0;
  /** Answers that said "unavailable", and those of them that did not say when to come again. */
  unavailable = 0;
  unavailableWithoutHint = 0;
  private readonly nc: NatsConnection;
  private stopping = false;

  private constructor(
    nc: NatsConnection,
    private readonly options: JournalProducerOptions,
  ) {
    this.nc = nc;
  }

  static async open(options: JournalProducerOptions): Promise<JournalProducer> {
    const nc = await connect({ ...options.login, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
    return new JournalProducer(nc, options);
  }

  get receipted(): JournalEntry[] {
    return this.journal.filter(({ frame }) => frame !== null);
  }

  /** A new connection, with the certificate files as they are; what is under way is sent again. */
  async reconnect(): Promise<void> {
    await this.nc.reconnect();
  }

  async close(): Promise<void> {
    this.stopping = true;
    await this.nc.close();
  }

  /**
   * Sends requests of `events` events, `inFlight` at a time, until `enough` says so; every request gets its receipt.
   *
   * @param pauseMs between a receipt and the next request of the same worker, where a steady trickle is wanted
   */
  async load(events: number, inFlight: number, enough: () => boolean, pauseMs = 0): Promise<void> {
    const worker = async (): Promise<void> => {
      while (!enough() && !this.stopping) {
        await this.submit(this.newEntries(events));
        if (pauseMs > 0) await sleep(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  }

  /**
   * New events, in the journal from now on.
   *
   * @param ballastBytes of text in every event, beside the rest
   */
  newEntries(count: number, ballastBytes = 0): JournalEntry[] {
    const { producer, source, journal } = this.options;
    const ballast = ballastBytes > 0 ? { ballast: 'x'.repeat(ballastBytes) } : {};
    const entries = Array.from({ length: count }, () => {
      const id = `${producer}-${this.journal.length}`;
      const actor = { id: `user-${this.journal.length % 7}` };
      const data = { actor, action: 'order.create', outcome: 'success', ...ballast };
      const event = { specversion: '1.0', id, source, type: 'com.example.order', subject: `order/${id}`, data };
      const entry: JournalEntry = { id, source, bytes: Buffer.from(JSON.stringify(event)), frame: null };
      this.journal.push(entry);
      return entry;
    });
    journal?.intend(producer, entries);
    return entries;
  }

  /** Sends these events as one request until there is a receipt that verifies. */
  async submit(entries: readonly JournalEntry[]): Promise<void> {
    const body = Buffer.from(`[${entries.map(({ bytes }) => bytes.toString()).join(',')}]`);
    while (!this.stopping) {
      const frame = await this.attempt(body, entries);
      if (frame) {
        this.options.journal?.receipted(this.options.producer, entries, frame);
        for (const entry of entries) entry.frame = frame;
        this.receipts += entries.length;
        return;
      }
      await sleep(PAUSE_MS);
    }
  }

  /** Null when the outcome is not known, or the answer is to try again. */
  private async attempt(body: Buffer, entries: readonly JournalEntry[]): Promise<JournalEntry['frame']> {
    const { ledger, producer, origin, ingestKeys, answerWithinMs: timeout = ANSWER_WITHIN_MS } = this.options;
    this.attempts++;
    let data: Uint8Array;
    try {
      const subject = `audit.submit.${ledger}.${producer}`;
      ({ data } = await this.nc.request(subject, body, { timeout, headers: BATCH }));
    } catch {
      return null; // nobody there, no answer in time, the connection is down
    }
    try {
      const answer = parseAnswer(data, body);
      if ('receipt' in answer) {
        const submitted = { origin, producer, events: entries.map(({ bytes }) => bytes) };
        const { ingester, number } = verifyReceipt(answer.receipt, submitted, ingestKeys);
        return { ingester, number };
      }
      if (answer.refusal.code === 'unavailable') {
        this.unavailable++;
        if (answer.refusal.retryAfterMs === null) this.unavailableWithoutHint++;
        return null;
      }
      throw new Error(`the request was refused: ${answer.refusal.code}: ${answer.refusal.message}`);
    } catch (error) {
      if (error instanceof FormatError) throw new Error(`the answer is no good: ${error.message}`, { cause: error });
      throw error;
    }
  }
}
