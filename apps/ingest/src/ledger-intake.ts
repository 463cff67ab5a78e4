/**
 * Everything that ingest does for one ledger, wired together: read the constructor to know what it is made of.
 *
 *   open spool → take over a closed ledger → fill the duplicate window
 *                                            [commit loop: resolve the lane, commit …]
 *                                            [watch loop: broker, stream, keys, clock, disk]
 *   all conditions hold → subscribe to submit; one fails → unsubscribe
 *
 * Life: `start` once, `stop` once. The gate alone decides whether there is a subscription.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import {
  formatRefusal,
  ingestKeysOf,
  originOf,
  Refused,
  type CosignedTime,
  type SigningKey,
  type VerifierKey,
} from '@everseal/audit-core';
import {
  LanePublisher,
  listen,
  serve,
  StreamReader,
  type Listening,
  type NatsLink,
  type Serving,
} from '@everseal/messaging';
import {
  announceSubject,
  ANNOUNCEMENTS,
  framesStream,
  framesSubject,
  INGEST_QUEUE,
  nudgeSubject,
  resendSubject,
  submitSubject,
  type LedgerPolicy,
  type Policy,
} from '@everseal/policy';
import { Loop, type Health, type KeyFile, type Logger } from '@everseal/process';
import { Announcements } from './announcements.js';
import type { ClockGuard } from './clock-guard.js';
import { Commit } from './commit.js';
import type { IngestLimits } from './config.js';
import { DuplicateWindow } from './duplicate-window.js';
import { Duplicates, type Conflict } from './duplicates.js';
import { FrameStore, inspectFrame } from './frame-store.js';
import { Gate } from './gate.js';
import type { LaneName } from './frame-builder.js';
import type { IngestMetrics } from './ingest-metrics.js';
import { Lane } from './lane.js';
import { Readiness } from './readiness.js';
import { RefusalLog } from './refusal-log.js';
import { resend } from './resend.js';
import { Spool } from './spool.js';
import { Submit } from './submit.js';
import { TakeOver, type Continues } from './take-over.js';

export type IntakeOptions = {
  readonly policy: Policy;
  readonly ledger: LedgerPolicy;
  readonly ingester: string;
  readonly keys: KeyFile;
  readonly spoolDir: string;
  readonly genesisFile: string;
  /** The closed ledger that it continues, if it does. */
  readonly continues: Continues | undefined;
  readonly replyPrefixes: readonly string[];
  readonly limits: IngestLimits;
  readonly link: NatsLink;
  readonly clock: ClockGuard;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  readonly health: Health;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  /** As of Commit. */
  readonly proveBroker: () => Promise<void>;
  readonly isBrokerProven: () => boolean;
  readonly onConflict: (ledger: string, producer: string, conflict: Conflict) => void;
  /** Ends the process because of this failure. */
  readonly onStop: (error: Error) => void;
};

const EXPIRE_EVERY_MS = 250;
const LOOK_EVERY_MS = 1_000;
const WATCH_EVERY_MS = 10_000;
/** Longest honest round of the loops: a lane that is published again frame by frame takes its time. */
const COMMIT_WITHIN_MS = 120_000;
const WATCH_WITHIN_MS = 60_000;
/** The whole stream must never fill with frames that are about to expire. */
const AGE_SHARE = 4;

export class LedgerIntake {
  readonly spool: Spool;
  readonly gate: Gate;
  readonly frames: FrameStore;
  readonly commit: Commit;
  /** Null for a ledger that continues none. */
  readonly takeOver: TakeOver | null;
  private readonly name: LaneName;
  private readonly logger: Logger;
  private readonly duplicates: Duplicates;
  private readonly announcements: Announcements;
  private readonly submit: Submit;
  private readonly refusals: RefusalLog;
  private readonly readiness: Readiness;
  private listening: Listening | null = null;
  private announced: Listening | null = null;
  private resending: Serving | null = null;
  private loops: Loop[] = [];
  private timers: NodeJS.Timeout[] = [];
  private readonly stopping = new AbortController();
  /** What the next frame is signed with: the newest key of our own that the newest key set names. */
  private signing: SigningKey;

