/**
 * The sweep over the event index and the `frame` table: both are projections, so every row is derived again from the
 * sealed bytes and compared column by column. A block whose bytes are not the sealed ones is left to the body sweep.
 */

import {
  blockEvents,
  blockFrames,
  blockGaps,
  DebtBook,
  HASH_BYTES,
  JsonTape,
  type BlockEvent,
  type BlockFrame,
  type BlockGap,
  type Finding,
  type Hash,
  type LogMemory,
  type NotCovered,
  type VerdictCode,
} from '@everseal/audit-core';
import {
  differentColumn,
  DuplicateFinder,
  frameHeads,
  framesBetween,
  listGaps,
  readBodies,
  readHead,
  readIndexHead,
  readIndexRows,
  strayWaiting,
  type GapRow,
  type IndexRow,
  type StoredBlock,
} from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { openBody, type Place } from './check-stored-block.js';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';
import { saidOfValue } from './stored-value.js';
import type { SweepResult } from './sweep-bodies.js';
import { WHOLE, type Leg } from './sweep-places.js';

const BLOCKS_A_READ = 16;
const MOST_FINDINGS = 100;
/** Of a stored text, what a finding quotes. */
const MOST_QUOTED = 300;

/** What a block whose bytes are the sealed ones says about its rows. All numbers are signed ones. */
interface Derived {
  readonly height: number;
  readonly first: number;
  /** Place of the entry behind it. */
  readonly end: number;
  readonly events: BlockEvent[];
  readonly frames: BlockFrame[];
  readonly gaps: BlockGap[];
}

