/**
 * Where each frame of one ledger goes while it is sealed: into the block being filled, held back until its lane has come to
 * it, or put aside. Frames come from the stream, from ingesters that were asked again, and out of what is held; all are
 * checked, and pass the same place.
 *
 * One of these lives as long as the `Sealing` that it fills (seal-ledger.ts).
 */
import { formatTimestamp, signGap, type Gap, type Hash, type VerdictCode } from '@everseal/audit-core';
import { framesAt, heldFrames } from '@everseal/ledger-store';
import type { StoredMessage } from '@everseal/messaging';
import { checkFrame, type FrameCheck } from './frame-check.js';
import type { GapInFront } from './gap-in-front.js';
import type { HeardFrames } from './heard-frames.js';
import { MOST_VERSIONS } from './held-lanes.js';
import { LaneGaps } from './lane-gaps.js';
import type { CheckedFrame } from './open-block.js';
import type { PutAsideLog } from './put-aside-log.js';
import type { Resent } from './resend.js';
import type { SealAlerts } from './seal-alerts.js';
import { sealBlock } from './seal-block.js';
import type { Sealing, SealerParts } from './sealing.js';

export class Placing {
  /** What the lanes go on without. */
  readonly gaps: LaneGaps;

  constructor(
    private readonly parts: SealerParts,
    readonly sealing: Sealing,
    private readonly alerts: SealAlerts,
    private readonly heard: HeardFrames,
    private readonly putAsideLog: PutAsideLog,
  ) {
    this.gaps = new LaneGaps(sealing, this.fetchHeld, parts.gapAfterMs);
  }

  /** A message of the stream; the cursor moves past it. */
  async take(message: StoredMessage): Promise<void> {
    const { source } = this.sealing;
    this.alerts.lost(source.sequence, message);
    const next = await this.judge(message);
    source.moveTo(message);
    this.sealing.pending = true;
    if (next) await this.addNext(next);
  }

  /** Checked like a message of the stream; the cursor does not move. Until it is committed a crash asks for it again. */
  async takeResent({ ingester, data }: Resent): Promise<void> {
    const next = await this.judge({ sequence: 0, subject: this.parts.subjectOf(ingester), time: '', data });
    this.sealing.pending = true;
    if (!next) return;
    this.parts.log.warn({ ingester, number: next.frame.number }, 'a missing frame was resent');
    await this.addNext(next);
  }

  /** Lets a lane go on without the frames that it misses: the record, and at once the frame that ends the gap. */
  async addGap(gap: GapInFront): Promise<void> {
    const { origin, log } = this.parts;
    const { first, last, cause, ending } = gap;
    const { ingester } = ending.frame;
    const { open, lanes, debts, tree, logKey } = this.sealing;
    const record: Gap = { origin, ingester, first, last, cause, time: formatTimestamp(this.parts.now()) };
    log.warn({ ...record }, 'frames are declared missing; their lane goes on');
    this.begin();
    const index = tree.size;
    open.addGap(Buffer.from(signGap(record, logKey)), record);
    if (cause === 'lost') debts.open(record, lanes.head(ingester) ?? null, ending.frame);
    else this.alerts.closed(gap, index);
    await this.addNext(ending);
    this.alertLane(ingester);
    this.alerts.debts(debts, ingester);
  }

  /** Adds held frames that the head of their lane has reached: one after another, since they may fill many blocks. */
  async addFreed(ingester: string): Promise<void> {
    const { held, lanes } = this.sealing;
    const continues = ({ frame }: CheckedFrame): boolean => lanes.continues(frame);
    let number = (lanes.head(ingester)?.number ?? 0) + 1;
    if (held.first(ingester) !== number) return;
    for (; held.first(ingester) === number; number++) {
      const next = await held.find(ingester, number, continues, this.fetchHeld);
      if (!next) break;
      await this.add(next);
      // A lane may have held back hundreds of thousands, most of them read from the database one by one: minutes, but no standstill.
      this.parts.onTurn();
    }
    this.alertLane(ingester);
  }

  /** Tells which frames a lane misses, if it does. */
  alertLane(ingester: string): void {
    const { source, held } = this.sealing;
    const heard = this.heard.missing(source).get(ingester) ?? 0;
    this.alerts.lane(this.sealing, ingester, Math.max(heard, held.passedByTo(ingester)));
  }

