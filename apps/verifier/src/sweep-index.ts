/**
 * The sweep over the event index and the `frame` table: both are projections, so every row is derived again from the
 * sealed bytes and compared column by column. A block whose bytes are not the sealed ones is left to the body sweep.
 */

import {
  blockEvents,
  blockFrames,
  FormatError,
  HASH_BYTES,
  JsonTape,
  splitBundle,
  type BlockEvent,
  type BlockFrame,
  type Finding,
  type FrameHead,
  type Hash,
  type VerdictCode,
} from '@everseal/audit-core';
import {
  DuplicateFinder,
  frameHeads,
  framesBetween,
  readBodies,
  readIndexHead,
  readIndexRows,
  type IndexRow,
  type StoredBlock,
} from '@everseal/ledger-store';
import type { Pool } from 'pg';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';
import { hashLeaves } from './stored-leaves.js';
import type { SweepResult } from './sweep-bodies.js';

const BLOCKS_A_READ = 16;
const MOST_FINDINGS = 100;
/** Bytes of an identity that the index stores. */
const IDENTITY_BYTES = 8;

/** Columns of text; a finding names them as the table does. */
const TEXTS = {
  producer: 'producer',
  eventId: 'event_id',
  source: 'source',
  type: 'type',
  subject: 'subject',
  actor: 'actor',
  action: 'action',
  target: 'target',
  outcome: 'outcome',
} as const;
const TEXT_KEYS = Object.keys(TEXTS) as (keyof typeof TEXTS)[];

export class SweepIndex {
  private readonly tape = new JsonTape();
  private readonly duplicates: DuplicateFinder;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    origin: string,
    private readonly tree: RememberedTree,
    private readonly heads: () => ReadonlyMap<string, FrameHead>,
    private readonly pace: Pace,
  ) {
    this.duplicates = new DuplicateFinder(pool, ledgerId, origin, (positions) =>
      Promise.resolve(
        new Map(positions.flatMap((p): [number, Hash][] => (p < tree.size ? [[p, tree.leafHash(p)]] : []))),
      ),
    );
  }

  /** One pass over everything that both this verifier and the index had when it started. */
  async pass(signal: AbortSignal): Promise<SweepResult> {
    const indexed = await readIndexHead(this.pool, this.ledgerId);
    const size = Math.min(this.tree.size, indexed);
    const findings: Finding[] = [];
    let [height, first] = [0, 0];
    while (first < size && !signal.aborted && findings.length < MOST_FINDINGS) {
      const before = height;
      for await (const stored of readBodies(this.pool, this.ledgerId, height, BLOCKS_A_READ)) {
        if (signal.aborted) break;
        if (first >= size || stored.next > size) continue; // to the end: leaving a COPY early costs the connection
        findings.push(...(await this.checkBlock(stored)));
        [height, first] = [stored.height + 1, Math.max(first + 1, stored.next)];
        await this.pace.spent(stored.entries);
      }
      if (height === before) break; // the rest is gone: the body sweep says so
    }
    if (!signal.aborted && indexed <= this.tree.size) findings.push(...(await this.beyond(indexed)));
    if (!signal.aborted) findings.push(...(await this.extraFrames()));
    return { findings, entries: first };
  }

  private async checkBlock(stored: StoredBlock): Promise<Finding[]> {
    const derived = this.derive(stored);
    if (!derived) return [];
    await this.duplicates.mark(derived.events, ({ event }) => event);
    const rows: IndexRow[] = [];
    for await (const some of readIndexRows(this.pool, this.ledgerId, stored.first, stored.next)) rows.push(...some);
    return [...compareRows(derived.events, rows, stored.height), ...(await this.compareFrames(derived.frames, stored))];
  }

  /** Null when the block does not stand as it was sealed: what it says then is nothing to compare a row with. */
  private derive(stored: StoredBlock): { events: BlockEvent[]; frames: BlockFrame[] } | null {
    try {
      if (!stored.body) return null;
      const leaves = hashLeaves(stored.body, splitBundle(stored.body));
      const end = stored.first + leaves.length / HASH_BYTES;
      if (end > this.tree.size || !leaves.equals(this.tree.leafHashes(stored.first, end))) return null;
      const events = [...blockEvents(stored.body, stored.first, this.tape)];
      return { events, frames: [...blockFrames(stored.body, stored.first)] };
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
  }

  private async compareFrames(frames: readonly BlockFrame[], { height }: StoredBlock): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const ingester of new Set(frames.map(({ frame }) => frame.ingester))) {
      const lane = frames.filter(({ frame }) => frame.ingester === ingester);
      const numbers = lane.map(({ frame }) => frame.number);
      const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
      const rows = await framesBetween(this.pool, this.ledgerId, ingester, low, high);
      for (const { frame, hash, position } of lane) {
        const row = rows.find(({ number }) => number === frame.number);
        if (row?.hash.equals(hash) && row.position === position) continue;
        const what = row ? 'is not what was sealed' : 'is gone';
        const detail = `the row of frame ${frame.number} of ${ingester} in table frame ${what}`;
        findings.push({ code: row ? 'index.altered' : 'index.missing', index: position, height, detail });
      }
    }
    return findings;
  }

  /** Rows of frames that no block holds: above the newest frame of their lane, at a place that was derived. */
  private async extraFrames(): Promise<Finding[]> {
    const rows = await frameHeads(this.pool, this.ledgerId);
    const heads = this.heads();
    return rows.flatMap(({ ingester, number, position }) => {
      if (position >= this.tree.size || number <= (heads.get(ingester)?.number ?? 0)) return [];
      const detail = `table frame holds frame ${number} of ${ingester}, which was never sealed`;
      return [finding('index.extra', position, null, detail)];
    });
  }

  /** Rows behind the index head: nobody wrote them who should. The projection may have moved on since, so look again. */
  private async beyond(indexed: number): Promise<Finding[]> {
    for await (const rows of readIndexRows(this.pool, this.ledgerId, indexed, Number.MAX_SAFE_INTEGER)) {
      const now = await readIndexHead(this.pool, this.ledgerId);
      const extra = rows.find(({ position }) => position >= now);
      if (extra) return [finding('index.extra', extra.position, null, 'a row stands behind the end of the index')];
    }
    return [];
  }
}

