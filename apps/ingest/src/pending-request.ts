/**
 * A submit request on its way through this process, from "acceptable" to its answer. Who holds it: the queue until it is
 * taken into a frame, then that frame. `answered` turns true once, with whatever answer came first; a frame goes on without
 * its requests, so a request that was told `unavailable` may still be sealed (that is what `unavailable` says).
 */

/** Where one event lies in the request's body, and what identifies it. */
export type SubmittedEvent = {
  readonly start: number;
  readonly end: number;
  readonly id: string;
  readonly source: string;
};

/** Somebody who waits for a receipt over part of a request or frame: a repeated request. */
export type Follower = {
  reply: string;
  /** Position of its first event in the request, later in the frame. */
  first: number;
  readonly count: number;
  /** performance.now() when it came, in ms. */
  readonly arrived: number;
  answered: boolean;
};

const NOTHING = Buffer.alloc(0);

export class PendingRequest {
  answered = false;
  /** Its frame was answered, or it was dropped: nobody can join it any more. */
  settled = false;
  /** Position of its first event in its frame; -1 until it is in one. */
  first = -1;
  /** Ordinal of its first event in the duplicate window; -1 until it is remembered. */
  ordinal = -1;
  /** Keys of its events in the duplicate window; made when they are first asked for. */
  keys: readonly number[] = [];
  /** Repeated requests that wait with it; made when the first comes. */
  followers: Follower[] | null = null;

  constructor(
    readonly reply: string,
    readonly producer: string,
    /** The request's body; let go of when its events are in a frame. */
    public body: Buffer,
    readonly events: readonly SubmittedEvent[],
    /** Bytes that its entries take in a frame message. */
    readonly entryBytes: number,
    /** performance.now() when it came, in ms. */
    readonly arrived: number,
  ) {}

  follow(follower: Follower): void {
    this.followers ??= [];
    this.followers.push(follower);
  }

  get count(): number {
    return this.events.length;
  }

  dropBody(): void {
    this.body = NOTHING;
  }
}
