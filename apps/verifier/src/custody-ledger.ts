/**
 * Custody of one ledger: what its ingesters have signed must come to be sealed. Every heard note is looked up in the log
 * again and again until it is there.
 *
 *   custody.overdue     signed, and not sealed past the bound; one alert a lane, for its oldest frame
 *   custody.gap-false   the log declares it missing, although it was seen
 *   custody.conflict    two different frames of one number; both notes are the evidence, so no look clears this
 *
 * Time. A frame's age counts from when this verifier first heard of it, by a clock that never goes back: no clock of
 * anybody plays a part. And nothing is overdue that may stand in a block which this verifier has not derived yet: the
 * bound must have passed before a moment of which it has since derived all that stood in the database then.
 */

import { FormatError, openFrame, type Finding, type KeySet } from '@everseal/audit-core';
import type { AlertBook, AlertContext } from '@everseal/process';
import type { CustodyFile } from './custody-file.js';
import type { CustodyLog, FrameFound } from './custody-log.js';
import type { CustodyNotes, HeardFrame, HeardWhere } from './custody-notes.js';

type Named = { finding: Finding; context: AlertContext };
/** Begins the scope of a lane's looks; the lane's name and the ledger's follow. */
const LANE_SCOPE = 'custody of ';

type LaneLook = { ingester: string; findings: Named[]; complete: boolean };

export interface CustodyBounds {
  /** How long a signed frame may stay unsealed, milliseconds. */
  readonly overdueMs: number;
}

export class CustodyLedger {
  /** What stood in the database at some moment; taken anew once it is derived. */
  private sample: { at: number; size: number } | null = null;
  /** Everything that stood in the database at this moment has been derived. */
  private derivedAt = -Infinity;
  private restored = false;

  /**
   * @param keys the key set in force as far as this verifier has derived the log; null before entry 0
   * @param headSize size of the log as the database says it is now; null where it cannot be read
   * @param clock milliseconds, never back
   */
  constructor(
    readonly origin: string,
    readonly log: CustodyLog,
    private readonly notes: CustodyNotes,
    private readonly file: CustodyFile,
    private readonly alerts: AlertBook,
    private readonly keys: () => KeySet | null,
    private readonly headSize: () => Promise<number | null>,
    private readonly bounds: CustodyBounds,
    private readonly clock: () => number,
  ) {}

