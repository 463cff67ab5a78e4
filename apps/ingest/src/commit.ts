/**
 * The commit of one ledger: requests in, frames spooled and published, receipts out. One linear procedure with one publish in
 * flight; whatever arrives while it is in flight is the next frame, so there is no batching timer to tune.
 *
 * Every round begins with the question that recovery asks, too: which of our frames does the lane hold (lane.ts)? A round
 * ends when that is in doubt again. So the path after a crash is walked at every start and at every lost answer.
 *
 * In front of all requests go events that are framed as they were framed before, for a closed ledger (take-over.ts): nobody
 * waits for an answer to those.
 *
 * State and guards: `#unanswered` holds the frames from being built until the lane is known to hold them, ascending; only
 * `round` changes it. Frame numbers come from the spool's `newest`, which only `append` moves.
 */
import { receiptWriter, type SigningKey } from '@everseal/audit-core';
import type { StoreOutcome } from '@everseal/messaging';
import type { Condition, Logger, Pulse } from '@everseal/process';
import { buildFrame, type BuiltFrame, type LaneName } from './frame-builder.js';
import type { Duplicates } from './duplicates.js';
import type { IngestMetrics } from './ingest-metrics.js';
import type { Lane } from './lane.js';
import { Pacing } from './pacing.js';
import type { Follower, PendingRequest } from './pending-request.js';
import { RequestQueue } from './request-queue.js';
import type { Spool } from './spool.js';

export type CommitOptions = {
  readonly name: LaneName;
  /** The key to sign the next frame with. */
  readonly key: () => SigningKey;
  readonly spool: Spool;
  readonly lane: Lane;
  readonly duplicates: Duplicates;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  /** Asks the broker of the present connection whether it syncs before it acknowledges. @throws RetryLater; MessagingError */
  readonly proveBroker: () => Promise<void>;
  /** Whether that was answered well, and the connection is still that one. */
  readonly isBrokerProven: () => boolean;
  /** Sends one answer; returns at once. */
  readonly answer: (reply: string, bytes: Buffer) => void;
  /** Tells one waiting request that it took too long. */
  readonly refuseLate: (reply: string) => void;
  /** After each stored frame. */
  readonly nudge: () => void;
  /** Is the lane known to hold every frame? */
  readonly resolved: Condition;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
};

/** Events that are one frame by themselves. */
type WholeFrame = {
  readonly requests: readonly PendingRequest[];
  readonly bytes: number;
  /** Told when the lane holds it. */
  readonly stored: () => void;
};

/** How often an idle loop shows that it is alive. */
const IDLE_TICK_MS = 1_000;

export class Commit {
  readonly queue = new RequestQueue();
  #whole: WholeFrame[] = [];
  /** By frame number, those under way. */
  readonly #framedWhole = new Map<number, WholeFrame>();
  #unanswered: BuiltFrame[] = [];
  #newestNote: string | null = null;
  #doubt: StoreOutcome | null = null;
  #wake: (() => void) | null = null;
  readonly #pacing = new Pacing(() => performance.now());

  constructor(private readonly options: CommitOptions) {}

  get unanswered(): readonly BuiltFrame[] {
    return this.#unanswered;
  }

  /** Does anybody wait for an answer? */
  get isBusy(): boolean {
    return this.queue.size > 0 || this.#unanswered.length > 0;
  }

  /** Bytes on their way to the spool: those that wait, and a frame that is being written. */
  get bytesUnderWay(): number {
    const building = this.#unanswered.at(-1);
    const spooled = building === undefined || building.id.number <= this.options.spool.newest.number;
    const whole = this.#whole.reduce((sum, { bytes }) => sum + bytes, 0);
    return this.queue.bytes + whole + (spooled ? 0 : building.message.length);
  }

  /** The note of the newest frame that this process has put into the lane, null when there is none yet. */
  get newestNote(): string | null {
    return this.#newestNote;
  }

  submit(request: PendingRequest): void {
    this.queue.push(request);
    this.wake();
  }

  /**
   * Makes one frame of these events, in front of every request. Resolves when the lane holds it; never when the process ends before.
   * @param requests nobody waits for them, and the duplicate window does not know them yet
   * @param bytes that they take in the frame message
   */
  frameWhole(requests: readonly PendingRequest[], bytes: number): Promise<void> {
    return new Promise((stored) => {
      this.#whole.push({ requests, bytes, stored });
      this.wake();
    });
  }

  /** Waits with the frame `number` for its answer; false when that frame is answered already. */
  follow(number: number, follower: Follower): boolean {
    const frame = this.#unanswered.find(({ id }) => id.number === number);
    frame?.followers.push(follower);
    return frame !== undefined;
  }

  /** Puts the lane in doubt: the present round ends, the next one begins with the lane's resolution. */
  doubt(reason: string): void {
    this.#doubt ??= { outcome: 'unknown', reason };
    this.wake();
  }

