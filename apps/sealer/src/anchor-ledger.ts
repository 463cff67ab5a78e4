/**
 * Anchors the checkpoints of one ledger at one target, in order: of each period the last checkpoint, once the period is over
 * (audit-core, anchor-schedule.ts). What is anchored stands in table `anchor`, and nowhere else is kept how far that is: after a
 * restart, or an answer that was lost, the table is asked.
 *
 * It stands beside sealing and never in its way: whatever fails here is tried again here, after a pause that doubles up to a minute. A
 * target that is away is filled in from where it stopped when it is back.
 */
import { anchorDue, isAnchorOverdue, type Finding } from '@everseal/audit-core';
import {
  checkpointBehind,
  checkpointUpTo,
  firstSealedFrom,
  insertAnchor,
  newestAnchored,
  type SealedCheckpoint,
} from '@everseal/ledger-store';
import type { AlertBook, Logger } from '@everseal/process';
import type { Pool } from 'pg';
import { AnchorContradiction, type AnchorTarget } from './anchor-target.js';

const IDLE_MS = 1_000;
/** The longest pause of a loop that waits for the end of a period: clocks are set. */
const LONGEST_WAIT_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

export interface AnchorParts {
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  readonly target: AnchorTarget;
  /** Length of a period, milliseconds. */
  readonly everyMs: number;
  /** Least pause between two anchors that are filled in, milliseconds: somebody else's server. */
  readonly paceMs: number;
  /** Key sets up to the newest that is sealed, oldest first; empty while this sealer does not hold the ledger. */
  readonly keySets: () => readonly Buffer[];
  readonly alerts: AlertBook;
  readonly log: Logger;
  readonly now: () => number;
}

/** What is to be anchored, and since when. */
interface Due {
  readonly checkpoint: SealedCheckpoint;
  readonly due: number;
}

export class AnchorLedger {
  /** Rounds that failed, since this process runs and in a row. */
  failed = 0;
  private inARow = 0;
  /** Size of the newest anchor; 0 before the first. */
  size = 0;
  /** What the newest round was about; null when nothing was due. */
  private due: Due | null = null;

  constructor(private readonly parts: AnchorParts) {}

  get name(): string {
    return this.parts.target.name;
  }

  get origin(): string {
    return this.parts.origin;
  }

  /** For how long something has been due that is not anchored, milliseconds. */
  get unanchoredMs(): number {
    return this.due === null ? 0 : Math.max(0, this.parts.now() - this.due.due);
  }

  /**
   * One round of the loop: anchors what is due; returns the milliseconds to wait. No failure of an anchor leaves it: what happens to an
   * anchor happens to nothing else.
   *
   * @throws what the alert book throws
   */
  async round(signal: AbortSignal): Promise<number> {
    if (this.parts.keySets().length === 0) return IDLE_MS;
    try {
      const pause = await this.anchorNext(signal);
      this.inARow = 0;
      return pause;
    } catch (error) {
      return signal.aborted ? 0 : this.fail(error);
    }
  }

  private async anchorNext(signal: AbortSignal): Promise<number> {
    const { parts } = this;
    const { ledgerId, pool, target, everyMs } = parts;
    const place = { kind: target.kind, target: target.name };
    const newest = await newestAnchored(pool, ledgerId, place);
    const next = newest === null ? await this.first() : await this.behind(newest);
    this.size = newest ?? 0;
    if (next === null || next.due > parts.now()) {
      this.allWell();
      const wait = next === null ? IDLE_MS : next.due - parts.now();
      return Math.min(Math.max(wait, IDLE_MS / 10), LONGEST_WAIT_MS);
    }
    this.due = next;
    const { size, note } = next.checkpoint;
    const toAnchor = { origin: parts.origin, size, note: Buffer.from(note), keySets: parts.keySets() };
    const evidence = await target.anchor(toAnchor, signal);
    // Crash here: the target has it and no row says so. The next round finds it there, or has another token made.
    await insertAnchor(pool, ledgerId, { ...place, size, evidence });
    parts.log.info({ anchor: target.name, ledger: parts.origin, size }, 'a checkpoint is anchored');
    this.size = size;
    if (!isAnchorOverdue(next.due, everyMs, parts.now())) this.allWell();
    return parts.paceMs;
  }

  /** Where a target begins: with what is newest, at once. */
  private async first(): Promise<Due | null> {
    const { pool, ledgerId } = this.parts;
    const checkpoint = await checkpointUpTo(pool, ledgerId, Number.MAX_SAFE_INTEGER);
    return checkpoint && { checkpoint, due: checkpoint.sealed };
  }

  /** The last checkpoint of the period of the first one that is not anchored. */
  private async behind(newest: number): Promise<Due | null> {
    const { pool, ledgerId, everyMs, now } = this.parts;
    const first = await checkpointBehind(pool, ledgerId, newest);
    if (first === null) return null;
    const due = anchorDue(first.sealed, everyMs);
    if (due > now()) return { checkpoint: first, due };
    const end = await firstSealedFrom(pool, ledgerId, new Date(due).toISOString());
    const last = await checkpointUpTo(pool, ledgerId, end ?? Number.MAX_SAFE_INTEGER);
    return { checkpoint: last ?? first, due };
  }

  private get scope(): string {
    return `anchor ${this.parts.target.name} of ${this.parts.origin}`;
  }

  private allWell(): void {
    this.due = null;
    this.parts.alerts.reconcile(this.scope, []);
  }

  private fail(error: unknown): number {
    const { target, log, everyMs, now, origin, alerts } = this.parts;
    const why = error instanceof Error ? error.message : String(error);
    this.failed += 1;
    this.inARow += 1;
    const pause = Math.min(LONGEST_PAUSE_MS, everyMs, FIRST_PAUSE_MS * 2 ** Math.min(this.inARow - 1, 30));
    log.warn({ anchor: target.name, ledger: origin, err: error, attempt: this.inARow, pause }, `not anchored: ${why}`);
    const { due } = this;
    if (due === null) return pause;
    const findings: Finding[] = [];
    const at = { index: due.checkpoint.size, height: null };
    const evidence = { anchor: target.name, kind: target.kind, checkpoint: due.checkpoint.note };
    if (error instanceof AnchorContradiction) findings.push({ ...at, code: 'anchor.mismatch', detail: why });
    if (isAnchorOverdue(due.due, everyMs, now())) {
      const detail = `${origin} is not anchored at ${target.name} (${target.kind}) since its size ${due.checkpoint.size}: ${why}`;
      findings.push({ code: 'anchor.overdue', index: null, height: null, detail });
    }
    const held: Record<string, string> = error instanceof AnchorContradiction ? { held: error.held } : {};
    const context = { ledger: origin, subject: target.name, evidence: { ...evidence, ...held } };
    // What stands is cleared by a round that ends well, not by a failure of another kind.
    alerts.reconcile(
      this.scope,
      findings.map((finding) => ({ finding, context })),
      false,
    );
    return pause;
  }
}
