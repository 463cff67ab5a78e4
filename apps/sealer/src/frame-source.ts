/**
 * The sealer's place in the stream: reads messages in order from the cursor on, one batch ahead of what is being
 * sealed, woken by ingest's nudge or by a poll.
 *
 * A stream sequence is no identity: after a restore or a lost tail numbers are used again. So the cursor also holds
 * the stream's epoch, its creation time and the hash of the message it stands on, and `guard` compares all of them with
 * what the broker says now. Nothing is concluded from an empty read alone.
 */

import { equalHash, sha256 } from '@everseal/audit-core';
import type { StreamCursor } from '@everseal/ledger-store';
import type { StoredMessage, StreamReader } from '@everseal/messaging';

/** What the broker says of a stream. */
type StreamInfo = Awaited<ReturnType<StreamReader['info']>>;

const BATCH_MESSAGES = 64;
const BATCH_BYTES = 4 * 1024 * 1024;
const READ_TIMEOUT_MS = 2_000;
/** How long an empty stream is left alone when no nudge comes (a nudge may be lost). */
const POLL_MS = 250;

/** What `guard` found: the stream continues, or it is another one and has to be read from its beginning. */
export type StreamCheck =
  | { readonly same: true; readonly state: StreamInfo }
  | { readonly same: false; readonly state: StreamInfo; readonly why: string };

export class FrameSource {
  private ahead: Promise<StoredMessage[]> | null = null;
  private next: number;
  private wake: (() => void) | null = null;

  constructor(
    private readonly reader: StreamReader,
    private current: StreamCursor,
  ) {
    this.next = current.sequence + 1;
  }

  get cursor(): StreamCursor {
    return this.current;
  }

  /** Takes a stream over whose identity the database does not know yet. */
  adopt(state: StreamInfo): void {
    this.current = { ...this.current, epoch: state.epoch, created: state.created };
  }

  /** The message was sealed, skipped or put aside: the cursor stands on it. */
  moveTo(message: StoredMessage): void {
    this.current = { ...this.current, sequence: message.sequence, hash: sha256(message.data) };
  }

  /** Ingest says that there is a new frame. */
  nudge(): void {
    this.wake?.();
  }

  /** The next messages in order; empty when none came before `deadlineMs` passed. */
  async read(deadlineMs: number): Promise<StoredMessage[]> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const messages = await this.takeBatch(deadline);
      if (messages === null) return [];
      const last = messages.at(-1);
      if (last) {
        this.next = last.sequence + 1;
        this.ahead = this.fetch();
        return messages;
      }
      const left = deadline - performance.now();
      if (left <= 0) return [];
      await this.sleep(Math.min(POLL_MS, left));
    }
  }

  /** The batch that is under way, or null when it does not arrive in time (it stays under way). */
  private async takeBatch(deadline: number): Promise<StoredMessage[] | null> {
    this.ahead ??= this.fetch();
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

  private fetch(): Promise<StoredMessage[]> {
    const batch = this.reader.readFrom(this.next, {
      maxMessages: BATCH_MESSAGES,
      maxBytes: BATCH_BYTES,
      timeoutMs: READ_TIMEOUT_MS,
    });
    // A failure is reported by whoever takes the batch; until then it must not count as unhandled.
    batch.catch(() => undefined);
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
    const { epoch, created, sequence, hash } = this.current;
    const differs = (why: string): StreamCheck => ({ same: false, state, why });
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
    this.next = 1;
    this.ahead = null;
  }
}
