/** What an operator is told about the lanes of a ledger: which wait, since when, asked how often; what was declared missing. */

import { formatTimestamp, type DebtBook, type GapReport, type SealedGap, type WaitingLane } from '@everseal/audit-core';
import type { GapRow } from '@everseal/ledger-store';
import type { GapLanes, LaneGaps } from './lane-gaps.js';

/** No time is later; `accepted` is an ingester's word. */
const LAST_DUE = Date.UTC(9999, 11, 31);
/** The newest gaps that are named; a report is one message. */
const MOST_GAPS = 1_000;

/**
 * @param missing ingesters of which a newer frame was heard of than the stream has, with its number
 * @param rows all gap records of the ledger
 * @param afterMs as in LaneGaps
 */
export async function reportGaps(
  sealing: GapLanes & { readonly debts: DebtBook },
  gaps: LaneGaps,
  missing: ReadonlyMap<string, number>,
  rows: readonly GapRow[],
  afterMs: number,
): Promise<GapReport> {
  const { lanes, held, debts } = sealing;
  const waiting: WaitingLane[] = [];
  for (const ingester of new Set([...held.waiting(), ...missing.keys()])) {
    const first = (lanes.head(ingester)?.number ?? 0) + 1;
    const behind = held.first(ingester) ?? (missing.get(ingester) ?? held.passedByTo(ingester)) + 1;
    const accepted = await gaps.waitsSince(ingester);
    if (behind <= first) continue;
    const [since, due] =
      accepted === null ? [null, null] : [accepted, Math.min(accepted + afterMs, LAST_DUE)].map(formatTimestamp);
    waiting.push({ ingester, first, last: behind - 1, since: since!, due: due!, asked: gaps.timesAsked(ingester) });
  }
  const newest = rows.toSorted((a, b) => b.position - a.position).slice(0, MOST_GAPS);
  return { lanes: waiting, gaps: newest.map((row) => sealedGap(row, debts)), more: rows.length - newest.length };
}

function sealedGap({ ingester, first, last, cause, position }: GapRow, debts: DebtBook): SealedGap {
  const open = debts.ranges(ingester).filter(([from]) => first <= from && from <= last);
  return { ingester, first, last, cause, index: position, open };
}
