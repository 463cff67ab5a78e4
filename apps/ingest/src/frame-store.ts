/**
 * Frames by number for whoever looks back: those that are built but not answered are in memory, older ones are read from the
 * spool and the last few of them are kept. Null for a frame that the spool has let go of.
 */
import {
  checkFrameMessage,
  FrameTree,
  leafHash,
  parseFrameMessage,
  parseFrameText,
  parseNote,
  parseTimestamp,
  type Frame,
  type FrameMessage,
  type Hash,
} from '@everseal/audit-core';
import type { BuiltFrame, LaneName } from './frame-builder.js';
import type { Spool } from './spool.js';
import type { InspectedFrame } from './spool-recovery.js';

/** A frame with its bytes taken apart. */
export class HeldFrame {
  readonly message: FrameMessage;
  readonly frame: Frame;
  #tree: FrameTree | null;

  /** @param built set while its requests wait for its PubAck */
  constructor(
    bytes: Buffer,
    readonly built: BuiltFrame | null,
  ) {
    this.message = parseFrameMessage(bytes);
    this.frame = frameOf(this.message.note);
    this.#tree = built?.tree ?? null;
  }

  get note(): string {
    return this.message.note.toString();
  }

  /** Hashed when it is asked for, and then checked against the signed root. */
  get tree(): FrameTree {
    this.#tree ??= new FrameTree(checkFrameMessage(this.frame, this.message));
    return this.#tree;
  }
}

/** A mass of retries after a restart asks for the same few frames again and again. */
const KEPT = 8;

/** What a spool asks of a frame message; throws for one of another lane. */
export function inspectFrame(lane: LaneName): (message: Buffer) => InspectedFrame {
  return (bytes) => {
    const { note } = parseFrameMessage(bytes);
    const { origin, ingester, number, previous, accepted } = frameOf(note);
    if (origin !== lane.origin || ingester !== lane.ingester) throw new Error(`a frame of ${ingester} for ${origin}`);
    return { number, previous, hash: leafHash(note), acceptedMs: parseTimestamp(accepted) };
  };
}

/** The leaf hash of a frame message's note: the frame's hash. */
export function frameHash(bytes: Buffer): Hash {
  return leafHash(parseFrameMessage(bytes).note);
}

export class FrameStore {
  readonly #kept = new Map<number, HeldFrame>();

  constructor(
    private readonly spool: Spool,
    /** Frames between being built and being answered. */
    private readonly unanswered: () => readonly BuiltFrame[],
  ) {}

  async hashOf(number: number): Promise<Hash | null> {
    const { newest, covered } = this.spool;
    if (number === newest.number) return newest.hash;
    if (number === covered.number) return covered.hash;
    const message = await this.spool.read(number);
    return message === null ? null : frameHash(message);
  }

  async frame(number: number): Promise<HeldFrame | null> {
    const built = this.unanswered().find(({ id }) => id.number === number);
    if (built !== undefined) return new HeldFrame(built.message, built);
    const kept = this.#kept.get(number);
    if (kept !== undefined) return kept;
    const message = await this.spool.read(number);
    if (message === null) return null;
    const held = new HeldFrame(message, null);
    this.#kept.set(number, held);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return held;
  }
}

function frameOf(note: Buffer): Frame {
  return parseFrameText(parseNote(note).text);
}
