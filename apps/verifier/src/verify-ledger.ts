/**
 * Verifying one ledger: the tail and the three sweeps, and what they found, as alerts. Every look is a round of a loop of
 * its own; a round reports all that it found, and what an earlier round had found and this one has not is cleared, unless
 * this one did not come to its end.
 */

import {
  JsonTape,
  indexEvent,
  parseEventEntry,
  splitBundle,
  type Finding,
  type VerdictCode,
} from '@everseal/audit-core';
import { bodyOf, StoreError } from '@everseal/ledger-store';
import type { AlertBook, AlertContext } from '@everseal/process';
import type { Pool } from 'pg';
import type { BodyRing } from './body-ring.js';
import type { FollowLedger } from './follow-ledger.js';
import { isOfValue, saidOfValue } from './stored-value.js';
import type { SweepResult } from './sweep-bodies.js';

/** Findings of one look whose event is named: each name costs a block's read. */
const MOST_NAMED = 10;

export type SweepName = 'bodies' | 'index' | 'stored';

/** The last full pass of one sweep. */
export interface Coverage {
  readonly passes: number;
  /** When it ended, milliseconds since 1970; null before the first. */
  readonly endedAt: number | null;
  readonly entries: number;
  readonly seconds: number;
}

export interface Sweep {
  pass(signal: AbortSignal): Promise<SweepResult>;
}

/** The verdict of a sweep that met a value which cannot have been written by the sealer. */
const UNREADABLE: Record<SweepName, VerdictCode> = {
  bodies: 'block.chain',
  index: 'index.altered',
  stored: 'tile.altered',
};

export class VerifyLedger {
  private readonly coverage = new Map<SweepName, Coverage>();
  private readonly tape = new JsonTape();

  constructor(
    private readonly follow: FollowLedger,
    private readonly sweeps: Readonly<Record<SweepName, Sweep>>,
    private readonly ring: BodyRing,
    private readonly alerts: AlertBook,
    private readonly pool: Pool,
    private readonly now: () => number,
  ) {}

  get origin(): string {
    return this.follow.trust.origin;
  }

  get size(): number {
    return this.follow.size;
  }

  coverageOf(sweep: SweepName): Coverage {
    return this.coverage.get(sweep) ?? { passes: 0, endedAt: null, entries: 0, seconds: 0 };
  }

  /** One look at the newest blocks. */
  async tail(): Promise<void> {
    let complete = true;
    const finding = await this.follow.catchUp().catch((error: unknown) => {
      complete = false;
      return unreadable(error, 'block.chain');
    });
    await this.report('the newest blocks', finding ? [finding] : [], complete);
  }

  /** One pass of a sweep, reported when it is whole. */
  async sweep(name: SweepName, signal: AbortSignal): Promise<void> {
    const started = this.now();
    const result = await this.sweeps[name].pass(signal).catch((error: unknown) => ({
      findings: [unreadable(error, UNREADABLE[name])],
      entries: 0,
      complete: false,
    }));
    const { findings, entries, complete } = result;
    if (signal.aborted) return;
    await this.report(`the ${name} sweep`, findings, complete);
    const endedAt = this.now();
    const passes = this.coverageOf(name).passes + 1;
    this.coverage.set(name, { passes, endedAt, entries, seconds: (endedAt - started) / 1_000 });
  }

  /** Raises something that a request showed; it stands until somebody has looked into it. */
  reportShown(finding: Finding, evidence: Record<string, string>): void {
    this.alerts.raise(`requests about ${this.origin}`, finding, { ledger: this.origin, evidence });
  }

  private async report(look: string, findings: readonly Finding[], complete: boolean): Promise<void> {
    const named = [];
    for (const finding of findings) {
      named.push({ finding, context: await this.contextOf(finding, named.length < MOST_NAMED) });
    }
    this.alerts.reconcile(`${look} of ${this.origin}`, named, complete);
  }

  private async contextOf(finding: Finding, withEvent: boolean): Promise<AlertContext> {
    const { index, height } = finding;
    const eventId = index === null || !withEvent ? null : await this.eventIdAt(index, height);
    const lastGoodBlock = height === null || height === 0 ? null : height - 1;
    return { ledger: this.origin, lastGoodBlock, eventId };
  }

  /** The id of the event at an index: from our own copy of the block where we have it, else from what stands there now. */
  private async eventIdAt(index: number, height: number | null): Promise<string | null> {
    const stored = await bodyOf(this.pool, this.follow.ledgerId, index).catch(() => null);
    const own = this.ring.read(height ?? stored?.height ?? -1);
    for (const body of [own, stored?.body ?? null]) {
      const id = body && stored ? this.eventIdIn(body, index - stored.first) : null;
      if (id !== null) return id;
    }
    return null;
  }

  private eventIdIn(body: Buffer, position: number): string | null {
    try {
      const offsets = splitBundle(body);
      if (position < 0 || position >= offsets.count) return null;
      const entry = body.subarray(offsets.start(position), offsets.end(position));
      const parsed = parseEventEntry(entry);
      if (!('event' in parsed)) return null;
      return indexEvent(this.tape, parsed.producer, entry, parsed.event.start, parsed.event.end).eventId;
    } catch {
      return null; // not an event, or not readable any more: then it has no id to name
    }
  }
}

/**
 * What a database is guilty of that does not let itself be read: a value of no meaning is tampering with the record, a
 * refusal with the rights. Anything else (it is away, it restarts) is thrown again and tried again.
 */
function unreadable(error: unknown, code: VerdictCode): Finding {
  if (error instanceof StoreError && error.code === 'store.refused' && !isOfValue(error)) {
    return { code: 'store.catalog', index: null, height: null, detail: error.message };
  }
  return { code, index: null, height: null, detail: saidOfValue(error) };
}