  /** Opens the spool. @throws StopProcess spool.*, keys.untrusted */
  constructor(private readonly options: IntakeOptions) {
    const { policy, ledger, ingester, limits, link, keys } = options;
    const origin = originOf(policy.domain, ledger.name);
    const directory = path.join(options.spoolDir, ledger.name);
    const name = { origin, ingester };
    this.name = name;
    this.signing = keys.keys[0]!;
    this.logger = options.logger.child({ ledger: ledger.name });
    this.gate = new Gate(options.health, ledger.name, (isOpen) => this.follow(isOpen));
    const { windowBytes, segmentBytes } = limits;
    const inspect = inspectFrame(name);
    this.takeOver = TakeOver.open({ ...options, name, gate: this.gate });
    this.spool = Spool.open({ directory, ...name, inspect, bound: ledger.spoolBytes, windowBytes, segmentBytes });
    this.frames = new FrameStore(this.spool, () => this.commit.unanswered);
    const keysFile = path.join(directory, 'keys.note');
    const { genesisFile } = options;
    this.announcements = new Announcements({ ...this.parts(), frames: this.frames, genesisFile, keysFile });
    this.duplicates = new Duplicates(origin, newWindow(limits.windowEvents), this.frames);
    const reader = new StreamReader(link, framesStream(ledger.name), { timeoutMs: limits.ackTimeoutMs });
    this.readiness = new Readiness(this.gate, {
      ...options,
      ...this.parts(),
      announcements: this.announcements,
      reader,
    });
    const lane = new Lane({
      ...this.parts(),
      frames: this.frames,
      reader,
      publisher: new LanePublisher(link, framesStream(ledger.name), framesSubject(ledger.name, ingester)),
      ownKeys: () => this.ownKeys,
      readAnnouncement: () => this.readAnnouncement(),
      ackTimeoutMs: limits.ackTimeoutMs,
    });
    this.commit = this.newCommit(lane);
    this.refusals = new RefusalLog(this.logger, () => performance.now());
    this.submit = this.newSubmit(origin);
  }

  /** Starts everything; the gate opens later, when all conditions hold. */
  start(): void {
    this.fillSpool().catch(this.options.onStop);
    this.announced = listen(this.options.link, announceSubject(this.options.ledger.name), {
      onMessage: ({ data }) => {
        this.announcements.take(Buffer.from(data)).then(() => this.look(), this.options.onStop);
      },
      onFault: this.options.onStop,
    });
    this.resending = serve(this.options.link, resendSubject(this.options.ledger.name, this.options.ingester), {
      handler: ({ data }) => resend(this.spool, data),
      logger: this.logger,
      onFault: this.options.onStop,
    });
    const pulse = this.options.health.pulse(`commit ${this.options.ledger.name}`, COMMIT_WITHIN_MS);
    this.loops = [
      Loop.run({
        name: `commit ${this.options.ledger.name}`,
        body: (signal) => this.commit.round(signal, pulse),
        pulse,
        within: COMMIT_WITHIN_MS,
        logger: this.logger,
        onStop: this.options.onStop,
      }),
      this.watchLoop(),
    ];
    const { waitMs } = this.options.limits;
    this.timers = [
      setInterval(() => this.commit.expire(performance.now() - waitMs), EXPIRE_EVERY_MS),
      setInterval(() => this.look(), LOOK_EVERY_MS),
    ];
  }

  /** Takes no further request, answers those that wait as far as `within` ms allow, and lets go of the spool. */
  async stop(within: number): Promise<void> {
    this.stopping.abort();
    const deadline = performance.now() + within;
    await this.listening?.stop();
    await Promise.all([this.announced?.stop(), this.resending?.stop()]);
    while (performance.now() < deadline && this.commit.isBusy && this.gate.isOpen) await pause(5);
    await Promise.all(this.loops.map((loop) => loop.stop()));
    this.timers.forEach(clearInterval);
    this.refusals.flush();
    this.takeOver?.close();
    this.spool.close();
  }

  /** Looks at once at what the watch loop looks at from time to time: the connection is back. */
  lookAgain(): void {
    // The broker may have come back without the end of the lane: only a resolution tells, and an idle lane has no other.
    this.commit.doubt('the connection to the broker was lost and made again');
    this.follow(this.gate.isOpen);
    for (const loop of this.loops) loop.wake();
  }

  /** The newest frame's signed note, for the heartbeat; null before the first. */
  async newestNote(): Promise<string | null> {
    return this.commit.newestNote ?? (await this.frames.frame(this.spool.newest.number))?.note ?? null;
  }

  /** With which key the next frame is signed; null while one is under way, which the key before may have signed. */
  get signs(): { origin: string; vkey: string } | null {
    if (this.commit.unanswered.length > 0) return null;
    return { origin: this.name.origin, vkey: this.signing.verifier.vkey };
  }

  /** The times that verifiers gave with the newest cosignatures seen here; empty before the first. */
  get cosigned(): CosignedTime[] {
    return this.announcements.cosigned;
  }

  /** The keys that may have signed our frames. */
  private get ownKeys(): VerifierKey[] {
    const { keys, ingester } = this.options;
    return [...keys.keys.map(({ verifier }) => verifier), ...ingestKeysOf(this.announcements.keys, ingester)];
  }

  private parts(): { name: LaneName; spool: Spool; logger: Logger } {
    return { name: this.name, spool: this.spool, logger: this.logger };
  }

