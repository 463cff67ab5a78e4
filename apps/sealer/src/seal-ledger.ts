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

import {
  formatTimestamp,
  signGap,
  type Gap,
  type GapReport,
  type Hash,
  type SealedKeySet,
  type VerdictCode,
} from '@everseal/audit-core';
import { databaseTime, framesAt, heldFrames, listGaps } from '@everseal/ledger-store';
import type { StoredMessage } from '@everseal/messaging';
import { StopProcess } from '@everseal/process';
import { laterClock } from './block-time.js';
import { CommitUnderWay } from './commit-under-way.js';
import { DatabaseClock } from './database-clock.js';
import { DebtQuestions } from './debt-questions.js';
import { checkFrame, type FrameCheck } from './frame-check.js';
import { FrameSource, type Replaced } from './frame-source.js';
import { reportGaps } from './gap-report.js';
import type { GapInFront } from './gap-in-front.js';
import { HeardFrames } from './heard-frames.js';
import { MOST_VERSIONS } from './held-lanes.js';
import { LaneGaps } from './lane-gaps.js';
import type { CheckedFrame } from './open-block.js';
import { standby } from './operator-orders.js';
import { OrderDesk } from './order-desk.js';
import { recoverHead } from './recover-head.js';
import { Resend, type Resent } from './resend.js';
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
  /** While this sealer seals. */
  private active: { readonly sealing: Sealing; readonly gaps: LaneGaps } | null = null;

  constructor(private readonly parts: SealerParts) {
    this.alerts = new SealAlerts(parts.origin, parts.alerts);
    this.heard = new HeardFrames(parts.origin, () => performance.now());
    this.orders = new OrderDesk(parts);
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

  /** Held frames, out of the database again; checked anew, because the database is not to be trusted with them. */
  private readonly fetchHeld =
    (sealing: Sealing) =>
    async (ingester: string, number: number): Promise<CheckedFrame[]> => {
      const { pool, ledgerId, origin, subjectOf } = this.parts;
      // Its row may be in the transaction that is just being committed.
      await sealing.commit.done();
      const rows = await heldFrames(pool, ledgerId, ingester, number, MOST_VERSIONS);
      const subject = subjectOf(ingester);
      return rows.flatMap(({ sequence, bytes }) => {
        const message = { sequence: sequence ?? 0, subject, time: '', data: bytes };
        const result = checkFrame(message, origin, sealing.keys, subjectOf, sealing.formerIngest);
        if (!result.ok && result.unsealable) this.active?.gaps.note(result.unsealable);
        return result.ok ? [result.checked] : [];
      });
    };

  /** Of frames in the block being filled and in the one being committed, too: a message may come twice. */
  private async sealedHash(sealing: Sealing, ingester: string, number: number): Promise<Hash | null> {
    const filled = sealing.open.hashOf(ingester, number);
    if (filled) return filled;
    await sealing.commit.done();
    const [row] = await framesAt(this.parts.pool, this.parts.ledgerId, ingester, [number]);
    return row?.hash ?? null;
  }

  private async sealFrames(sealing: Sealing, signal: AbortSignal): Promise<void> {
    const { source, commit, lanes, held } = sealing;
    let [guardedAt, lookedAt] = [-Infinity, -Infinity];
    const gaps = new LaneGaps(sealing, this.fetchHeld(sealing), this.parts.gapAfterMs);
    this.active = { sealing, gaps };
    const work = { addGap: (gap: GapInFront) => this.addGap(sealing, gap), seal: () => sealBlock(this.parts, sealing) };
    if (sealing.tree.size === 0) {
      sealing.keysIndex = sealing.open.addNote(this.parts.genesis);
      if (this.parts.successor) sealing.open.addNote(this.parts.successor);
      await sealBlock(this.parts, sealing);
    }
    // Held frames whose turn came in a block that was cut before them: nothing on the stream calls for them again.
    for (const ingester of new Set([...lanes.snapshot().keys(), ...held.waiting()])) {
      await this.addFreed(sealing, ingester);
      this.alertLane(sealing, ingester);
      this.alerts.debts(sealing.debts, ingester);
    }
    while (!signal.aborted) {
      this.parts.onTurn();
      await commit.check();
      if (performance.now() - guardedAt >= STREAM_GUARD_MS) {
        await this.guard(sealing);
        guardedAt = performance.now();
      }
      await this.heal(sealing);
      if (await this.orders.carryOut(sealing, gaps, work)) return;
      if (performance.now() - lookedAt >= GAP_LOOK_MS && isCaughtUp(sealing)) {
        for (const gap of await gaps.due(laterClock(sealing, this.parts.now))) await this.addGap(sealing, gap);
        lookedAt = performance.now();
      }
      const messages = await source.read(lingerOf(sealing));
      if (Array.isArray(messages)) for (const message of messages) await this.takeMessage(sealing, message);
      else await this.startOver(sealing, messages);
      const due = sealing.open.entries > 0 && lingerOf(sealing) === 0;
      if (due || performance.now() - sealing.cutAt >= HEARTBEAT_BLOCK_MS) await sealBlock(this.parts, sealing);
      else if (sealing.pending && sealing.open.entries === 0) await moveCursor(this.parts, sealing);
    }
    // What was read is sealed before the end: who stops a sealer may not start one for a while.
    if (sealing.open.entries > 0) await sealBlock(this.parts, sealing);
    await commit.done();
  }

  private async takeMessage(sealing: Sealing, message: StoredMessage): Promise<void> {
    this.alerts.lost(sealing.source.sequence, message);
    const next = await this.judge(sealing, message);
    sealing.source.moveTo(message);
    sealing.pending = true;
    if (!next) return;
    await this.add(sealing, next);
    await this.addFreed(sealing, next.frame.ingester);
  }

  /** Takes the frames that were resent, and asks for the next one of every lane that misses one. */
  private async heal(sealing: Sealing): Promise<void> {
    const { resend, debtQuestions, debts, lanes, held, source } = sealing;
    for (const resent of [...resend.take(), ...debtQuestions.take()]) await this.takeResent(sealing, resent);
    const headOf = (ingester: string): number => lanes.head(ingester)?.number ?? 0;
    for (const ingester of this.heard.look(sealing.keys, headOf)) this.alertLane(sealing, ingester);
    const unseen = this.heard.missing(source);
    for (const ingester of unseen.keys()) this.alertLane(sealing, ingester);
    const waiting = new Set([...held.waiting(), ...unseen.keys()]);
    resend.want(new Map([...waiting].map((ingester) => [ingester, headOf(ingester) + 1])));
    debtQuestions.want(debts);
  }

  /** Lets a lane go on without the frames that it misses: the record, and at once the frame that ends the gap. */
  private async addGap(sealing: Sealing, gap: GapInFront): Promise<void> {
    const { origin, log } = this.parts;
    const { first, last, cause, ending } = gap;
    const { ingester } = ending.frame;
    const { open, lanes, debts, tree } = sealing;
    const record: Gap = { origin, ingester, first, last, cause, time: formatTimestamp(this.parts.now()) };
    log.warn({ ...record }, 'frames are declared missing; their lane goes on');
    if (open.entries === 0) sealing.openedAt = performance.now();
    const index = tree.size;
    open.addGap(Buffer.from(signGap(record, sealing.logKey)), record);
    if (cause === 'lost') debts.open(record, lanes.head(ingester) ?? null, ending.frame);
    else this.alerts.closed(gap, index);
    await this.add(sealing, ending);
    await this.addFreed(sealing, ingester);
    this.alertLane(sealing, ingester);
    this.alerts.debts(debts, ingester);
  }

  /** A frame below the head of its lane pays the debt that a gap record left open, once; else it fits nowhere. */
  private async payDebt(sealing: Sealing, message: StoredMessage, checked: CheckedFrame): Promise<void> {
    const { debts, open } = sealing;
    const { ingester, number } = checked.frame;
    const isOwed = debts.ranges(ingester).some(([first, last]) => first <= number && number <= last);
    const refusal = isOwed ? debts.pay(checked.frame, checked.hash) : null;
    if (!isOwed) return this.putAsideConflict(sealing, message, checked);
    if (refusal !== null) return this.putAside(sealing, message, checked, 'custody.conflict', refusal);
    this.parts.log.warn({ ingester, number }, 'a frame that was declared lost has come');
    if (open.entries === 0) sealing.openedAt = performance.now();
    open.addFrame(checked);
    this.alerts.debts(debts, ingester);
    if (open.full) await sealBlock(this.parts, sealing);
  }

  /** Checked like a message of the stream; the cursor does not move. Until it is committed a crash asks for it again. */
  private async takeResent(sealing: Sealing, { ingester, data }: Resent): Promise<void> {
    const message = { sequence: 0, subject: this.parts.subjectOf(ingester), time: '', data };
    const next = await this.judge(sealing, message);
    sealing.pending = true;
    if (!next) return;
    this.parts.log.warn({ ingester, number: next.frame.number }, 'a missing frame was resent');
    await this.add(sealing, next);
    await this.addFreed(sealing, next.frame.ingester);
  }

  private alertLane(sealing: Sealing, ingester: string): void {
    const heard = this.heard.missing(sealing.source).get(ingester) ?? 0;
    this.alerts.lane(sealing, ingester, Math.max(heard, sealing.held.passedByTo(ingester)));
  }

  /** The frame of a message when it is the next of its lane. Else the message is skipped, held back or put aside: null. */
  private async judge(sealing: Sealing, message: StoredMessage): Promise<CheckedFrame | null> {
    const result = this.check(sealing, message);
    if (!result.ok) {
      this.putAside(sealing, message, null, result.verdict, result.why);
      return null;
    }
    const { checked } = result;
    const { frame, hash } = checked;
    const place = await sealing.lanes.place(frame, hash, (ingester, number) =>
      this.sealedHash(sealing, ingester, number),
    );
    switch (place) {
      case 'next':
        return checked;
      case 'sealed':
        return null;
      case 'ahead':
        // Beyond its bound the lane waits all the same, and is resent what it could not hold.
        if (sealing.held.hold(checked, message) === 'versions') this.putAsideConflict(sealing, message, checked);
        else this.alertLane(sealing, frame.ingester);
        return null;
      case 'late':
        await this.payDebt(sealing, message, checked);
        return null;
      case 'conflict':
        this.putAsideConflict(sealing, message, checked);
        return null;
    }
  }

  private check({ keys, formerIngest }: Sealing, message: StoredMessage): FrameCheck {
    const result = checkFrame(message, this.parts.origin, keys, this.parts.subjectOf, formerIngest);
    if (!result.ok && result.unsealable) this.active?.gaps.note(result.unsealable);
    return result;
  }

  /** Held frames that the head of their lane has reached: one after another, since they may fill many blocks. */
  private async addFreed(sealing: Sealing, ingester: string): Promise<void> {
    const { held, lanes } = sealing;
    const continues = ({ frame }: CheckedFrame): boolean => lanes.continues(frame);
    let number = (lanes.head(ingester)?.number ?? 0) + 1;
    if (held.first(ingester) !== number) return;
    for (; held.first(ingester) === number; number++) {
      const next = await held.find(ingester, number, continues, this.fetchHeld(sealing));
      if (!next) break;
      await this.add(sealing, next);
    }
    this.alertLane(sealing, ingester);
  }

  private async add(sealing: Sealing, checked: CheckedFrame): Promise<void> {
    const { open, tree, lanes, held } = sealing;
    if (open.entries === 0) sealing.openedAt = performance.now();
    const position = tree.size;
    const { ingester, number } = checked.frame;
    open.addFrame(checked);
    lanes.advance(checked.frame, checked.hash, position, checked.note.toString());
    held.forget(ingester, number, checked.hash);
    if (open.full) await sealBlock(this.parts, sealing);
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

  private putAsideConflict(sealing: Sealing, message: StoredMessage, checked: CheckedFrame): void {
    const { ingester, number } = checked.frame;
    const head = sealing.lanes.head(ingester)?.number ?? 0;
    const why = `frame ${number} of ${ingester} does not fit its lane, which is at ${head}`;
    this.putAside(sealing, message, checked, 'custody.conflict', why);
  }

  private putAside(
    sealing: Sealing,
    message: StoredMessage,
    frame: CheckedFrame | null,
    code: VerdictCode,
    why: string,
  ): void {
    const kept = sealing.held.quarantine(message, code, frame);
    this.parts.log.warn({ sequence: message.sequence, code, why, kept }, 'a message of the stream was not sealed');
    this.alerts.putAside(message, code, why);
  }
}
