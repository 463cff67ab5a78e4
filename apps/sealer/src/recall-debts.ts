/**
 * The open debts of a ledger, made anew from table `gap` and the log. The table only says where to look: the gap record, the
 * frame that ends it, the one before it and every late frame that was sealed since are read out of the log, and each must
 * be proven to stand in the tree of the head row. A debt that the log does not know would let a frame be sealed twice.
 *
 * That a row was left out cannot be seen here (the numbers of a lane are not counted at start): then a late frame is put
 * aside as a conflict, and the verifier, which reads every entry, still knows the debt.
 */

import {
  DebtBook,
  leafHash,
  parseFrameText,
  parseGapText,
  parseNote,
  proveInclusionFromTiles,
  verifyInclusion,
  type Frame,
  type Gap,
  type Hash,
} from '@everseal/audit-core';
import { framesAt, framesBetween, listGaps, readEntry, type GapRow } from '@everseal/ledger-store';
import { StopProcess } from '@everseal/process';
import type { Pool } from 'pg';
import type { LogTiles } from './log-tiles.js';

export interface DebtsFrom {
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  /** Ticked while it reads: an ingester decides how many late frames there are. */
  readonly onTurn: () => void;
}

/** A frame as the log says it. */
interface LoggedFrame {
  readonly frame: Frame;
  readonly hash: Hash;
}

/** @throws StopProcess head.gap; StoreError; FormatError for what is no gap record or no frame */
export async function recallDebts(from: DebtsFrom, tiles: LogTiles): Promise<DebtBook> {
  const debts = new DebtBook();
  for (const row of await listGaps(from.pool, from.ledgerId)) {
    from.onTurn();
    if (row.cause === 'lost') await recallDebt(from, tiles, row, debts);
  }
  return debts;
}

async function recallDebt(from: DebtsFrom, tiles: LogTiles, row: GapRow, debts: DebtBook): Promise<void> {
  const { pool, ledgerId } = from;
  const { ingester, first, last, position } = row;
  const paid = await framesBetween(pool, ledgerId, ingester, first, last);
  if (paid.length === last - first + 1) return;
  const gap = parseGapText(parseNote((await provenEntry(from, tiles, position)).entry).text);
  if (!isOf(row, gap, from.origin)) throw notSo(from, row, `entry ${position} is another gap record`);
  const after = await frameAt(from, tiles, { ingester, number: last + 1, position: position + 1 });
  debts.open(gap, await frameBefore(from, tiles, gap), after.frame);
  for (const late of paid) {
    from.onTurn();
    const { frame, hash } = await frameAt(from, tiles, late);
    const refusal = debts.pay(frame, hash);
    if (refusal !== null) throw notSo(from, row, refusal);
  }
}

function isOf(row: GapRow, gap: Gap, origin: string): boolean {
  const { ingester, first, last, cause } = gap;
  const same = row.ingester === ingester && row.first === first && row.last === last && row.cause === cause;
  return same && gap.origin === origin;
}

/** The sealed frame that the gap begins behind; null when it begins with frame 1. */
async function frameBefore(
  from: DebtsFrom,
  tiles: LogTiles,
  { ingester, first }: Gap,
): Promise<{ hash: Hash; accepted: string } | null> {
  if (first === 1) return null;
  const [row] = await framesAt(from.pool, from.ledgerId, ingester, [first - 1]);
  if (!row) throw new StopProcess('head.gap', `table frame of ${from.origin} misses frame ${first - 1} of ${ingester}`);
  const { frame, hash } = await frameAt(from, tiles, row);
  return { hash, accepted: frame.accepted };
}

async function frameAt(
  from: DebtsFrom,
  tiles: LogTiles,
  { ingester, number, position }: { ingester: string; number: number; position: number },
): Promise<LoggedFrame> {
  const { entry, hash } = await provenEntry(from, tiles, position);
  const frame = parseFrameText(parseNote(entry).text);
  if (frame.origin === from.origin && frame.ingester === ingester && frame.number === number) return { frame, hash };
  throw new StopProcess('head.gap', `entry ${position} of ${from.origin} is not frame ${number} of ${ingester}`);
}

/** An entry as stored, once the tree shows that it is what stands there. */
async function provenEntry(
  { pool, ledgerId, origin }: DebtsFrom,
  tiles: LogTiles,
  index: number,
): Promise<{ entry: Buffer; hash: Hash }> {
  const entry = await readEntry(pool, ledgerId, index);
  const hash = leafHash(entry);
  const { size } = tiles.builder;
  const root = tiles.builder.root();
  const proof = await tiles.proven(
    (read) => proveInclusionFromTiles(index, size, read),
    (made) => verifyInclusion(index, size, hash, made, root),
  );
  if (proof) return { entry, hash };
  throw new StopProcess('head.gap', `entry ${index} of ${origin} is not what its tree holds there`);
}

function notSo({ origin }: DebtsFrom, { ingester, first, last }: GapRow, why: string): StopProcess {
  return new StopProcess(
    'head.gap',
    `table gap of ${origin} declares frames ${first} to ${last} of ${ingester} lost, the log does not: ${why}`,
  );
}