  private newCommit(lane: Lane): Commit {
    const { link, ledger, clock, metrics, limits, proveBroker, isBrokerProven } = this.options;
    const late = formatRefusal(
      new Refused('unavailable', 'not confirmed in time', null, { retryAfterMs: limits.waitMs }),
      null,
    );
    return new Commit({
      ...this.parts(),
      key: () => this.signing,
      lane,
      duplicates: this.duplicates,
      proveBroker,
      isBrokerProven,
      now: () => clock.date(),
      answer: (reply, bytes) => this.answer(reply, bytes),
      refuseLate: (reply) => {
        metrics.refused('unavailable');
        this.answer(reply, late);
      },
      nudge: () => {
        if (link.connected) link.nc.publish(nudgeSubject(ledger.name));
      },
      resolved: this.readiness.lane,
      metrics,
    });
  }

  private newSubmit(origin: string): Submit {
    const { policy, ledger, replyPrefixes, metrics, onConflict, onStop } = this.options;
    return new Submit({
      ledger: ledger.name,
      origin,
      policy,
      replyPrefixes,
      commit: this.commit,
      duplicates: this.duplicates,
      pushback: (bytes) => this.pushback(bytes),
      answer: (reply, bytes) => this.answer(reply, bytes),
      onConflict: (producer, conflict) => onConflict(ledger.name, producer, conflict),
      onFault: onStop,
      logger: this.logger,
      refusals: this.refusals,
      metrics,
    });
  }

  /** The spool's bound is the backpressure; before it, what waits in memory. */
  private pushback(bytes: number): Refused | null {
    const { ledger, limits, now } = this.options;
    const { spool, commit } = this;
    if (!this.gate.isOpen || !spool.writable) return unavailable('this ingester is not ready', 1_000);
    if (commit.queue.bytes + bytes > limits.queueBytes) return unavailable('too many requests wait', 200);
    if (spool.full(commit.bytesUnderWay + bytes)) return unavailable('too much waits to be sealed', 2_000);
    const oldest = spool.oldestAccepted;
    if (oldest !== null && now() - oldest > ledger.frames.maxAgeMs / AGE_SHARE) {
      return unavailable('sealing is too far behind', 10_000);
    }
    return null;
  }

  private answer(reply: string, bytes: Buffer): void {
    // While disconnected nothing can be answered; whoever waits asks again.
    if (this.options.link.connected) this.options.link.nc.publish(reply, bytes);
  }

  private follow(isOpen: boolean): void {
    const { link, ledger, onStop } = this.options;
    if (isOpen && this.listening === null && !this.isStopping) {
      this.listening = listen(link, submitSubject(ledger.name, '*'), {
        queue: INGEST_QUEUE,
        onMessage: (message) => this.submit.take(message),
        onFault: onStop,
      });
      this.logger.info({}, 'accepting requests');
    } else if (!isOpen && this.listening !== null && link.connected) {
      // While disconnected the subscription cannot be ended; what comes through it when the connection is back is refused.
      void this.listening.stop();
      this.listening = null;
      this.logger.warn({}, 'not accepting requests');
    }
  }

  /** Before anything is accepted: what was accepted for the ledger that this one continues; then who repeats it is known, too. */
  private async fillSpool(): Promise<void> {
    const { frames, commit, ownKeys } = this;
    await this.takeOver?.run({ ...this.parts(), frames, commit, ownKeys, signal: this.stopping.signal });
    await this.fillWindow();
  }

  private async fillWindow(): Promise<void> {
    const { first, newest } = this.spool;
    for (let number = first; number <= newest.number && !this.isStopping; number += 1) {
      await this.duplicates.refill(number);
    }
    this.readiness.window.ok();
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private async readAnnouncement(): Promise<void> {
    const { link, ledger } = this.options;
    const last = await new StreamReader(link, ANNOUNCEMENTS).lastBySubject(announceSubject(ledger.name));
    if (last !== null) await this.announcements.take(last.data);
    this.look();
  }

  private watchLoop(): Loop {
    const name = `watch ${this.options.ledger.name}`;
    return Loop.run({
      name,
      body: async () => {
        this.refusals.flush();
        await this.readiness.askStream();
        return WATCH_EVERY_MS;
      },
      pulse: this.options.health.pulse(name, WATCH_WITHIN_MS),
      within: WATCH_WITHIN_MS,
      logger: this.logger,
      onStop: this.options.onStop,
    });
  }

  /** Looks at what can be seen without asking anybody, and goes over to the key that is in force. */
  private look(): void {
    const inForce = this.readiness.look();
    if (inForce === null || inForce === this.signing) return;
    if (inForce.verifier.vkey !== this.signing.verifier.vkey) {
      this.logger.info({ key: inForce.verifier.vkey }, 'frames are signed with another key from now on');
    }
    this.signing = inForce;
  }
}

function unavailable(why: string, retryAfterMs: number): Refused {
  return new Refused('unavailable', `${why}: send the same events again later`, null, { retryAfterMs });
}

function newWindow(capacity: number): DuplicateWindow {
  const seed = randomBytes(8);
  return new DuplicateWindow(capacity, [seed.readInt32BE(0), seed.readInt32BE(4)]);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