  /**
   * One round, for a supervised loop: have the broker prove itself, resolve the lane, then commit until it is in doubt or `signal` is aborted.
   * @throws StopProcess; RetryLater or MessagingError while the lane cannot be resolved
   */
  async round(signal: AbortSignal, pulse: Pulse): Promise<void> {
    const { resolved, logger } = this.options;
    try {
      await this.resolve(pulse);
      resolved.ok();
      signal.addEventListener('abort', () => this.wake(), { once: true });
      await this.commit(signal, pulse);
      resolved.fail('it is not known whether the last frame was stored');
    } catch (error) {
      resolved.fail(`the lane is not resolved: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
    if (this.#doubt !== null)
      logger.warn({ outcome: this.#doubt }, 'a frame may not have been stored: looking at the lane');
    this.#doubt = null;
  }

  private async resolve(pulse: Pulse): Promise<void> {
    const { lane, spool, metrics, logger } = this.options;
    // A PubAck means nothing before; nor does a frame that stands where nothing is synced.
    await this.options.proveBroker();
    const published = await lane.resolve(() => pulse.tick());
    metrics.laneResolutions.inc();
    // Every frame that was built stands in the lane now, those of a lost answer included: that is their answer.
    for (const frame of this.#unanswered.splice(0)) this.receipt(frame);
    logger.info({ newest: spool.newest.number, published }, 'the lane holds every frame');
  }

  /** Until a publish is in doubt, or `signal` is aborted and nothing waits any more. */
  private async commit(signal: AbortSignal, pulse: Pulse): Promise<void> {
    const { name, key, spool, duplicates } = this.options;
    let published: Promise<boolean> = Promise.resolve(true);
    while (await this.work(signal, pulse)) {
      const whole = this.#whole.shift();
      const requests = whole?.requests ?? this.queue.take();
      const started = performance.now();
      const frame = buildFrame(name, key(), spool.newest, this.acceptedMs(), requests);
      this.#unanswered.push(frame);
      if (whole === undefined) duplicates.framed(requests, frame.id.number);
      else this.#framedWhole.set(frame.id.number, whole);
      for (const request of requests) request.dropBody();
      // Crash here: the frame is nowhere. Nobody has a receipt; the number is used again for other events.

      await spool.append(frame.id, frame.acceptedMs, frame.message);
      // Crash here: the frame is in the spool and not in the lane. The start publishes it. Nobody has a receipt; a producer
      // that repeats its request gets one for this frame, because the spool fills the duplicate window.

      if (!(await published)) return; // The frame before is in doubt: this one waits in the spool for the lane's resolution.
      published = this.publish(frame, started);
      this.#pacing.published(frame.tree.size);
    }
    await published;
  }

  private async publish(frame: BuiltFrame, started: number): Promise<boolean> {
    const stored = await this.options.lane.publish(frame.message);
    // Crash here: the frame is in the lane and in the spool, and nobody knows. The start finds it as the lane's last message.
    const unproven: StoreOutcome = { outcome: 'unknown', reason: 'another broker may have taken it' };
    const outcome = this.options.isBrokerProven() ? stored : unproven;
    if (outcome.outcome !== 'stored') {
      // Not stored, stored without an answer, or to be stored yet: only the lane can tell.
      this.#doubt = outcome;
      this.wake();
      return false;
    }
    this.#unanswered.shift();
    this.receipt(frame);
    // Crash here, or while the answers leave: some have their receipt, others repeat their request and get an equal one.
    this.#newestNote = frame.note;
    this.options.metrics.committed(performance.now() - started);
    this.options.nudge();
    return true;
  }

  /** Resolves true when the next frame can be built, false when the round is over. */
  private async work(signal: AbortSignal, pulse: Pulse): Promise<boolean> {
    for (;;) {
      pulse.tick();
      if (this.#doubt !== null) return false;
      // What was framed before can be framed at the next start as well.
      const waits = this.queue.size > 0 || (this.#whole.length > 0 && !signal.aborted);
      const pause = waits ? this.#pacing.pause() : IDLE_TICK_MS;
      if (pause <= 0) return true;
      if (!waits && signal.aborted) return false;
      await this.sleep(pause);
    }
  }

  private sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }

  private wake(): void {
    this.#wake?.();
  }

  /** Not before the frame before, whatever the clock does. */
  private acceptedMs(): number {
    return Math.max(Math.floor(this.options.now()), this.options.spool.newestAccepted ?? 0);
  }

  /** Answers everybody who waits for the frame, in one turn of the event loop. */
  private receipt(frame: BuiltFrame): void {
    const whole = this.#framedWhole.get(frame.id.number);
    if (whole !== undefined) {
      this.#framedWhole.delete(frame.id.number);
      whole.stored();
      return;
    }
    const write = receiptWriter(frame.note);
    const send = (waiting: PendingRequest | Follower, first: number): void => {
      if (waiting.answered) return;
      waiting.answered = true;
      this.options.answer(waiting.reply, write(first, waiting.count, frame.tree.proveRange(first, waiting.count)));
    };
    for (const request of frame.requests) {
      send(request, request.first);
      for (const follower of request.followers ?? []) send(follower, request.first + follower.first);
      request.settled = true;
    }
    for (const follower of frame.followers) send(follower, follower.first);
    this.options.metrics.accepted(frame);
  }

  /**
   * Tells whoever came before `arrived` (performance.now() ms) and still waits that it took too long. Requests leave the
   * queue; those in a frame are committed all the same.
   */
  expire(arrived: number): void {
    for (const request of this.queue.expire(arrived)) {
      this.options.duplicates.forget(request);
      request.settled = true;
      for (const waiting of everybody(request)) this.late(waiting, Infinity);
    }
    for (const { requests, followers } of this.#unanswered) {
      for (const request of requests) {
        for (const waiting of everybody(request)) this.late(waiting, arrived);
      }
      for (const follower of followers) this.late(follower, arrived);
    }
  }

  private late(waiting: PendingRequest | Follower, before: number): void {
    if (waiting.answered || waiting.arrived >= before) return;
    waiting.answered = true;
    this.options.refuseLate(waiting.reply);
  }
}

function everybody(request: PendingRequest): (PendingRequest | Follower)[] {
  return request.followers === null ? [request] : [request, ...request.followers];
}