export class SweepIndex {
  /** The highest index head that was seen: it never goes back. */
  private highest = 0;
  private readonly tape = new JsonTape();
  private readonly duplicates: DuplicateFinder;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    origin: string,
    private readonly tree: RememberedTree,
    private readonly memory: () => Pick<LogMemory, 'height' | 'heads' | 'debts'>,
    private readonly pace: Pace,
  ) {
    this.duplicates = new DuplicateFinder(pool, ledgerId, origin, (positions) =>
      Promise.resolve(
        new Map(positions.flatMap((p): [number, Hash][] => (p < tree.size ? [[p, tree.leafHash(p)]] : []))),
      ),
    );
  }

  /** One pass over everything that both this verifier and the index had when it started, or a leg of it. */
  async pass(signal: AbortSignal, leg: Leg = WHOLE): Promise<SweepResult> {
    const findings: Finding[] = [];
    const notCovered: NotCovered[] = [];
    const indexed = await readIndexHead(this.pool, this.ledgerId);
    // A head that claims more than there is must not be what a true one is measured by.
    this.highest = Math.max(this.highest, Math.min(indexed, this.tree.size));
    if (indexed < this.highest) {
      const detail = `the index ends before ${indexed}, it once reached ${this.highest}`;
      findings.push(finding('index.missing', Math.max(indexed, 0), null, detail));
    }
    if (indexed > this.tree.size) await this.look(findings, () => this.headBeyond(indexed));
    const size = Math.min(this.tree.size, indexed, leg.until);
    const read = new ReadGaps();
    const entries = await this.sweepBlocks(size, findings, signal, leg, notCovered, read);
    if (!signal.aborted && indexed <= this.tree.size) await this.look(findings, () => this.beyond());
    if (!signal.aborted) await this.look(findings, () => this.extraFrames());
    if (!signal.aborted) await this.look(findings, () => this.strayFrames());
    if (!signal.aborted) await this.look(findings, () => this.compareGaps(read));
    const complete = !signal.aborted && findings.length < MOST_FINDINGS && notCovered.length < MOST_FINDINGS;
    return { findings: findings.slice(0, MOST_FINDINGS), entries, complete, notCovered };
  }

  /** One look; one that a stored value breaks has found that value. */
  private async look(
    findings: Finding[],
    what: () => Promise<Finding[]>,
    { first, height }: { first: number | null; height: number | null } = { first: null, height: null },
  ): Promise<void> {
    try {
      findings.push(...(await what()).slice(0, MOST_FINDINGS));
    } catch (error) {
      findings.push({ code: 'index.altered', index: first, height, detail: saidOfValue(error) });
    }
  }

  /**
   * Every block that ends within `size`, with one comparison under way: Postgres looks up the rows of one block while this
   * process derives those of the next. Gives how far it came.
   */
  private async sweepBlocks(
    size: number,
    findings: Finding[],
    signal: AbortSignal,
    { from, reached }: Leg,
    notCovered: NotCovered[],
    read: ReadGaps,
  ): Promise<number> {
    let { height, first } = from;
    let underWay = Promise.resolve();
    const compare = async (derived: Derived, place: Place): Promise<void> => {
      await this.look(findings, () => this.checkBlock(derived), derived);
      if (derived.end === place.first) reached(place);
    };
    const full = (): boolean => findings.length >= MOST_FINDINGS || notCovered.length >= MOST_FINDINGS;
    while (first < size && !signal.aborted && !full()) {
      const before = height;
      try {
        for await (const stored of readBodies(this.pool, this.ledgerId, height, BLOCKS_A_READ)) {
          if (signal.aborted) break;
          if (first >= size || full()) continue; // to the end: leaving a COPY early costs the connection
          const derived = this.derive(stored);
          height = stored.height + 1;
          if (!derived) {
            notCovered.push({ first, height: stored.height, why: 'its body is not the sealed one' });
            continue;
          }
          first = Math.max(first, derived.end);
          if (derived.end > size) continue;
          read.take(derived);
          await underWay;
          // Here, so that nothing is done meanwhile: the rest after a pass is measured by what was not waited.
          await this.pace.spent(derived.end - derived.first, signal);
          underWay = compare(derived, { height, first });
          underWay.catch(() => undefined); // whoever awaits it meets the failure
        }
      } catch (error) {
        await underWay;
        // The body sweep reads the same row, and says what is wrong with it.
        notCovered.push({ first, height, why: `block ${height} cannot be read: ${saidOfValue(error)}` });
        height++;
        // Its number may be one that no sweep comes to: it would be in the way for ever.
        if (height >= this.memory().height) break;
        continue;
      }
      if (height !== before) continue;
      notCovered.push({ first, height, why: 'no block stands from here on' });
      break; // the body sweep says so
    }
    await underWay;
    return Math.max(0, Math.min(first, size) - from.first);
  }

  private async checkBlock(derived: Derived): Promise<Finding[]> {
    const { height, first, end, events, frames } = derived;
    await this.duplicates.mark(events, ({ event }) => event);
    const compared = new RowComparison(events, height);
    for await (const rows of readIndexRows(this.pool, this.ledgerId, first, end)) compared.take(rows);
    return [...compared.findings(), ...(await this.compareFrames(frames, height))].slice(0, MOST_FINDINGS);
  }

  /** Null when the block does not stand as it was sealed: what it says then is nothing to compare a row with. */
  private derive({ body, height: row }: StoredBlock): Derived | null {
    const opened = openBody(body, this.tree);
    if (!body || !opened?.block) return null;
    const { height, first, entries } = opened.block;
    const end = first + entries + 1;
    // A block that stands at another's height would move the sweep to where it belongs.
    if (height !== row || opened.leaves.length !== (entries + 1) * HASH_BYTES) return null;
    if (!opened.leaves.equals(this.tree.leafHashes(first, end))) return null;
    return {
      height,
      first,
      end,
      events: [...blockEvents(body, first, this.tape)],
      frames: [...blockFrames(body, first)],
      gaps: [...blockGaps(body, first)],
    };
  }

  private async compareFrames(frames: readonly BlockFrame[], height: number): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const ingester of new Set(frames.map(({ frame }) => frame.ingester))) {
      const lane = frames.filter(({ frame }) => frame.ingester === ingester);
      const numbers = lane.map(({ frame }) => frame.number);
      const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
      const rows = await framesBetween(this.pool, this.ledgerId, ingester, low, high);
      for (const { frame, hash, position } of lane) {
        if (findings.length >= MOST_FINDINGS) return findings;
        const [row, second] = rows.filter(({ number }) => number === frame.number);
        const same = row?.hash.equals(hash) && row.position === position;
        if (same && !second) continue;
        const what = second ? 'stands more than once' : row ? 'is not what was sealed' : 'is gone';
        const code = second ? 'index.extra' : row ? 'index.altered' : 'index.missing';
        const detail = `the row of frame ${frame.number} of ${ingester} in table frame ${what}`;
        findings.push({ code, index: position, height, detail });
      }
    }
    return findings;
  }

  /**
   * Rows of frames that no block holds: below the first number of a lane, in what it still owes, or above its newest
   * frame at a place that was derived. Rows are read before the memory that they are compared with.
   */
  private async extraFrames(): Promise<Finding[]> {
    const newest = await frameHeads(this.pool, this.ledgerId);
    const rows = [...newest];
    for (const { ingester } of newest) {
      const owed = new DebtBook([...this.memory().debts]).ranges(ingester);
      for (const [from, to] of [[Number.MIN_SAFE_INTEGER, 0] as const, ...owed]) {
        for (const row of await framesBetween(this.pool, this.ledgerId, ingester, from, to)) rows.push(row);
      }
    }
    const { heads, debts } = this.memory();
    const book = new DebtBook([...debts]);
    const isOwed = (ingester: string, number: number): boolean =>
      book.ranges(ingester).some(([from, to]) => from <= number && number <= to);
    return rows.flatMap(({ ingester, number, position }) => {
      const sealed = number > 0 && number <= (heads.get(ingester)?.number ?? 0) && !isOwed(ingester, number);
      if (position >= this.tree.size || sealed) return [];
      const detail = `table frame holds frame ${number} of ${ingester}, which was never sealed`;
      return [finding('index.extra', position, null, detail)];
    });
  }

  private async strayFrames(): Promise<Finding[]> {
    const stray = await strayWaiting(this.pool, this.ledgerId);
    if (!stray) return [];
    const detail = `table frame holds frame ${stray.number} of ${stray.ingester} as waiting, which is sealed or has no bytes`;
    return [{ code: 'index.extra', index: null, height: null, detail }];
  }

  private async compareGaps(read: ReadGaps): Promise<Finding[]> {
    const rows = await listGaps(this.pool, this.ledgerId);
    return read.compare(rows, Math.max((await readHead(this.pool, this.ledgerId)).size, this.tree.size));
  }

  /** An index that claims more than there is. The head is read after it: what was committed meanwhile is in it. */
  private async headBeyond(indexed: number): Promise<Finding[]> {
    const most = Math.max((await readHead(this.pool, this.ledgerId)).size, this.tree.size);
    if (indexed <= most) return [];
    return [finding('index.altered', indexed, null, `the index head says ${indexed}, the log ends at ${most}`)];
  }

  /** Rows behind the index head: nobody wrote them who should. The projection may have moved on since, so look again. */
  private async beyond(): Promise<Finding[]> {
    const end = Math.max(await readIndexHead(this.pool, this.ledgerId), 0);
    for await (const rows of readIndexRows(this.pool, this.ledgerId, end, Number.MAX_SAFE_INTEGER)) {
      const now = await readIndexHead(this.pool, this.ledgerId);
      const extra = rows.find(({ position }) => position >= now);
      if (extra) return [finding('index.extra', extra.position, null, 'a row stands behind the end of the index')];
    }
    return [];
  }
}

