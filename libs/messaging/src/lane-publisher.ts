/**
 * Publishes the frames of one ingest instance to its lane, the subject that only it may publish to. Each frame says which
 * message it follows (Nats-Expected-Last-Subject-Sequence), so the stream stores it exactly behind the one before, or not
 * at all: a repeat of a stored frame, a second process of the same name, or a message that somebody slipped in is
 * rejected (10071) instead of forking the lane. No message id: JetStream compares ids, not content.
 *
 * State: none. The caller has one frame in flight and holds the sequence of the last stored one.
 */
import type { NatsLink } from './connect.js';
import { publishStored } from './stored-publish.js';
import type { StoreOutcome } from './stored-publish.js';

export interface LanePublishOptions {
  /** The stream's sequence of the lane's newest message; 0 when the lane is empty. */
  expectedLastSubjectSequence: number;
  /** Milliseconds to wait for the PubAck. */
  timeoutMs: number;
}

export class LanePublisher {
  /** @param lane subject of the instance's frames; @param stream the stream that keeps them */
  constructor(
    private readonly link: NatsLink,
    readonly stream: string,
    readonly lane: string,
  ) {}

  /** Publishes one frame message, once. */
  async publishFrame(frame: Uint8Array, options: LanePublishOptions): Promise<StoreOutcome> {
    const { expectedLastSubjectSequence: after, timeoutMs } = options;
    const result = await publishStored(this.link, this.lane, frame, {
      stream: this.stream,
      timeoutMs,
      headers: { 'Nats-Expected-Last-Subject-Sequence': String(after) },
    });
    // Sequences only grow: an answer that says otherwise is not about this message.
    if (result.outcome === 'stored' && result.sequence <= after) {
      return { outcome: 'unknown', reason: `PubAck with sequence ${result.sequence}, the lane is at ${after}` };
    }
    return result;
  }
}
