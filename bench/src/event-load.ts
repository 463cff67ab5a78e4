/**
 * The load generator: CloudEvents of exactly 386 bytes with unique ids, in requests of a set size, over one connection
 * with its own reply inbox. It measures what a producer sees and spends as little as it can: requests are templates in
 * which only the ids are written.
 */

import { connect, headers, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';

export const EVENT_BYTES = 386;
const ID_DIGITS = 20;

const BATCH = headers();
BATCH.set('Content-Type', 'application/cloudevents-batch+json');

export interface Sample {
  /** Milliseconds (performance.now) when the request was due (open loop) or sent, and when its receipt came. */
  readonly sent: number;
  readonly received: number;
  /** Number of the frame that the receipt names. */
  readonly frame: number;
  readonly events: number;
}

export interface LoadResult {
  readonly events: number;
  readonly refused: number;
  /** Requests without any answer half a minute after the end: lost on the way, which the broker may do and should not. */
  readonly unanswered: number;
  readonly seconds: number;
  readonly samples: Sample[];
}

export interface LoadPlan {
  readonly eventsPerRequest: number;
  readonly seconds: number;
  /** Closed loop: so many requests in flight, always. */
  readonly inFlight?: number;
  /** Open loop: so many requests a second, whatever comes back. */
  readonly requestsPerSecond?: number;
}

export class EventLoad {
  private next = 1;
  private readonly pending = new Map<number, { sent: number; buffer: RequestBuffer }>();
  private onAnswer: (id: number, data: Uint8Array) => void = () => undefined;

  private constructor(
    private readonly nc: NatsConnection,
    private readonly subject: string,
    private readonly inbox: string,
  ) {
    nc.subscribe(`${inbox}.*`, {
      callback: (_error, message) => {
        const id = Number(message.subject.slice(inbox.length + 1));
        if (message.headers?.code === 503) throw new Error('nobody answers submits: is ingest ready?');
        this.onAnswer(id, message.data);
      },
    });
  }

  static async open(
    login: ConnectionOptions & { inboxPrefix: string },
    ledger: string,
    producer: string,
  ): Promise<EventLoad> {
    const nc = await connect({ ...login, maxReconnectAttempts: -1 });
    return new EventLoad(nc, `audit.submit.${ledger}.${producer}`, `${login.inboxPrefix}.load`);
  }

  close(): Promise<void> {
    return this.nc.close();
  }

  /** Runs one load; resolves when every request has its answer or 30 s have passed after the end. */
  async run(plan: LoadPlan): Promise<LoadResult> {
    const samples: Sample[] = [];
    const free: RequestBuffer[] = [];
    let [refused, events] = [0, 0];
    const start = performance.now();
    const end = start + plan.seconds * 1_000;
    let last = start;

    const send = (due: number): void => {
      const buffer = free.pop() ?? new RequestBuffer(plan.eventsPerRequest);
      const id = this.next++;
      buffer.setIds();
      this.pending.set(id, { sent: due, buffer });
      const reply = `${this.inbox}.${id}`;
      this.nc.publish(this.subject, buffer.bytes, plan.eventsPerRequest > 1 ? { reply, headers: BATCH } : { reply });
    };
    const done = new Promise<void>((resolve) => {
      this.onAnswer = (id, data) => {
        const request = this.pending.get(id);
        if (!request) return;
        this.pending.delete(id);
        free.push(request.buffer);
        last = performance.now();
        const frame = frameNumber(data);
        if (frame === null) refused++;
        else {
          events += plan.eventsPerRequest;
          samples.push({ sent: request.sent, received: last, frame, events: plan.eventsPerRequest });
        }
        if (plan.inFlight !== undefined && last < end) send(last);
        else if (this.pending.size === 0 && last >= end) resolve();
      };
    });
    if (plan.inFlight !== undefined) for (let i = 0; i < plan.inFlight; i++) send(performance.now());
    else await this.openLoop(send, plan.requestsPerSecond!, start, end);
    await Promise.race([done, waitUntil(end + 30_000, () => this.pending.size === 0)]);
    this.onAnswer = () => undefined;
    const unanswered = this.pending.size;
    this.pending.clear();
    return { events, refused, unanswered, seconds: (last - start) / 1_000, samples };
  }

  /** Sends what is due, on a timer: latency counts from when a request was due, not from when it was sent. */
  private async openLoop(send: (due: number) => void, rate: number, start: number, end: number): Promise<void> {
    let due = start;
    for (let sent = 0; due < end;) {
      // The first is due at once: to count what is due by the time that has passed would send each a period late.
      for (const now = performance.now(); due <= now; due = start + (++sent / rate) * 1_000) send(due);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** A request whose ids are written in place before each send. Reused only after its answer has come. */
class RequestBuffer {
  private static serial = Math.floor(Date.now() / 1_000) * 1_000_000;
  readonly bytes: Buffer;
  private readonly idAt: number[] = [];

  constructor(count: number) {
    const event = eventTemplate();
    const idOffset = event.indexOf('0'.repeat(ID_DIGITS));
    const parts: string[] = [];
    let at = count === 1 ? 0 : 1;
    for (let i = 0; i < count; i++, at += event.length + 1) {
      parts.push(event);
      this.idAt.push(at + idOffset);
    }
    this.bytes = Buffer.from(count === 1 ? event : `[${parts.join(',')}]`);
  }

  setIds(): void {
    for (const at of this.idAt) {
      const id = String(RequestBuffer.serial++).padStart(ID_DIGITS, '0');
      this.bytes.write(id, at, ID_DIGITS, 'latin1');
    }
  }
}

/** One event as the load sends it. */
export function sampleEvent(): string {
  return eventTemplate();
}

function eventTemplate(): string {
  const event = {
    specversion: '1.0',
    id: '0'.repeat(ID_DIGITS),
    source: 'urn:bench:payments',
    type: 'com.example.payment.approved',
    time: '2026-01-01T12:00:00.000Z',
    subject: 'payment/4711',
    data: {
      actor: { id: 'user-1138' },
      action: 'payment.approve',
      target: { id: 'payment-4711' },
      outcome: 'success',
      context: { ip: '192.0.2.17', session: 'a9f3c2', note: '' },
    },
  };
  event.data.context.note = 'x'.repeat(EVENT_BYTES - JSON.stringify(event).length);
  return JSON.stringify(event);
}

/** The frame number out of a receipt's note (its fourth line), or null for a refusal. */
function frameNumber(data: Uint8Array): number | null {
  const text = Buffer.from(data.buffer, data.byteOffset, Math.min(data.length, 400)).toString('latin1');
  const match = /everseal\/frame\/v1\\n[^\\]+\\n[^\\]+\\n(\d+)\\n/.exec(text);
  return match ? Number(match[1]) : null;
}

async function waitUntil(deadline: number, met: () => boolean): Promise<void> {
  while (!met() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
}