/** Rows of one block against its events, group by group as they come: what was read is not kept. */
class RowComparison {
  private readonly wrong: Finding[] = [];
  private readonly awaited: Map<number, BlockEvent>;

  constructor(
    events: readonly BlockEvent[],
    private readonly height: number,
  ) {
    this.awaited = new Map(events.map((event) => [event.position, event]));
  }

  take(rows: readonly IndexRow[]): void {
    for (const row of rows) {
      const { position } = row;
      const event = this.awaited.get(position);
      this.awaited.delete(position);
      if (this.wrong.length >= MOST_FINDINGS) continue;
      if (event) this.compare(event, row);
      else this.add('index.extra', position, `a row stands for ${position}, where no event is sealed`);
    }
  }

  findings(): Finding[] {
    for (const position of this.awaited.keys()) {
      if (this.wrong.length >= MOST_FINDINGS) break;
      this.add('index.missing', position, `event ${position} has no row`);
    }
    return this.wrong;
  }

  private compare(event: BlockEvent, row: IndexRow): void {
    const difference = differentColumn(event, row);
    if (!difference) return;
    const { column, expected, found } = difference;
    const detail = `column ${column} of event ${event.position} is not what the event says`;
    const values = { expected, found: found.slice(0, MOST_QUOTED) };
    this.wrong.push({ ...finding('index.altered', event.position, this.height, detail), ...values });
  }

  private add(code: VerdictCode, position: number, detail: string): void {
    this.wrong.push(finding(code, position, this.height, detail));
  }
}

/** Gap records of the blocks of one pass, to be compared with table `gap` at its end: there are few. */
class ReadGaps {
  private readonly sealed = new Map<number, BlockGap & { height: number }>();
  /** Stretches of the log whose bytes are the sealed ones, ascending: only rows about them can be judged. */
  private readonly stretches: { first: number; end: number }[] = [];

  take({ first, end, gaps, height }: Derived): void {
    const last = this.stretches.at(-1);
    if (last?.end === first) last.end = end;
    else this.stretches.push({ first, end });
    for (const gap of gaps) this.sealed.set(gap.position, { ...gap, height });
  }

  /** @param end of the log when the rows were read, or later */
  compare(rows: readonly GapRow[], end: number): Finding[] {
    const findings: Finding[] = [];
    const left = new Map(this.sealed);
    for (const row of rows) {
      const { ingester, first, position } = row;
      const name = `the row of the gap of ${ingester} from frame ${first} on in table gap`;
      const { gap, height } = left.get(position) ?? { gap: null, height: null };
      left.delete(position);
      if (gap === null && !this.covers(position) && position < end) continue;
      if (gap === null)
        findings.push(finding('index.extra', position, null, `${name} is of no gap record, or a second one`));
      else if (!sameGap(gap, row))
        findings.push(finding('index.altered', position, height, `${name} is not what was sealed`));
    }
    for (const { gap, position, height } of left.values()) {
      const detail = `the row of the gap of ${gap.ingester} from frame ${gap.first} on in table gap is gone`;
      findings.push(finding('index.missing', position, height, detail));
    }
    return findings;
  }

  private covers(position: number): boolean {
    return position <= 0 || this.stretches.some(({ first, end }) => first <= position && position < end);
  }
}

function sameGap(gap: BlockGap['gap'], row: GapRow): boolean {
  return (['ingester', 'first', 'last', 'cause'] as const).every((column) => gap[column] === row[column]);
}

function finding(code: VerdictCode, index: number, height: number | null, detail: string): Finding {
  return { code, index, height, detail };
}
