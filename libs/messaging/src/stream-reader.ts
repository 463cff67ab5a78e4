/**
 * Reads a stream by sequence number, straight from its store: no consumer, no acknowledgement, nothing to lose on the
 * server's side. JetStream's DIRECT.GET answers a request for a batch with one message each and an end mark:
 *
 *   NATS/1.0  … Nats-Stream, Nats-Subject, Nats-Sequence, Nats-Time-Stamp, Nats-Num-Pending, Nats-Last-Sequence
 *   NATS/1.0 204 EOB  Nats-Num-Pending, Nats-Last-Sequence
 *
 * `Nats-Last-Sequence` names the message before in the same batch (0 in the first), in the end mark the last one. So a
 * batch from which an answer was lost on the way does not hang together and is refused as a whole. A sequence that is
 * skipped inside a batch, or a first one above the number asked for, is what the server says it does not have; it is
 * handed over as it is, and nothing should be concluded from it before STREAM.INFO agrees.
 *
 * An answer may be somebody else's (docs/decisions/0137). What is of another stream or subject is asked for once more; so is what is said
 * not to be there, and a batch of the same stream that begins further on, which could be the right answer.
 *
 * A stored message may carry headers and a status line of its publisher's choice, in any bytes: the server's own headers stand
 * behind them, so the last value counts, and a message with Nats-Stream is a message whatever its status line pretends.
 *
 * The client library's getBatch is not used: in its iterator form it keeps a subscription for five seconds after every
 * batch, ends a batch that takes longer, and does not look at Nats-Last-Sequence.
 */
import { parseDecimal } from '@everseal/audit-core';
import type { Msg } from '@nats-io/transport-node';
import type { NatsLink } from './connect.js';
import { HeaderBlock } from './header-block.js';
import { MessagingError, type MessagingCode } from './messaging-error.js';
import type { Waiting } from './reply-inbox.js';
import { parseStreamState } from './stream-state.js';
import type { StreamState } from './stream-state.js';

/** One message of a stream. */
export interface StoredMessage {
  sequence: number;
  subject: string;
  /** When the server stored it: RFC 3339, UTC, up to nine decimals, as the server writes it. */
  time: string;
  /** A view of the connection's read buffer, not a copy: hold it only as long as it is needed. */
  data: Buffer;
}

export interface BatchLimits {
  /** At most so many messages. */
  maxMessages: number;
  /** The batch ends with the message that reaches this many bytes. */
  maxBytes: number;
  /** Milliseconds without a further message after which the batch has failed; default 5,000. */
  timeoutMs?: number;
}

export interface StreamReaderOptions {
  /** Prefix of the JetStream API in this account; default JSA. */
  apiPrefix?: string;
  /** Milliseconds for the requests with one answer; default 5,000. */
  timeoutMs?: number;
}

const ASTRAY: ReadonlySet<MessagingCode> = new Set(['answer.astray', 'stream.not-found']);
const NO_MESSAGE = 404;
const END_OF_BATCH = 204;

export class StreamReader {
  private readonly getSubject: string;
  private readonly infoSubject: string;
  private readonly timeoutMs: number;

  constructor(
    private readonly link: NatsLink,
    readonly stream: string,
    { apiPrefix = 'JSA', timeoutMs = 5_000 }: StreamReaderOptions = {},
  ) {
    this.getSubject = `${apiPrefix}.DIRECT.GET.${stream}`;
    this.infoSubject = `${apiPrefix}.STREAM.INFO.${stream}`;
    this.timeoutMs = timeoutMs;
  }

  /**
   * The messages from a sequence on, in order. Empty when the server has none from there on.
   * @param sequence at least 1
   * @throws MessagingError; of a batch that failed half-way nothing is handed over
   */
  async readFrom(sequence: number, limits: BatchLimits): Promise<StoredMessage[]> {
    const batch = (await unlessAstray(() => this.batchFrom(sequence, limits))) ?? [];
    if (batch[0]?.sequence === sequence) return batch;
    const again = await this.batchFrom(sequence, limits);
    // Whatever begins earlier was there.
    return (again[0]?.sequence ?? Infinity) < (batch[0]?.sequence ?? Infinity) ? again : batch;
  }

  private batchFrom(sequence: number, limits: BatchLimits): Promise<StoredMessage[]> {
    const timeoutMs = limits.timeoutMs ?? this.timeoutMs;
    const request = JSON.stringify({ seq: sequence, batch: limits.maxMessages, max_bytes: limits.maxBytes });
    return new Promise((resolve, reject) => {
      const batch = new Batch(this.stream, sequence, limits.maxMessages);
      const waiting: Waiting = this.link.inbox.open(this.getSubject, request, timeoutMs, undefined, {
        onMessage: (message) => {
          try {
            if (!batch.take(message)) return waiting.extend();
            waiting.close();
            resolve(batch.messages);
          } catch (error) {
            waiting.close();
            reject(error);
          }
        },
        onFailure: reject,
      });
    });
  }

