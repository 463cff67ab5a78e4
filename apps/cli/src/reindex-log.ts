/**
 * Putting the event index right, in two passes over one log that is derived from its bytes (derived-log.ts):
 *
 *   check    from entry 0 to the head row, nothing is written: every block good, every checkpoint that is known passed
 *   compare  once more, block by block as far as the index reaches: its rows are derived as the sealer and the verifier derive them,
 *            compared with those that stand, and what differs is put right before the next block, whose copies look for their
 *            originals there
 *
 * Either pass may be killed: what is written are right rows, and the next run finds the rest. A sealer may run meanwhile: nothing is
 * written behind the index head, and below it the sealer writes nothing (ledger-store, index-repair.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  blockEvents,
  HASH_BYTES,
  JsonTape,
  TILE_WIDTH,
  tileAt,
  verifyInclusion,
  type BlockEvent,
  type Hash,
  type ReplayedBlock,
} from '@everseal/audit-core';
import {
  addIndexRows,
  DuplicateFinder,
  isUnreadable,
  moveIndexHead,
  readHead,
  readIndexHead,
  readIndexRows,
  removeRowsBehindIndex,
  replaceIndexRows,
  rowsBehindIndex,
  StoreError,
  type LeafSource,
} from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { CliFailure } from './cli-failure.js';
import { deriveLog, type LogSource } from './derived-log.js';
import { EXIT } from './exit-code.js';
import { HiddenOriginals } from './hidden-originals.js';
import type { KeptRows } from './kept-rows.js';
import { ReindexReport, type IndexHead } from './reindex-report.js';
import { RowComparison, type Differences, type RowDifferences } from './row-comparison.js';
import { altered, StoredProofs } from './stored-proofs.js';
import { counted } from './terminal.js';

/** Rows of one transaction: the sealer's index loop waits for it, and gives up on a lock after a second. */
const ROWS_A_WRITE = 4_096;
/** A lock that is not granted, an answer that is lost: looked at and tried again so often. */
const TRIES = 20;
const AGAIN_MS = 500;
/** Wrong rows that are left hide the originals of others, so they are remembered: some hundred bytes each. */
const MOST_LEFT = 1_000_000;

export interface ReindexParts extends LogSource {
  /** What may be done to rows. */
  readonly hand: Hand;
  /** Told of entries, as they are checked and as they are compared. */
  readonly onChecked: (entries: number) => void;
  readonly onCompared: (entries: number) => void;
}

/** `dry`: nothing. `sealer`: missing rows are added. `owner`: rows that stand are taken out as well, and kept. */
export type Hand =
  | { readonly as: 'dry' }
  | { readonly as: 'sealer' }
  | { readonly as: 'owner'; readonly pool: Pool; readonly kept: KeptRows };

/** @throws CliFailure naming the first record that is not good: nothing of it is indexed, nor of what follows; StoreError */
export async function reindexLog(parts: ReindexParts): Promise<ReindexReport> {
  const checked = await check(parts);
  const report = new ReindexReport(checked.size, checked.head, parts.hand.as);
  await straighten(parts, checked.head);
  const run = new Reindexing(parts, checked, report);
  await run.compare();
  await run.behind();
  return report;
}

interface Checked {
  readonly height: number;
  readonly size: number;
  readonly root: Hash;
  readonly head: IndexHead;
}

/** The first pass. An index ends with a block of the log: a head that stands elsewhere was set by somebody else. */
async function check(parts: ReindexParts): Promise<Checked> {
  const before = await readIndexHead(parts.pool, parts.ledgerId);
  const { height, size } = await readHead(parts.pool, parts.ledgerId);
  let after = Math.min(before, size);
  let root: Hash | null = null;
  for await (const derived of deriveLog(parts, height, () => 'nothing was written')) {
    const { first, next } = derived.block;
    if (first < before && before < next) after = next;
    root = derived.root;
    parts.onChecked(next - first);
  }
  if (root === null) throw new CliFailure(EXIT.usage, 'the log holds no block yet: there is nothing to index');
  return { height, size, root, head: { before, after } };
}

/** The sealer's loop does not move such a head, so it stands still until it is moved here. */
async function straighten({ pool, ledgerId, hand }: ReindexParts, { before, after }: IndexHead): Promise<void> {
  if (before === after || hand.as === 'dry') return;
  if (await moveIndexHead(pool, ledgerId, before, after)) return;
  throw new CliFailure(EXIT.unavailable, `the index head is not at ${before} any more: run this again`);
}

class Reindexing {
  private readonly tape = new JsonTape();
  private readonly hidden = new HiddenOriginals();
  private readonly duplicates: DuplicateFinder;

  constructor(
    private readonly parts: ReindexParts,
    private readonly checked: Checked,
    private readonly report: ReindexReport,
  ) {
    const { pool, ledgerId, trust } = parts;
    this.duplicates = new DuplicateFinder(pool, ledgerId, trust.origin, provenLeaves(parts, checked));
  }

  /** The second pass. */
  async compare(): Promise<void> {
    const { parts, checked, report } = this;
    const reach = parts.hand.as === 'dry' ? checked.head.after : await readIndexHead(parts.pool, parts.ledgerId);
    let root: Hash | null = null;
    for await (const derived of deriveLog(parts, checked.height, () => report.done())) {
      const { first, next } = derived.block;
      if (next <= reach) await this.block(derived.block);
      root = derived.root;
      parts.onCompared(next - first);
    }
    if (root?.equals(checked.root)) return;
    const message = `the log is not the one that was checked a moment ago: see everseal verify; ${report.done()}`;
    throw new CliFailure(EXIT.findings, message);
  }

