/**
 * The sealer's place in the stream: reads messages in order from the cursor on, one batch ahead of what is being
 * sealed, woken by ingest's nudge or by a poll.
 *
 * A stream sequence is no identity: after a restore or a lost tail numbers are used again. So the cursor also holds
 * the stream's epoch, its creation time and the hash of the message it stands on, and `guard` compares all of them with
 * what the broker says now. And since a stream may lose its tail and grow past the cursor between two guards, every
 * batch begins at the cursor: its first message must be the remembered one, and is handed to nobody. A batch that does
 * not begin so (the stream ends before it, or the message fell off the ring) is used only when the guard, asked after
 * it, finds the same stream. Nothing is concluded from a read alone.
 */

import { equalHash, sha256 } from '@everseal/audit-core';
import type { StreamCursor } from '@everseal/ledger-store';
import type { StoredMessage, StreamReader } from '@everseal/messaging';

/** What the broker says of a stream. */
type StreamInfo = Awaited<ReturnType<StreamReader['info']>>;

const BATCH_MESSAGES = 64;
const BATCH_BYTES = 4 * 1024 * 1024;
const READ_TIMEOUT_MS = 2_000;
/**
 * From one question to the next, unless the answer was full: light traffic would cost a question a frame, and full load
 * nearly so. A block waits ten times as long for its frames.
 */
const GAP_MS = 25;
/** How long an empty stream is left alone when no nudge comes (a nudge may be lost). */
const POLL_MS = 250;

/** The stream is another one than the cursor belongs to, and has to be read from its beginning. */
export interface Replaced {
  readonly same: false;
  readonly state: StreamInfo;
  readonly why: string;
}

/** What `guard` found. */
export type StreamCheck = { readonly same: true; readonly state: StreamInfo } | Replaced;

export class FrameSource {
  private ahead: Promise<StoredMessage[]> | null = null;
  private wake: (() => void) | null = null;
  private interrupted = false;
  private askedAt = -Infinity;
  /** The newest answer held as much as was asked for, or nearly so: there is more. */
  private wasFull = false;
  private drained = -Infinity;
  /** The message that the cursor stands on, until somebody wants to know its hash: most are passed by. */
  private unhashed: StoredMessage | null = null;

  constructor(
    private readonly reader: StreamReader,
    private current: StreamCursor,
  ) {}

  get cursor(): StreamCursor {
    if (this.unhashed) this.current = { ...this.current, hash: sha256(this.unhashed.data) };
    this.unhashed = null;
    return this.current;
  }

  /** Sequence of the message that the cursor stands on; 0 before the first. */
  get sequence(): number {
    return this.current.sequence;
  }

  /** performance.now() of the newest question to which the stream had nothing behind the cursor. */
  get drainedAt(): number {
    return this.drained;
  }

  /** Takes a stream over whose identity the database does not know yet. */
  adopt(state: StreamInfo): void {
    this.current = { ...this.current, epoch: state.epoch, created: state.created };
  }

  /** The message was sealed, skipped or put aside: the cursor stands on it. */
  moveTo(message: StoredMessage): void {
    this.current = { ...this.current, sequence: message.sequence };
    this.unhashed = message;
  }

  /** Ingest says that there is a new frame. */
  nudge(): void {
    this.wake?.();
  }

  /** There is something else to do: the read under way, or the next one, ends without messages. */
  interrupt(): void {
    this.interrupted = true;
    this.wake?.();
  }

  /**
   * The next messages in order; empty when none came before `deadlineMs` passed, or after `interrupt`. The cursor must have been moved to the
   * last message that was handed over before.
   */
  async read(deadlineMs: number): Promise<StoredMessage[] | Replaced> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      if (this.interrupted) {
        this.interrupted = false;
        return [];
      }
      const batch = await this.takeBatch(deadline);
      if (batch === null) return [];
      const messages = await this.behindCursor(batch);
      if (!Array.isArray(messages)) return messages;
      const last = messages.at(-1);
      if (last) {
        this.ahead = this.fetch(last.sequence);
        return messages;
      }
      this.drained = this.askedAt;
      const left = deadline - performance.now();
      if (left <= 0) return [];
      if (!this.interrupted) await this.sleep(Math.min(POLL_MS, left));
    }
  }

  /** What of a batch comes after the cursor, when it is a batch of the cursor's own stream. */
  private async behindCursor(batch: StoredMessage[]): Promise<StoredMessage[] | Replaced> {
    const { sequence, hash } = this.cursor;
    if (hash === null) return batch;
    const [first, ...messages] = batch;
    const isThere = first?.sequence === sequence;
    if (isThere && equalHash(sha256(first.data), hash)) return messages;
    // The guard comes after the batch: a stream that is the same now was the same when the batch was read.
    const check = await this.guard();
    if (!check.same) return check;
    // Another message where the guard finds ours: some replica is behind, so that its batch is worth nothing.
    return isThere ? [] : batch;
  }

  /** The batch that is under way, or null when it does not arrive in time (it stays under way). */
  private async takeBatch(deadline: number): Promise<StoredMessage[] | null> {
    this.ahead ??= this.fetch(this.current.sequence);
    const batch = this.ahead;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), Math.max(0, deadline - performance.now()));
    });
    try {
      const messages = await Promise.race([batch, late]);
      if (messages !== null && this.ahead === batch) this.ahead = null;
      return messages;
    } catch (error) {
      this.ahead = null;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param from the message that the cursor will stand on when the batch is taken; it comes first in the batch */
  private fetch(from: number): Promise<StoredMessage[]> {
    const batch = this.ask(from);
    // A failure is reported by whoever takes the batch; until then it must not count as unhandled.
    batch.catch(() => undefined);
    return batch;
  }

  private async ask(from: number): Promise<StoredMessage[]> {
    const early = this.askedAt + GAP_MS - performance.now();
    if (early > 0 && !this.wasFull) await new Promise((resolve) => setTimeout(resolve, early));
    this.askedAt = performance.now();
    const most = BATCH_MESSAGES + 1;
    const batch = await this.reader.readFrom(Math.max(1, from), {
      maxMessages: most,
      maxBytes: BATCH_BYTES,
      timeoutMs: READ_TIMEOUT_MS,
    });
    this.wasFull = batch.length === most || batch.reduce((sum, { data }) => sum + data.length, 0) > BATCH_BYTES / 2;
    return batch;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.wake = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.wake = done;
    });
  }

  /** Asks the broker whether the cursor still stands where it stood (architecture §6 "The cursor"). */
  async guard(): Promise<StreamCheck> {
    const state = await this.reader.info();
    const { epoch, created, sequence, hash } = this.cursor;
    const differs = (why: string): Replaced => ({ same: false, state, why });
    if (epoch === '' && sequence === 0) return { same: true, state };
    if (state.epoch !== epoch) return differs(`its epoch is ${state.epoch}, was ${epoch}`);
    if (state.created !== created) return differs(`it was created ${state.created}, was ${created}`);
    if (state.lastSequence < sequence) return differs(`it ends at ${state.lastSequence}, the cursor is at ${sequence}`);
    if (hash && state.firstSequence <= sequence) {
      const message = await this.reader.get(sequence);
      if (message && !equalHash(sha256(message.data), hash)) return differs(`message ${sequence} is another one`);
    }
    return { same: true, state };
  }

  /** Reads this stream from its first message on. */
  restart(state: StreamInfo): void {
    this.current = { epoch: state.epoch, created: state.created, sequence: 0, hash: null };
    this.unhashed = null;
    this.ahead = null;
    this.drained = -Infinity;
  }
}