  /** The message at exactly this sequence; null when the server has none there. @throws MessagingError */
  get(sequence: number): Promise<StoredMessage | null> {
    return twice(async () => {
      const found = await this.one(this.getSubject, JSON.stringify({ seq: sequence }));
      // The server may answer with the next one it has.
      return found?.sequence === sequence ? found : null;
    });
  }

  /** The newest message of a subject; null when there is none. @throws MessagingError */
  lastBySubject(subject: string): Promise<StoredMessage | null> {
    return twice(async () => {
      const found = await this.one(`${this.getSubject}.${subject}`, '');
      if (found !== null && found.subject !== subject) {
        throw new MessagingError(
          'answer.astray',
          `asked for the newest message of ${subject}, got one of ${found.subject}`,
        );
      }
      return found;
    });
  }

  /** @throws MessagingError stream.not-found and those of a request */
  async info(): Promise<StreamState> {
    const ask = async (): Promise<StreamState> => {
      const { data } = await this.link.inbox.ask(this.infoSubject, '', { timeoutMs: this.timeoutMs });
      return parseStreamState(data, this.stream);
    };
    return (await unlessAstray(ask)) ?? ask();
  }

  private async one(subject: string, request: string): Promise<StoredMessage | null> {
    const message = await this.link.inbox.ask(subject, request, { timeoutMs: this.timeoutMs });
    const stored = storedMessage(message, this.stream);
    if (stored !== null) return stored;
    const headers = HeaderBlock.of(message);
    if (headers?.code === NO_MESSAGE) return null;
    throw refused(this.stream, headers);
  }
}

/** "Nothing there" may have been said to somebody else. */
async function twice<T>(ask: () => Promise<T | null>): Promise<T | null> {
  return (await unlessAstray(ask)) ?? ask();
}

/** Null for an answer that is of something else, or says of nothing in particular that it is not there. */
async function unlessAstray<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    const isAstray = error instanceof MessagingError && ASTRAY.has(error.code);
    if (!isAstray) throw error;
    return null;
  }
}

/** The stream of one ledger's frames. */
export class FramesReader extends StreamReader {
  constructor(link: NatsLink, ledger: string, options?: StreamReaderOptions) {
    super(link, `FRAMES_${ledger}`, options);
  }
}

/** A batch as it comes in. */
class Batch {
  readonly messages: StoredMessage[] = [];
  private last = 0;

  constructor(
    private readonly stream: string,
    private readonly from: number,
    private readonly most: number,
  ) {}

  /** @returns true when the batch is complete @throws MessagingError batch.broken, stream.api */
  take(message: Msg): boolean {
    const headers = HeaderBlock.of(message);
    const stored = storedMessage(message, this.stream);
    if (stored === null) {
      if (headers?.code === NO_MESSAGE && this.messages.length === 0) return true;
      if (headers?.code !== END_OF_BATCH) throw refused(this.stream, headers);
      this.mustFollow(headers, 'its end mark');
      return true;
    }
    this.mustFollow(headers, `message ${stored.sequence}`);
    if (stored.sequence < this.from || stored.sequence <= this.last || this.messages.length === this.most) {
      throw this.broken(`message ${stored.sequence} was not asked for`);
    }
    this.last = stored.sequence;
    this.messages.push(stored);
    return false;
  }

  private mustFollow(headers: HeaderBlock | null, what: string): void {
    const before = numberOf(headers, 'Nats-Last-Sequence', this.stream);
    if (before !== this.last) throw this.broken(`${what} follows ${before}, the last one here is ${this.last}`);
  }

  private broken(why: string): MessagingError {
    return new MessagingError('batch.broken', `batch of ${this.stream} from ${this.from}: ${why}`);
  }
}

/** The message, or null when it is a status line of the server. */
function storedMessage(message: Msg, stream: string): StoredMessage | null {
  const headers = HeaderBlock.of(message);
  const name = headers?.ofServer('Nats-Stream');
  if (headers === null || name === undefined) return null;
  const { data } = message;
  if (name !== stream) throw new MessagingError('answer.astray', `asked for ${stream}, got a message of ${name}`);
  return {
    sequence: numberOf(headers, 'Nats-Sequence', stream),
    subject: headers.ofServer('Nats-Subject') ?? '',
    time: headers.ofServer('Nats-Time-Stamp') ?? '',
    data: Buffer.from(data.buffer, data.byteOffset, data.length),
  };
}

function numberOf(headers: HeaderBlock | null, name: string, stream: string): number {
  const text = headers?.ofServer(name) ?? '';
  try {
    return parseDecimal(text);
  } catch (cause) {
    throw new MessagingError('batch.broken', `message of ${stream} without a proper ${name}: "${text}"`, { cause });
  }
}

function refused(stream: string, headers: HeaderBlock | null): MessagingError {
  const said = headers === null ? 'no status' : headers.status.trim();
  return new MessagingError('stream.api', `DIRECT.GET on ${stream} was answered with ${said}`, {
    detail: headers?.code,
  });
}
