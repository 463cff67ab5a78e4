/**
 * When a lane goes on without the frames that it misses: once the frame which waits for them was accepted longer ago than
 * the bound and the ingester was asked for what is missing at least once, or when an operator orders it. Other lanes are
 * never held up, so there is no hurry: a gap record can be made good by a late frame, but it says "lost" for ever.
 *
 * Age is counted by whichever of this machine's clock and Postgres's is behind: a clock that is ahead declares nothing.
 */

import { FormatError, parseTimestamp, type GapOrder } from '@everseal/audit-core';
import { gapInFront, type GapInFront, type UnsealableFrame } from './gap-in-front.js';
import type { FetchHeld, HeldLanes } from './held-lanes.js';
import type { Lanes } from './lanes.js';
import type { Resend } from './resend.js';

/** Frames a lane of which is remembered that they can never be sealed; the oldest are forgotten, and are asked for again. */
const MOST_UNSEALABLE = 1_024;

/** The lanes of a ledger that is being sealed. */
export interface GapLanes {
  readonly lanes: Lanes;
  readonly held: HeldLanes;
  readonly resend: Resend;
}

/** The smallest held frame of a lane. */
interface Waiting {
  readonly number: number;
  /** When it was accepted; null when there is none that could end a gap. */
  readonly accepted: number | null;
}

export class LaneGaps {
  private readonly unsealable = new Map<string, UnsealableFrame[]>();
  private readonly waiting = new Map<string, Waiting>();

  /** @param afterMs age of a waiting frame at which what it waits for is declared missing, milliseconds */
  constructor(
    private readonly sealing: GapLanes,
    private readonly fetch: FetchHeld,
    private readonly afterMs: number,
  ) {}

  /** A genuine frame that can never be sealed was met. */
  note(met: UnsealableFrame): void {
    const { ingester, number } = met.frame;
    if (number <= (this.sealing.lanes.head(ingester)?.number ?? 0)) return;
    const known = this.unsealable.get(ingester) ?? [];
    const others = known.filter(({ hash }) => !hash.equals(met.hash));
    this.unsealable.set(ingester, [...others, met].slice(-MOST_UNSEALABLE));
  }

  /** The gaps that are to be sealed by themselves. @param now milliseconds since 1970, by the clock that is behind */
  async due(now: number): Promise<GapInFront[]> {
    const { held } = this.sealing;
    const waiting = held.waiting();
    for (const ingester of this.waiting.keys()) if (!waiting.includes(ingester)) this.forget(ingester);
    const due: GapInFront[] = [];
    for (const ingester of waiting) {
      const accepted = await this.waitsSince(ingester);
      if (accepted === null || now - accepted < this.afterMs || this.timesAsked(ingester) === 0) continue;
      const gap = await this.inFrontOf(ingester);
      if (typeof gap !== 'string') due.push(gap);
    }
    return due;
  }

  /** The gap that is ordered. @throws FormatError gap-order.lane: the lane does not wait for just these frames */
  async ordered({ ingester, first, last }: GapOrder): Promise<GapInFront> {
    const gap = await this.inFrontOf(ingester);
    const refuse = (why: string): never => {
      throw new FormatError(
        'gap-order.lane',
        `frames ${first} to ${last} of ${ingester} are not declared lost: ${why}`,
      );
    };
    if (typeof gap === 'string') return refuse(gap);
    if (gap.first === first && gap.last === last) return gap;
    return refuse(`its lane waits for frames ${gap.first} to ${gap.last}`);
  }

  /** When the frame that a lane holds back was accepted, milliseconds since 1970; null when none could end a gap. */
  async waitsSince(ingester: string): Promise<number | null> {
    const number = this.sealing.held.first(ingester);
    if (number === null) return null;
    const known = this.waiting.get(ingester);
    if (known?.number === number && known.accepted !== null) return known.accepted;
    const [frame] = await this.sealing.held.versionsOf(ingester, number, this.fetch);
    const accepted = frame ? parseTimestamp(frame.frame.accepted) : null;
    this.waiting.set(ingester, { number, accepted });
    return accepted;
  }

  timesAsked(ingester: string): number {
    const { lanes, resend } = this.sealing;
    return resend.timesAsked(ingester, (lanes.head(ingester)?.number ?? 0) + 1);
  }

  private async inFrontOf(ingester: string): Promise<GapInFront | string> {
    const { lanes, held } = this.sealing;
    const number = held.first(ingester);
    const versions = number === null ? [] : await held.versionsOf(ingester, number, this.fetch);
    return gapInFront(lanes.head(ingester), versions, this.unsealable.get(ingester) ?? []);
  }

  private forget(ingester: string): void {
    this.waiting.delete(ingester);
    this.unsealable.delete(ingester);
  }
}
