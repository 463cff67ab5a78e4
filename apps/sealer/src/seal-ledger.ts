/**
 * Sealing one ledger: frames from the stream, blocks into Postgres. One straight procedure with a comment at each crash
 * point that says what recovery finds; recovery is the way every run starts, so it is code that runs every day.
 *
 *     take the lease → recover the head → [ read frames → place each in its lane → fill the block → cut → commit ]*
 *
 * Only the database knows how far sealing is: any failure that is not the process's end leads back to "recover".
 *
 * Intervals are measured with the monotonic clock; the wall clock, which somebody may set, is read for block times only.
 */

import type { GapReport, SealedKeySet } from '@everseal/audit-core';
import { databaseTime, listGaps } from '@everseal/ledger-store';
import { StopProcess } from '@everseal/process';
import { laterClock } from './block-time.js';
import { CommitUnderWay } from './commit-under-way.js';
import { DatabaseClock } from './database-clock.js';
import { DebtQuestions } from './debt-questions.js';
import { FrameSource, type Replaced } from './frame-source.js';
import { reportGaps } from './gap-report.js';
import { HeardFrames } from './heard-frames.js';
import { standby } from './operator-orders.js';
import { OrderDesk } from './order-desk.js';
import { Placing } from './placing.js';
import { PutAsideLog } from './put-aside-log.js';
import { recoverHead } from './recover-head.js';
import { Resend } from './resend.js';
import { SealAlerts } from './seal-alerts.js';
import { moveCursor, newBlock, sealBlock } from './seal-block.js';
import { isCaughtUp, lingerOf, sealedState, type Sealing, type SealerParts } from './sealing.js';

/** An idle ledger gets a heartbeat block this often. */
const HEARTBEAT_BLOCK_MS = 10 * 60_000;
const STREAM_GUARD_MS = 5_000;
/** Gaps have minutes. */
const GAP_LOOK_MS = 1_000;

export class SealLedger {
  private source: FrameSource | null = null;

  private readonly alerts: SealAlerts;
  private readonly heard: HeardFrames;
  private readonly orders: OrderDesk;
  private readonly putAsideLog: PutAsideLog;
  /** While this sealer seals. */
  private active: Placing | null = null;

  constructor(private readonly parts: SealerParts) {
    this.alerts = new SealAlerts(parts.origin, parts.alerts);
    this.heard = new HeardFrames(parts.origin, () => performance.now());
    this.orders = new OrderDesk(parts);
    this.putAsideLog = new PutAsideLog(parts.log, () => performance.now());
  }

  /** A heartbeat of an ingester. */
  hear(ingester: string, message: Uint8Array): void {
    this.heard.hear(ingester, message);
  }

  /** Resolves when the commit under way, if there is one, has come to its end. */
  async settled(): Promise<void> {
    await this.active?.sealing.commit.settled();
  }

  /** There may be a new frame on the stream. */
  nudge(): void {
    this.source?.nudge();
  }

  /**
   * Seals the gap that an operator's order names; resolves once it is committed.
   * @throws FormatError gap-order.*, note.*; RetryLater sealer.standby
   */
  async declare(order: string): Promise<void> {
    if (!this.active) throw standby();
    const placed = this.orders.declare(order);
    this.source?.interrupt();
    return placed;
  }

  /**
   * Goes over to the key set that an operator's order names; resolves once it is in the log.
   * @throws FormatError key-order.*, keys.*, note.*; RetryLater sealer.standby
   */
  async followKeys(order: string): Promise<void> {
    if (!this.active) throw standby();
    const placed = this.orders.followKeys(order);
    this.source?.interrupt();
    return placed;
  }

  /** The key sets of the log, the one in force last. @throws RetryLater sealer.standby */
  keySets(): SealedKeySet[] {
    if (!this.active) throw standby();
    const { keySets, keysIndex: index, keysNote: note } = this.active.sealing;
    return [...keySets, { index, note }];
  }

  /** What waits and what is owed. @throws RetryLater sealer.standby; StoreError */
  async gaps(): Promise<GapReport> {
    if (!this.active) throw standby();
    const { sealing, gaps } = this.active;
    const rows = await listGaps(this.parts.pool, this.parts.ledgerId);
    return reportGaps(sealing, gaps, this.heard.missing(sealing.source), rows, this.parts.gapAfterMs);
  }

  /** One life with the lease: returns when the signal ends it, throws what the supervising loop has to judge. */
  async run(signal: AbortSignal): Promise<void> {
    const fence = await this.parts.lease.take(signal, this.parts.onTurn);
    if (fence === null) return;
    await this.parts.lease.confirm();
    // Whoever is to stop does not wait for messages first.
    const interrupt = (): void => this.source?.interrupt();
    signal.addEventListener('abort', interrupt);
    try {
      // Under other keys everything is read back from the database, as after a crash: what is held was checked by the old.
      while (!signal.aborted) await this.sealUnderOneKeySet(fence, signal);
    } finally {
      signal.removeEventListener('abort', interrupt);
      this.active = null;
      this.orders.giveBack();
      this.putAsideLog.end();
    }
  }

  /** Until another key set is in force, or the signal. */
  private async sealUnderOneKeySet(fence: number, signal: AbortSignal): Promise<void> {
    const sealing = await this.recover(fence);
    this.source = sealing.source;
    try {
      await this.sealFrames(sealing, signal);
    } finally {
      // Whatever ended this run: the next one reads the head, and a commit still under way would move it after that.
      await sealing.commit.settled();
    }
  }

