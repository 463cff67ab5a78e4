/**
 * Asks ingesters for the frames that their lanes miss (`audit.resend.<ledger>.<ingester>`), one question a lane at a
 * time. While answers bring the lane on, the next number is asked for at once: a hole of a thousand frames is a thousand
 * questions, one after another. A question that brought nothing (no answer, frame not held, a frame that is not good) is
 * asked again after a pause that doubles from one second to a minute, so that an ingester that is away or has lost its
 * spool is not stormed, and one that answers with rubbish cannot fill a disk.
 *
 * Nothing is believed here: an answer is a message like one of the stream, and is checked like one.
 */

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** The answer to one question. */
export interface Resent {
  readonly ingester: string;
  /** The frame message; never empty. */
  readonly data: Buffer;
}

export interface ResendParts {
  /** One question; null when there is no answer, or an empty one. Never rejects. */
  readonly ask: (ingester: string, number: number) => Promise<Buffer | null>;
  /** There is something to take. */
  readonly onAnswer: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Lane {
  number: number;
  /** A question is under way. */
  asking: boolean;
  /** The newest question brought something. */
  answered: boolean;
  /** Questions on this number that have ended, whatever they brought. */
  asked: number;
  /** When the number may be asked for (again). */
  due: number;
  pause: number;
}

export class Resend {
  private readonly lanes = new Map<string, Lane>();
  private answers: Resent[] = [];

  constructor(private readonly parts: ResendParts) {}

  /**
   * Asks where a question is due. Call it again and again; a lane that is not named misses nothing any more.
   * @param missing the next number of every lane that waits for one
   */
  want(missing: ReadonlyMap<string, number>): void {
    for (const [ingester, { asking }] of this.lanes) {
      if (!asking && !missing.has(ingester)) this.lanes.delete(ingester);
    }
    const now = this.parts.now();
    for (const [ingester, number] of missing) {
      const lane = this.laneAt(ingester, number);
      if (!lane.asking && now >= lane.due) void this.ask(ingester, lane);
    }
  }

  /** The number that is asked for is given up for another one; its answer did not bring the lane on. */
  passOver(ingester: string): void {
    const lane = this.lanes.get(ingester);
    if (lane) lane.answered = false;
  }

  /** How often a number was asked for without bringing the lane on; 0 when it was not, or when another one is missed. */
  timesAsked(ingester: string, number: number): number {
    const lane = this.lanes.get(ingester);
    return lane?.number === number ? lane.asked : 0;
  }

  /** The answers that came since the last call. */
  take(): Resent[] {
    return this.answers.splice(0);
  }

  /** When the lane has moved after an answer, the next number is due at once; when it moved by itself, nothing is. */
  private laneAt(ingester: string, number: number): Lane {
    let lane = this.lanes.get(ingester);
    if (!lane) {
      lane = { number, asking: false, answered: false, asked: 0, due: -Infinity, pause: FIRST_PAUSE_MS };
      this.lanes.set(ingester, lane);
    }
    if (lane.number === number) return lane;
    lane.number = number;
    if (lane.answered) [lane.due, lane.pause] = [-Infinity, FIRST_PAUSE_MS];
    lane.answered = false;
    lane.asked = 0;
    return lane;
  }

  private async ask(ingester: string, lane: Lane): Promise<void> {
    lane.asking = true;
    const { number } = lane;
    const data = await this.parts.ask(ingester, number);
    lane.asking = false;
    // The lane may have come to another number meanwhile.
    if (lane.number === number) lane.asked++;
    lane.answered = data !== null;
    // Should the answer be the frame, the lane moves before it is due again; else this is the pause.
    lane.due = this.parts.now() + lane.pause;
    lane.pause = Math.min(LONGEST_PAUSE_MS, 2 * lane.pause);
    if (data === null) return;
    this.answers.push({ ingester, data });
    this.parts.onAnswer();
  }
}