  /** Rows behind the head: the sealer's loop will write what belongs there, and cannot while they stand. */
  async behind(): Promise<void> {
    const { pool, ledgerId, hand } = this.parts;
    const { count, first } = await rowsBehindIndex(pool, ledgerId);
    if (first === null) return;
    this.report.behind(first, count);
    if (hand.as !== 'owner') return;
    for (let tries = TRIES; ;) {
      let removed = 0;
      const failure = await passing(async () => {
        removed = await removeRowsBehindIndex(hand.pool, ledgerId, ROWS_A_WRITE, (rows) => hand.kept.keep(rows));
      });
      if (failure !== null && tries-- === 0) throw failure;
      if (failure === null && removed === 0) return;
    }
  }

  private async block(block: ReplayedBlock): Promise<void> {
    const events = [...blockEvents(block.body, block.first, this.tape)];
    await this.duplicates.mark(events, ({ event }) => event);
    this.hidden.correct(events);
    const found = await this.differences(block, events);
    const { hand } = this.parts;
    this.report.add(block.height, events.length, found);
    const left = isNone(found) || hand.as === 'dry' ? found : await this.settle(block, events, found);
    this.remember(left === null ? events : wrongEvents(left));
  }

  /** Null when a row cannot be read as what it is to be. */
  private async differences({ first, next }: ReplayedBlock, events: readonly BlockEvent[]): Promise<Differences> {
    const comparison = new RowComparison(events);
    try {
      const { pool, ledgerId } = this.parts;
      for await (const rows of readIndexRows(pool, ledgerId, first, next)) comparison.take(rows);
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
    return comparison.differences();
  }

  /** Writes, and looks again, until nothing differs that can be put right. Gives what is left. */
  private async settle(block: ReplayedBlock, events: readonly BlockEvent[], found: Differences): Promise<Differences> {
    const { hand } = this.parts;
    for (let left = found, tries = TRIES; ; tries--) {
      if (isNone(left) || (hand.as === 'sealer' && (left === null || left.missing.length === 0))) return left;
      const failure = await passing(() => this.write(block, events, left));
      if (tries === 0) throw failure ?? new CliFailure(EXIT.unavailable, restless(block));
      left = await this.differences(block, events);
    }
  }

  private async write(block: ReplayedBlock, events: readonly BlockEvent[], found: Differences): Promise<void> {
    const { pool, ledgerId, hand } = this.parts;
    const stretch = { from: block.first, to: block.next };
    for (const rows of portions(found?.missing ?? [])) await addIndexRows(pool, ledgerId, { ...stretch, rows });
    if (hand.as !== 'owner') return;
    const keep = (rows: readonly string[]): void => hand.kept.keep(rows);
    if (found === null) {
      await replaceIndexRows(hand.pool, ledgerId, { ...stretch, rows: events }, null, keep);
      return;
    }
    const wrong = new Set([...found.extra.keys(), ...found.altered.map(({ event }) => event.position)]);
    for (const positions of portions([...wrong])) {
      const these = new Set(positions);
      const rows = events.filter(({ position }) => these.has(position));
      await replaceIndexRows(hand.pool, ledgerId, { ...stretch, rows }, positions, keep);
    }
  }

  private remember(left: readonly BlockEvent[]): void {
    this.hidden.add(left);
    if (this.hidden.size <= MOST_LEFT) return;
    const message = `more than ${counted(MOST_LEFT, 'row')} are not as they should be and are left so: that is all this run can tell`;
    throw new CliFailure(EXIT.findings, `${message}; ${this.report.done()}`);
  }
}

/** Null when it was done; a failure that may pass, or that leaves open whether it was done. A moment later it can be looked at. */
async function passing(work: () => Promise<void>): Promise<StoreError | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (!(error instanceof StoreError) || error.fate === 'stop') throw error;
    await sleep(AGAIN_MS);
    return error;
  }
}

function restless({ height }: ReplayedBlock): string {
  return `the rows of block ${height} do not stay as they are written: somebody else changes them`;
}

function isNone(found: Differences): boolean {
  return found !== null && found.missing.length + found.altered.length + found.extra.size === 0;
}

function wrongEvents({ missing, altered: rows }: RowDifferences): BlockEvent[] {
  const events = [...missing, ...rows.map(({ event }) => event)];
  return events.toSorted((a, b) => a.position - b.position);
}

function* portions<T>(all: readonly T[]): Generator<T[]> {
  for (let at = 0; at < all.length; at += ROWS_A_WRITE) yield all.slice(at, at + ROWS_A_WRITE);
}

/** Leaf hashes out of the stored tiles, each proven to be under the root that was derived. */
function provenLeaves({ pool, ledgerId, trust }: ReindexParts, { size, root }: Checked): LeafSource {
  const proofs = new StoredProofs(pool, ledgerId, trust.origin, 0);
  return async (positions) => {
    const leaves = new Map<number, Hash>();
    for (const position of new Set(positions)) {
      if (position >= size) continue;
      const [tile] = await proofs.tiles([tileAt(0, Math.floor(position / TILE_WIDTH), size)]);
      const at = (position % TILE_WIDTH) * HASH_BYTES;
      const leaf = Buffer.from(tile!.subarray(at, at + HASH_BYTES));
      if (!verifyInclusion(position, size, leaf, await proofs.inclusion(position, size), root)) {
        throw altered(`the stored tiles of ${trust.origin} do not give the root of its entries (entry ${position})`);
      }
      leaves.set(position, leaf);
    }
    return leaves;
  };
}
