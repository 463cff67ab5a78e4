/**
 * Whether checkpoints go on being anchored: verdict `anchor.overdue`. The sealer says so when a target fails; this says so when nobody
 * anchors any more and nobody says anything.
 *
 * Late is measured in the log's own time: the newest checkpoint was sealed two periods after one was due that is not anchored. No clock
 * of this machine takes part, and a log that stands still is not late. A sealer that was away anchors first what it missed: only what
 * stays late for a while, without an anchor more, is raised.
 */
import { anchorDue, isAnchorOverdue, type Finding } from '@everseal/audit-core';
import { checkpointBehind, checkpointUpTo, newestAnchored } from '@everseal/ledger-store';
import type { AlertBook } from '@everseal/process';
import type { Pool } from 'pg';
import type { KnownAnchor } from './known-anchors.js';

/** A sealer that has come back is given as long as it takes, or two periods where these are shorter. */
const MOST_GRACE_MS = 300_000;

export interface AnchoredLog {
  readonly origin: string;
  readonly ledgerId: number;
  readonly anchors: readonly KnownAnchor[];
}

interface Late {
  /** The newest anchor when it was first seen to be late, and when that was, by the steady clock. */
  readonly newest: number | null;
  readonly since: number;
}

export class AnchorGuard {
  private readonly late = new Map<string, Late>();

  /** @param steady milliseconds that only go forward */
  constructor(
    private readonly pool: Pool,
    private readonly alerts: AlertBook,
    private readonly logs: readonly AnchoredLog[],
    private readonly steady: () => number,
  ) {}

  /** One look. @throws StoreError when the database is away */
  async look(): Promise<void> {
    for (const log of this.logs) {
      for (const anchor of log.anchors) await this.lookAt(log, anchor);
    }
  }

  private async lookAt({ origin, ledgerId }: AnchoredLog, anchor: KnownAnchor): Promise<void> {
    const { target, kind, everyMs } = anchor;
    const scope = `anchor ${target} (${kind}) of ${origin}`;
    const newest = await newestAnchored(this.pool, ledgerId, anchor);
    const next = await checkpointBehind(this.pool, ledgerId, newest ?? 0);
    const last = next && (await checkpointUpTo(this.pool, ledgerId, Number.MAX_SAFE_INTEGER));
    const isLate = next && last && isAnchorOverdue(anchorDue(next.sealed, everyMs), everyMs, last.sealed);
    if (!isLate) {
      this.late.delete(scope);
      this.alerts.reconcile(scope, []);
      return;
    }
    const before = this.late.get(scope);
    const isRaised = this.alerts.open.some((alert) => alert.scope === scope);
    if (!before || (before.newest !== newest && !isRaised)) {
      this.late.set(scope, { newest, since: this.steady() });
      return;
    }
    if (this.steady() - before.since < Math.min(2 * everyMs, MOST_GRACE_MS)) return;
    const since = newest === null ? 'nothing of it ever was' : `the newest anchor is of size ${newest}`;
    const detail = `${origin} is not anchored at ${target} (${kind}) any more: ${since}, the log has a checkpoint of ${last.size} entries`;
    const finding: Finding = { code: 'anchor.overdue', index: null, height: null, detail };
    this.alerts.reconcile(scope, [{ finding, context: { ledger: origin, subject: target } }]);
  }
}
