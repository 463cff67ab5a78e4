/**
 * The lane: the one subject of FRAMES_<ledger> that this ingester publishes to, and the question every start and every doubt
 * asks before another frame is built: which of our frames does the stream hold?
 *
 * A sequence number proves nothing (a stream can be replaced or cut), so the answer comes from frame numbers and hashes:
 *
 *   1. the newest announcement: our head there above `newest`, or with another hash: stop (announcements.ts)
 *   2. the lane's last message, which must be a frame with our own signature:
 *        it is `newest`                        that is the acknowledgement that did not arrive
 *        it is in the spool, same hash         publish the later ones
 *        its number ≤ `covered`, or none       the stream lost what was after it: publish the whole spool
 *        anything else                         stop: somebody else has this name, or the spool went back
 *
 * State: `#sequence`, the stream's sequence of the lane's last message, changed by a PubAck and by resolve only. One
 * publish at a time; the stream enforces the same by Nats-Expected-Last-Subject-Sequence.
 */
import {
  equalHash,
  FormatError,
  leafHash,
  openFrame,
  parseFrameMessage,
  parseFrameText,
  parseNote,
  type Hash,
  type VerifierKey,
} from '@everseal/audit-core';
import type { LanePublisher, StoredMessage, StoreOutcome, StreamReader } from '@everseal/messaging';
import { RetryLater, type Logger } from '@everseal/process';
import type { LaneName } from './frame-builder.js';
import type { FrameStore } from './frame-store.js';
import type { Spool } from './spool.js';
import { stop } from './stop.js';

export type LaneOptions = {
  readonly name: LaneName;
  readonly spool: Spool;
  readonly frames: FrameStore;
  readonly reader: StreamReader;
  readonly publisher: LanePublisher;
  /** The keys that may have signed our frames: the own one, and the one before it while it is in the key set. */
  readonly ownKeys: () => readonly VerifierKey[];
  /** Fetches and takes in the newest announcement. @throws StopProcess custody.conflict; MessagingError */
  readonly readAnnouncement: () => Promise<void>;
  /** Milliseconds to wait for a PubAck. */
  readonly ackTimeoutMs: number;
  readonly logger: Logger;
};

export class Lane {
  #sequence = 0;

  constructor(private readonly options: LaneOptions) {}

  /**
   * Makes the lane hold every frame of the spool that is not covered, `newest` last.
   * @param onProgress called after each frame that is published again
   * @returns how many frames it had to publish
   * @throws StopProcess custody.conflict; RetryLater, MessagingError when the broker does not answer or store
   */
  async resolve(onProgress: () => void): Promise<number> {
    const { reader, publisher, spool, logger } = this.options;
    await this.options.readAnnouncement();
    const last = await reader.lastBySubject(publisher.lane);
    const first = last === null ? spool.covered.number + 1 : await this.firstMissing(last);
    this.#sequence = last?.sequence ?? 0;
    const newest = spool.newest.number;
    if (first <= newest) {
      logger.warn({ lane: publisher.lane, first, newest }, `publishing frames ${first} to ${newest} again`);
    }
    for (let number = first; number <= newest; number += 1) {
      const message = await spool.read(number);
      // An announcement came in between: the frame is sealed, and perhaps released.
      if (number <= spool.covered.number) continue;
      if (message === null) throw new Error(`frame ${number} is not covered and not in the spool`);
      const result = await this.publish(message);
      if (result.outcome !== 'stored') throw this.notStored(number, result);
      onProgress();
    }
    return Math.max(0, newest - first + 1);
  }

  /** Publishes the frame message that follows the lane's last one, once. */
  async publish(message: Buffer): Promise<StoreOutcome> {
    const { publisher, ackTimeoutMs: timeoutMs } = this.options;
    const result = await publisher.publishFrame(message, { expectedLastSubjectSequence: this.#sequence, timeoutMs });
    if (result.outcome === 'stored') this.#sequence = result.sequence;
    return result;
  }

  /** By the rules above: the number of the first frame that the lane lacks. */
  private async firstMissing(last: StoredMessage): Promise<number> {
    const { spool, frames } = this.options;
    const { number, hash, note } = this.frameIn(last);
    if (number > spool.newest.number) {
      this.checkSignature(last, note);
      throw this.conflict(`frame ${number}, but the newest one built here is ${spool.newest.number}`);
    }
    const known = await frames.hashOf(number);
    // What we remember we also signed, be it with a key that is out of force by now.
    if (known === null) this.checkSignature(last, note);
    else if (!equalHash(known, hash)) throw this.conflict(`frame ${number} with other content`);
    if (number <= spool.covered.number) return spool.covered.number + 1;
    if (known === null) throw this.conflict(`frame ${number}, which is not in the spool`);
    return number + 1;
  }

  private frameIn(last: StoredMessage): { number: number; hash: Hash; note: Buffer } {
    const { name } = this.options;
    const { note, frame } = this.checked(last, () => {
      const { note: bytes } = parseFrameMessage(last.data);
      return { note: bytes, frame: parseFrameText(parseNote(bytes).text) };
    });
    if (frame.origin !== name.origin || frame.ingester !== name.ingester) {
      throw this.conflict(`a frame of ingester ${frame.ingester} for ${frame.origin}`);
    }
    return { number: frame.number, hash: leafHash(note), note };
  }

  private checkSignature(last: StoredMessage, note: Buffer): void {
    this.checked(last, () => openFrame(note, this.options.ownKeys(), this.options.name.origin));
  }

  /** Runs a check on the lane's last message; a message that fails it is not ours. */
  private checked<T>(last: StoredMessage, check: () => T): T {
    try {
      return check();
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw this.conflict(`message ${last.sequence}, which no key of ours signed (${cause.message})`, cause);
    }
  }

  private conflict(what: string, cause?: unknown): Error {
    return stop(
      'custody.conflict',
      `lane ${this.options.publisher.lane} ends with ${what}: another process uses this name, or an older copy of the spool was put back. ` +
        'Stop the other one, or put the newest spool back; else give this instance a new name, key and directory',
      cause,
    );
  }

  private notStored(number: number, result: Exclude<StoreOutcome, { outcome: 'stored' }>): RetryLater {
    const why = result.outcome === 'rejected' ? result.description : result.reason;
    return new RetryLater(
      'lane.not-stored',
      `frame ${number} could not be published to ${this.options.publisher.lane}: ${why}`,
    );
  }
}
