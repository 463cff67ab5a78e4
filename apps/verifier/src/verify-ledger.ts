/**
 * Verifying one ledger: the tail and the three sweeps, and what they found, as alerts. Every look is a round of a loop of
 * its own; a round reports all that it found, and what an earlier round had found and this one has not is cleared, unless
 * this one did not come to its end. What the rounds covered is kept (ledger-coverage.ts), with what follows about this
 * verifier itself.
 */

import {
  JsonTape,
  indexEvent,
  parseEventEntry,
  splitBundle,
  type Finding,
  type NotCovered,
  type VerdictCode,
} from '@everseal/audit-core';
import { bodyOf, readHead, StoreError } from '@everseal/ledger-store';
import type { AlertBook, AlertContext } from '@everseal/process';
import type { Pool } from 'pg';
import type { BodyRing } from './body-ring.js';
import type { FollowLedger } from './follow-ledger.js';
import type { Clocks, LedgerCoverage, SweepName } from './ledger-coverage.js';
import { isOfValue, saidOfValue } from './stored-value.js';
import type { SweepResult } from './sweep-bodies.js';
import { BEGINNING, type Leg, type SweepPlaces } from './sweep-places.js';

/** Findings of one look whose event is named: each name costs a block's read. */
const MOST_NAMED = 10;

export interface Sweep {
  /** One pass, or a leg of it; a sweep that takes no leg always passes over everything. */
  pass(signal: AbortSignal, leg: Leg): Promise<SweepResult>;
}

/** The verdict of a sweep that met a value which cannot have been written by the sealer. */
const UNREADABLE: Record<SweepName, VerdictCode> = {
  bodies: 'block.chain',
  index: 'index.altered',
  stored: 'tile.altered',
};

/** Findings of the body sweep that say that bytes could not be had, or not be compared as they stood. */
const NOT_HAD: ReadonlySet<VerdictCode> = new Set(['block.missing', 'log.truncated', 'block.chain', 'store.catalog']);

export class VerifyLedger {
  private readonly tape = new JsonTape();
  /** Sweeps that have begun where the process before this one stood. */
  private readonly resumed = new Set<SweepName>();

  constructor(
    private readonly follow: FollowLedger,
    private readonly sweeps: Readonly<Record<SweepName, Sweep>>,
    private readonly ring: BodyRing,
    private readonly alerts: AlertBook,
    private readonly pool: Pool,
    readonly coverage: LedgerCoverage,
    private readonly places: SweepPlaces,
    private readonly clocks: Clocks,
  ) {}

  get origin(): string {
    return this.follow.trust.origin;
  }

  get size(): number {
    return this.follow.size;
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

  /**
   * One pass of a sweep, reported when it is whole. The first one goes on where the process before this one stood, and
   * reads what lies before that, too. Gives how long it took, milliseconds.
   */
  async sweep(name: SweepName, signal: AbortSignal): Promise<number> {
    const began = { day: this.clocks.day(), steady: this.clocks.steady() };
    const start = this.resumed.has(name) ? BEGINNING : await this.startOf(name);
    const reached: Leg['reached'] = (place) => this.places.reached(name, place);
    const results = [await this.leg(name, signal, { from: start, until: Infinity, reached })];
    if (start.first > 0) results.push(await this.leg(name, signal, { from: BEGINNING, until: start.first, reached }));
    if (signal.aborted) return 0;
    const findings = results.flatMap((result) => result.findings);
    const complete = results.every((result) => result.complete);
    await this.report(`the ${name} sweep`, findings, complete);
    const entries = results.reduce((sum, result) => sum + result.entries, 0);
    this.coverage.passed(name, { entries, began, complete, notCovered: results.flatMap(notCoveredOf) });
    this.places.reached(name, BEGINNING);
    if (complete) this.places.ended(name, this.clocks.day());
    return this.clocks.steady() - began.steady;
  }

  /** How far behind and how old this verifier's own work is. */
  async judgeItself(): Promise<void> {
    const head = await readHead(this.pool, this.follow.ledgerId).catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
      return null;
    });
    this.coverage.sawHead(head?.size ?? null);
    await this.report('the work of this verifier', this.coverage.findings(), true);
  }

  /** Keeps where the sweeps stand, for the process after this one. */
  savePlaces(): void {
    this.places.save();
  }

  private async startOf(name: SweepName): Promise<Leg['from']> {
    const start = await this.places.proven(name, this.pool, this.follow.ledgerId, this.follow.tree);
    this.resumed.add(name);
    return start;
  }

  private leg(name: SweepName, signal: AbortSignal, leg: Leg): Promise<SweepResult> {
    return this.sweeps[name].pass(signal, leg).catch((error: unknown) => ({
      findings: [unreadable(error, UNREADABLE[name])],
      entries: 0,
      complete: false,
    }));
  }

  /** Raises something that a request showed; it stands until somebody has looked into it and acknowledges it. */
  reportShown(finding: Finding, evidence: Record<string, string>): void {
    this.alerts.raise(`requests about ${this.origin}`, finding, { ledger: this.origin, evidence, stands: true });
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

/** What a pass could not compare: what it says itself, what its findings say, and what it gave up. */
function notCoveredOf({ notCovered = [], findings, complete }: SweepResult): NotCovered[] {
  const not = findings.filter(({ code }) => NOT_HAD.has(code));
  const last = findings.at(-1);
  const rest = {
    first: last?.index ?? null,
    height: last?.height ?? null,
    why: 'the pass was given up: too much is wrong',
  };
  return [
    ...notCovered,
    ...not.map(({ index, height, detail }) => ({ first: index, height, why: detail })),
    ...(complete ? [] : [rest]),
  ];
}