  private async recover(fence: number): Promise<Sealing> {
    const { cursor, size, ...head } = await recoverHead(this.parts);
    const logKey = this.parts.logKeyOf(head.keys.log);
    if (!logKey) {
      const what = `this sealer does not have the log key in force, ${head.keys.log.vkey}: put it into the file of its settings`;
      throw new StopProcess('key.changed', what);
    }
    const source = new FrameSource(this.parts.reader, cursor);
    const commit = new CommitUnderWay();
    const open = newBlock(this.parts.origin, head);
    const asking = { ask: this.parts.resend, onAnswer: () => source.interrupt(), now: () => performance.now() };
    const questions = { resend: new Resend(asking), debtQuestions: new DebtQuestions(asking) };
    const postgres = new DatabaseClock(
      () => databaseTime(this.parts.pool),
      () => performance.now(),
    );
    await postgres.ask();
    const sealing: Sealing = {
      ...head,
      ...questions,
      logKey,
      postgres,
      fence,
      source,
      commit,
      open,
      openedAt: 0,
      cutAt: performance.now(),
      pending: false,
      streamEnd: Infinity,
    };
    const sealed = size > 0 ? sealedState(sealing, head.height - 1, size, head.tree.root()) : null;
    await this.parts.confirmHead(size, sealed);
    if (sealed) this.parts.onSealed(sealed, null);
    const { origin, log } = this.parts;
    log.info({ origin, height: head.height - 1, size, fence }, 'recovered the head of the ledger');
    return sealing;
  }

  private async sealFrames(sealing: Sealing, signal: AbortSignal): Promise<void> {
    const { source, commit, lanes, held } = sealing;
    let [guardedAt, lookedAt] = [-Infinity, -Infinity];
    const placing = new Placing(this.parts, sealing, this.alerts, this.heard, this.putAsideLog);
    this.active = placing;
    if (sealing.tree.size === 0) {
      sealing.keysIndex = sealing.open.addNote(this.parts.genesis);
      if (this.parts.successor) sealing.open.addNote(this.parts.successor);
      await sealBlock(this.parts, sealing);
    }
    // Held frames whose turn came in a block that was cut before them: nothing on the stream calls for them again.
    for (const ingester of new Set([...lanes.snapshot().keys(), ...held.waiting()])) {
      await placing.addFreed(ingester);
      placing.alertLane(ingester);
      this.alerts.debts(sealing.debts, ingester);
    }
    while (!signal.aborted) {
      this.parts.onTurn();
      this.putAsideLog.flush();
      await commit.check();
      if (performance.now() - guardedAt >= STREAM_GUARD_MS) {
        await this.guard(sealing);
        guardedAt = performance.now();
      }
      await this.heal(placing);
      if (await this.orders.carryOut(placing)) return;
      if (performance.now() - lookedAt >= GAP_LOOK_MS && isCaughtUp(sealing)) {
        for (const gap of await placing.gaps.due(laterClock(sealing, this.parts.now))) await placing.addGap(gap);
        lookedAt = performance.now();
      }
      const messages = await source.read(lingerOf(sealing));
      if (Array.isArray(messages)) for (const message of messages) await placing.take(message);
      else await this.startOver(sealing, messages);
      const due = sealing.open.entries > 0 && lingerOf(sealing) === 0;
      if (due || performance.now() - sealing.cutAt >= HEARTBEAT_BLOCK_MS) await sealBlock(this.parts, sealing);
      else if (sealing.pending && sealing.open.entries === 0) await moveCursor(this.parts, sealing);
    }
    // What was read is sealed before the end: who stops a sealer may not start one for a while.
    if (sealing.open.entries > 0) await sealBlock(this.parts, sealing);
    await commit.done();
  }

  /** Takes the frames that were resent, and asks for the next one of every lane that misses one. */
  private async heal(placing: Placing): Promise<void> {
    const { resend, debtQuestions, debts, lanes, held, source, keys } = placing.sealing;
    for (const resent of [...resend.take(), ...debtQuestions.take()]) await placing.takeResent(resent);
    const headOf = (ingester: string): number => lanes.head(ingester)?.number ?? 0;
    for (const ingester of this.heard.look(keys, headOf)) placing.alertLane(ingester);
    const unseen = this.heard.missing(source);
    for (const ingester of unseen.keys()) placing.alertLane(ingester);
    const waiting = new Set([...held.waiting(), ...unseen.keys()]);
    resend.want(new Map([...waiting].map((ingester) => [ingester, headOf(ingester) + 1])));
    debtQuestions.want(debts);
  }

  private async guard(sealing: Sealing): Promise<void> {
    const { source, held } = sealing;
    const check = await source.guard();
    if (check.same) {
      if (source.cursor.epoch === '') source.adopt(check.state);
      if (held.waiting().length === 0) this.alerts.nothingLost();
      this.heard.streamEndsAt(check.state.lastSequence);
      sealing.streamEnd = Math.min(sealing.streamEnd, check.state.lastSequence);
    } else await this.startOver(sealing, check);
    await sealing.postgres.ask();
  }

  /** Reads another stream from its first message. What is not committed is committed first, with the old cursor. */
  private async startOver(sealing: Sealing, { state, why }: Replaced): Promise<void> {
    if (sealing.open.entries > 0) await sealBlock(this.parts, sealing);
    await sealing.commit.done();
    this.alerts.replaced(why);
    this.parts.log.warn({ origin: this.parts.origin, why }, 'reading the replaced stream from its first message');
    sealing.source.restart(state);
    sealing.streamEnd = state.lastSequence;
    this.heard.streamReplaced();
  }
}