  /** The frame of a message when it is the next of its lane. Else the message is skipped, held back or put aside: null. */
  private async judge(message: StoredMessage): Promise<CheckedFrame | null> {
    const result = this.check(message);
    if (!result.ok) {
      this.putAside(message, null, result.verdict, result.why);
      return null;
    }
    const { checked } = result;
    const { frame, hash } = checked;
    const { lanes, held } = this.sealing;
    const place = await lanes.place(frame, hash, (ingester, number) => this.sealedHash(ingester, number));
    switch (place) {
      case 'next':
        return checked;
      case 'sealed':
        return null;
      case 'ahead':
        // Beyond its bound the lane waits all the same, and is resent what it could not hold.
        if (held.hold(checked, message) === 'versions') this.putAsideConflict(message, checked);
        else this.alertLane(frame.ingester);
        return null;
      case 'late':
        await this.payDebt(message, checked);
        return null;
      case 'conflict':
        this.putAsideConflict(message, checked);
        return null;
    }
  }

  private check(message: StoredMessage): FrameCheck {
    const { keys, formerIngest } = this.sealing;
    const { origin, subjectOf } = this.parts;
    const result = checkFrame(message, origin, keys, subjectOf, formerIngest);
    if (!result.ok && result.unsealable) this.gaps.note(result.unsealable);
    return result;
  }

  /** Of frames in the block being filled and in the one being committed, too: a message may come twice. */
  private async sealedHash(ingester: string, number: number): Promise<Hash | null> {
    const { open, commit } = this.sealing;
    const filled = open.hashOf(ingester, number);
    if (filled) return filled;
    await commit.done();
    const [row] = await framesAt(this.parts.pool, this.parts.ledgerId, ingester, [number]);
    return row?.hash ?? null;
  }

  /** Held frames, out of the database again; checked anew, because the database is not to be trusted with them. */
  private readonly fetchHeld = async (ingester: string, number: number): Promise<CheckedFrame[]> => {
    const { pool, ledgerId, subjectOf } = this.parts;
    // Its row may be in the transaction that is just being committed.
    await this.sealing.commit.done();
    const rows = await heldFrames(pool, ledgerId, ingester, number, MOST_VERSIONS);
    const subject = subjectOf(ingester);
    return rows.flatMap(({ sequence, bytes }) => {
      const result = this.check({ sequence: sequence ?? 0, subject, time: '', data: bytes });
      return result.ok ? [result.checked] : [];
    });
  };

  /** The next frame of its lane, and the held ones that follow it. */
  private async addNext(checked: CheckedFrame): Promise<void> {
    await this.add(checked);
    await this.addFreed(checked.frame.ingester);
  }

  private async add(checked: CheckedFrame): Promise<void> {
    const { open, tree, lanes, held } = this.sealing;
    this.begin();
    const position = tree.size;
    const { ingester, number } = checked.frame;
    open.addFrame(checked);
    lanes.advance(checked.frame, checked.hash, position, checked.note.toString());
    held.forget(ingester, number, checked.hash);
    if (open.full) await sealBlock(this.parts, this.sealing);
  }

  /** A frame below the head of its lane pays the debt that a gap record left open, once; else it fits nowhere. */
  private async payDebt(message: StoredMessage, checked: CheckedFrame): Promise<void> {
    const { debts, open } = this.sealing;
    const { ingester, number } = checked.frame;
    const isOwed = debts.owes(ingester, number);
    const refusal = isOwed ? debts.pay(checked.frame, checked.hash) : null;
    if (!isOwed) return this.putAsideConflict(message, checked);
    if (refusal !== null) return this.putAside(message, checked, 'custody.conflict', refusal);
    this.parts.log.warn({ ingester, number }, 'a frame that was declared lost has come');
    this.begin();
    open.addFrame(checked);
    this.alerts.debts(debts, ingester);
    if (open.full) await sealBlock(this.parts, this.sealing);
  }

  /** An entry comes into the block being filled; its first one sets the time. */
  private begin(): void {
    if (this.sealing.open.entries === 0) this.sealing.openedAt = performance.now();
  }

  private putAsideConflict(message: StoredMessage, checked: CheckedFrame): void {
    const { ingester, number } = checked.frame;
    const head = this.sealing.lanes.head(ingester)?.number ?? 0;
    const why = `frame ${number} of ${ingester} does not fit its lane, which is at ${head}`;
    this.putAside(message, checked, 'custody.conflict', why);
  }

  private putAside(message: StoredMessage, frame: CheckedFrame | null, code: VerdictCode, why: string): void {
    const kept = this.sealing.held.quarantine(message, code, frame);
    this.putAsideLog.write({ sequence: message.sequence, code, why, kept });
    this.alerts.putAside(message, code, why);
  }
}