function compareRows(events: readonly BlockEvent[], rows: readonly IndexRow[], height: number): Finding[] {
  const findings: Finding[] = [];
  const stored = new Map(rows.map((row) => [row.position, row]));
  for (const event of events) {
    const row = stored.get(event.position);
    stored.delete(event.position);
    if (!row) findings.push(finding('index.missing', event.position, height, `event ${event.position} has no row`));
    else {
      const column = differentColumn(event, row);
      if (column)
        findings.push({ ...finding('index.altered', event.position, height, column.detail), ...column.values });
    }
  }
  for (const position of stored.keys()) {
    findings.push(finding('index.extra', position, height, `a row stands for ${position}, where no event is sealed`));
  }
  return findings;
}

interface ColumnDifference {
  readonly detail: string;
  readonly values: { readonly expected: string; readonly found: string };
}

function differentColumn(event: BlockEvent, row: IndexRow): ColumnDifference | null {
  const differ = (column: string, expected: unknown, found: unknown): ColumnDifference => ({
    detail: `column ${column} of event ${event.position} is not what the event says`,
    values: { expected: String(expected), found: String(found) },
  });
  for (const key of TEXT_KEYS) if (event[key] !== row[key]) return differ(TEXTS[key], event[key], row[key]);
  if (event.accepted !== row.accepted) return differ('accepted', event.accepted, row.accepted);
  if (event.occurred !== row.occurred) return differ('occurred', event.occurred, row.occurred);
  if (event.duplicateOf !== row.duplicateOf) return differ('duplicate_of', event.duplicateOf, row.duplicateOf);
  const identity = event.identity?.toString('hex', 0, IDENTITY_BYTES) ?? null;
  const found = row.identity?.toString('hex', 0, IDENTITY_BYTES) ?? null;
  return identity === found ? null : differ('identity', identity, found);
}

function finding(code: VerdictCode, index: number, height: number | null, detail: string): Finding {
  return { code, index, height, detail };
}