  /** A note that somebody brought. What is no frame of this ledger signed by a key in force is nobody's: null. */
  hear(note: string, where: HeardWhere): HeardFrame | null {
    try {
      return this.take(note, where);
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
  }

  /** As `hear`; null only while there are no keys to open it with. @throws FormatError what is wrong with the note */
  take(note: string, where: HeardWhere): HeardFrame | null {
    const keys = this.keys();
    return keys && this.notes.hear(note, where, keys, this.clock());
  }

  /** One look at everything that was heard. */
  async look(): Promise<void> {
    await this.watchProgress();
    if (!this.restored) this.restore();
    const looks: LaneLook[] = [];
    for (const ingester of this.notes.ingesters) looks.push(await this.lookAtLane(ingester));
    // Crash before this: what was heard since the last write is heard again, from the next heartbeat at the latest.
    if (this.notes.changed) this.file.write(this.notes);
    // Crash before this: what is overdue is on the disk, and the next look raises it.
    for (const { ingester, findings, complete } of looks) {
      this.alerts.reconcile(this.laneScope(ingester), findings, complete);
    }
    if (this.restored) this.clearRevoked();
  }

  /** Whether a frame that is not sealed should be, by the bound. */
  isOverdue(heard: HeardFrame): boolean {
    return heard.overdue || this.derivedAt - heard.heardAt > this.bounds.overdueMs;
  }

  /** The newest number heard of each lane; null until what was heard before the last restart is there again. */
  marks(): Map<string, number> | null {
    if (!this.restored) return null;
    return new Map(this.notes.ingesters.map((name) => [name, this.notes.lane(name).at(-1)!.frame.number]));
  }

  /** True when the log has come to these numbers, and nothing that was heard up to them is missing in it. */
  hasSealed(marks: ReadonlyMap<string, number>): boolean {
    const { heads } = this.log;
    return [...marks].every(
      ([ingester, number]) =>
        (heads.get(ingester)?.number ?? 0) >= number &&
        this.notes.lane(ingester).every(({ sealed, frame }) => sealed || frame.number > number),
    );
  }

  /**
   * A claim showed that its frame is not in the log as it should be: an alert of its own, with the receipt. It clears with
   * the look that finds the frame sealed. It stands besides: of many claims the notes are not kept, nor over every restart, and
   * then no look of ours finds the frame again.
   */
  raiseClaimed(heard: HeardFrame, found: FrameFound, receipt: string): void {
    const { number, ingester } = heard.frame;
    const scope = this.claimScope(heard.frame);
    if (found.state === 'other') return this.raiseConflict(scope, heard, found.index, found.note, { receipt });
    const told = `a producer holds a receipt of frame ${number} of ${ingester}`;
    const inGap = found.state === 'gap';
    const finding: Finding = {
      code: inGap ? 'custody.gap-false' : 'custody.overdue',
      index: inGap ? (found.record?.index ?? null) : null,
      height: null,
      detail: inGap ? `${told}, which the log declares missing` : `${told}, which is not sealed in time`,
    };
    const evidence = { receipt, frame: heard.note, ...(inGap && found.record ? { gap: found.record.note } : {}) };
    this.alerts.raise(scope, finding, { ledger: this.origin, evidence, party: ingester, stands: true });
  }

  /** The frame is in the log: an alert that a claim of it raised is over. */
  clearClaimed(frame: HeardFrame['frame']): void {
    this.alerts.reconcile(this.claimScope(frame), []);
  }

  private async watchProgress(): Promise<void> {
    if (!this.sample) {
      const at = this.clock();
      const size = await this.headSize();
      if (size === null) return;
      this.sample = { at, size };
    }
    if (this.log.size < this.sample.size) return;
    this.derivedAt = this.sample.at;
    this.sample = null;
  }

  /** What was heard before the last restart; read once there are keys to open it with. */
  private restore(): void {
    const keys = this.keys();
    if (!keys || this.derivedAt === -Infinity) return;
    this.file.readInto(this.notes, keys, this.clock());
    this.restored = true;
  }

  /**
   * The alert of a lane whose key was revoked while this verifier did not run: no note of it was read back, so no look is about
   * that lane. As with those that are dropped, the operators know.
   */
  private clearRevoked(): void {
    const known = new Set([
      ...this.notes.ingesters.map((ingester) => this.laneScope(ingester)),
      ...(this.keys()?.ingest ?? []).map(({ name }) => this.laneScope(name.slice(name.lastIndexOf('/') + 1))),
    ]);
    const [before, behind] = [LANE_SCOPE, ` in ${this.origin}`];
    const isOfLane = (scope: string): boolean => scope.startsWith(before) && scope.endsWith(behind);
    for (const { scope } of this.alerts.open) {
      if (isOfLane(scope) && !known.has(scope)) this.alerts.reconcile(scope, []);
    }
  }

  private async lookAtLane(ingester: string): Promise<LaneLook> {
    const waiting = this.notes.lane(ingester).filter(({ sealed }) => !sealed);
    const found = await this.log.find(ingester, waiting);
    const findings: Named[] = [];
    const overdue: HeardFrame[] = [];
    let complete = this.restored;
    for (const [i, heard] of waiting.entries()) {
      const place = found[i]!;
      if (place.state === 'sealed') this.settled(heard);
      else if (place.state === 'other') this.contradicted(heard, place);
      else if (place.state === 'unknown') complete = false;
      else if (this.becomesOverdue(heard)) {
        if (place.state === 'gap') findings.push(...this.gapFinding(heard, place));
        // The operators revoked its key: it will never be sealed, and they know.
        else if (!this.isSignedStill(heard)) this.notes.drop(heard);
        else overdue.push(heard);
      }
    }
    this.lookForTwins(waiting.filter((_, i) => found[i]!.state === 'unsealed'));
    if (overdue.length > 0) findings.push(this.overdueFinding(overdue));
    return { ingester, findings, complete };
  }

  private becomesOverdue(heard: HeardFrame): boolean {
    if (!this.isOverdue(heard)) return false;
    if (!heard.overdue) this.notes.change(() => (heard.overdue = true));
    return true;
  }

  private settled(heard: HeardFrame): void {
    this.clearClaimed(heard.frame);
    this.notes.settle(heard);
  }

  /** Two frames of one number, of which none is sealed (yet): neighbours in a lane that is sorted. */
  private lookForTwins(lane: readonly HeardFrame[]): void {
    for (const [i, heard] of lane.entries()) {
      const before = lane[i - 1];
      if (before?.frame.number !== heard.frame.number) continue;
      this.raiseConflict(this.frameScope(heard.frame), heard, null, before.note);
    }
  }

  private contradicted(heard: HeardFrame, { index, note }: Extract<FrameFound, { state: 'other' }>): void {
    this.raiseConflict(this.frameScope(heard.frame), heard, index, note);
    this.notes.drop(heard);
  }

  /** A gap over a frame that was seen. One whose key was revoked since, or that is malformed, was left out by right. */
  private gapFinding(heard: HeardFrame, { record }: Extract<FrameFound, { state: 'gap' }>): Named[] {
    const { number, ingester } = heard.frame;
    if (record?.gap.cause === 'malformed' && heard.where !== 'stream') return [];
    if (record?.gap.cause === 'key-revoked' && !this.isSignedStill(heard)) {
      this.notes.drop(heard);
      return [];
    }
    const range = record ? `frames ${record.gap.first} to ${record.gap.last}` : `frame ${number}`;
    const detail = `the log declares ${range} of ${ingester} missing; frame ${number} was seen (${heard.where})`;
    const finding: Finding = { code: 'custody.gap-false', index: record?.index ?? null, height: null, detail };
    const evidence = { frame: heard.note, ...(record ? { gap: record.note } : {}) };
    return [{ finding, context: { ledger: this.origin, evidence } }];
  }

  private isSignedStill({ note }: HeardFrame): boolean {
    try {
      openFrame(note, this.keys()?.ingest ?? [], this.origin);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  }

  private overdueFinding(overdue: readonly HeardFrame[]): Named {
    const [oldest, newest] = [overdue[0]!, overdue.at(-1)!];
    const { number, ingester, accepted } = oldest.frame;
    const head = this.log.heads.get(ingester)?.number ?? 0;
    const detail =
      `frame ${number} of ${ingester}, accepted ${accepted}, is signed and not sealed in time (${oldest.where}); ` +
      `its newest sealed frame is ${head}`;
    const finding: Finding = { code: 'custody.overdue', index: null, height: null, detail };
    return { finding, context: { ledger: this.origin, evidence: { frame: oldest.note, newest: newest.note } } };
  }

  /** Both notes are known, so nothing more can come to be known: raised once for a number. */
  private raiseConflict(
    scope: string,
    heard: HeardFrame,
    index: number | null,
    other: string,
    more: Record<string, string> = {},
  ): void {
    if (this.alerts.open.some((alert) => alert.scope === scope)) return;
    const { number, ingester } = heard.frame;
    const where = index === null ? '' : `, one of them sealed as entry ${index}`;
    const detail = `two different frames ${number} of ${ingester} are signed${where} (the other: ${heard.where})`;
    const finding: Finding = { code: 'custody.conflict', index, height: null, detail };
    this.alerts.raise(scope, finding, {
      ledger: this.origin,
      evidence: { first: other, second: heard.note, ...more },
      party: ingester,
      stands: true,
    });
  }

  private laneScope(ingester: string): string {
    return `${LANE_SCOPE}${ingester} in ${this.origin}`;
  }

  private frameScope({ number, ingester }: HeardFrame['frame']): string {
    return `frame ${number} of ${ingester} in ${this.origin}`;
  }

  private claimScope({ number, ingester }: HeardFrame['frame']): string {
    return `the claim of frame ${number} of ${ingester} in ${this.origin}`;
  }
}
