/**
 * The newest frame that each ingester's heartbeat names, and whether it is missing. A hole in a lane shows by the frames
 * behind it; a newest frame that vanished shows by nothing on the stream, only by its signed note in a heartbeat.
 *
 * Missing is decided without any clock but ours: five seconds after a frame was heard of, the stream is asked for its
 * last sequence. Whoever has read up to there since, or to the end of what the stream has, and has not met the frame
 * will not meet it. A sealer that is behind, or a frame on its way, is no alarm.
 *
 * Heartbeats are anybody's bytes until the note is opened: only the newest of an ingester is kept until the next look,
 * and one note of it is verified at most.
 */

import {
  FormatError,
  openFrame,
  parseFrameText,
  parseIngestHeartbeat,
  parseNote,
  type KeySet,
} from '@everseal/audit-core';

/** A heard frame may take this long to be stored in the stream: ingest spools it first. */
const ON_ITS_WAY_MS = 5_000;
/** A heartbeat has one note a ledger. */
const MOST_HEARTBEAT_BYTES = 65_536;
/** Ingesters whose heartbeats wait for a look; far more than a ledger has. */
const MOST_UNREAD = 256;

interface Heard {
  readonly number: number;
  /** Monotonic milliseconds. */
  readonly at: number;
  /** Sequence that the stream ended with when the frame had had its time, and when that was; null until then. */
  ended: { readonly sequence: number; readonly at: number } | null;
}

export class HeardFrames {
  private readonly unread = new Map<string, Buffer>();
  private readonly heard = new Map<string, Heard>();

  /** @param now monotonic milliseconds */
  constructor(
    private readonly origin: string,
    private readonly now: () => number,
  ) {}

  /** Keeps a heartbeat until the next look. `message` may be a view. */
  hear(ingester: string, message: Uint8Array): void {
    if (message.length > MOST_HEARTBEAT_BYTES) return;
    if (this.unread.size < MOST_UNREAD || this.unread.has(ingester)) this.unread.set(ingester, Buffer.from(message));
  }

  /**
   * Reads what was heard since the last look, and forgets frames that their lane has reached.
   * @param headOf newest sealed number of an ingester's lane, 0 when there is none
   * @returns ingesters of which the heard frame has come
   */
  look(keys: KeySet, headOf: (ingester: string) => number): string[] {
    for (const [ingester, message] of this.unread) {
      // A frame that is waited for already is not put off by a newer one: the next heartbeat names that again.
      const number = this.heard.has(ingester) ? 0 : this.numberIn(ingester, message, keys);
      if (number > headOf(ingester)) this.heard.set(ingester, { number, at: this.now(), ended: null });
    }
    this.unread.clear();
    const come = [...this.heard].filter(([ingester, { number }]) => number <= headOf(ingester)).map(([name]) => name);
    for (const ingester of come) this.heard.delete(ingester);
    return come;
  }

  /** The stream says now that this is its last sequence. */
  streamEndsAt(sequence: number): void {
    const at = this.now();
    for (const heard of this.heard.values()) {
      if (heard.ended === null && at - heard.at >= ON_ITS_WAY_MS) heard.ended = { sequence, at };
    }
  }

  /** The stream is another one: what its sequences said says nothing any more. */
  streamReplaced(): void {
    for (const heard of this.heard.values()) heard.ended = null;
  }

  /**
   * The ingesters whose heard frame is not on the stream, with its number.
   * @param sequence that the stream was read up to
   * @param drainedAt when it was asked last and had nothing more: a deleted last message leaves its number behind
   */
  missing({ sequence, drainedAt }: { sequence: number; drainedAt: number }): Map<string, number> {
    const missing = new Map<string, number>();
    for (const [ingester, { number, ended }] of this.heard) {
      if (ended !== null && (sequence >= ended.sequence || drainedAt >= ended.at)) missing.set(ingester, number);
    }
    return missing;
  }

  /** Number of this ledger's frame in a heartbeat, 0 when it names none that the ingester signed. */
  private numberIn(ingester: string, message: Buffer, keys: KeySet): number {
    try {
      const note = parseIngestHeartbeat(message).find((text) => this.isOurs(text, ingester));
      return note === undefined ? 0 : openFrame(note, keys.ingest, this.origin).number;
    } catch (error) {
      if (error instanceof FormatError) return 0;
      throw error;
    }
  }

  private isOurs(note: string, ingester: string): boolean {
    const frame = parseFrameText(parseNote(note).text);
    return frame.origin === this.origin && frame.ingester === ingester;
  }
}
