/**
 * The sweep over all bodies, from entry 0, round and round: every block is compared with what was remembered when it was
 * first derived (check-stored-block.ts).
 */

import { logKeysOf, type Finding, type KeysOfLog, type LogMemory, type NotCovered } from '@everseal/audit-core';
import { readBlocks, readBodies, strayBlock, type StoredBlock } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { checkStoredBlock, type Place } from './check-stored-block.js';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';
import { saidOfValue } from './stored-value.js';
import { WHOLE, type Leg } from './sweep-places.js';

const BLOCKS_A_READ = 64;
/** A store that is wrong everywhere is not listed record by record. */
const MOST_FINDINGS = 100;
const UNREADABLE_TIME = 'no time';

export interface SweepResult {
  readonly findings: Finding[];
  /** Entries compared. */
  readonly entries: number;
  /** False when it was stopped, or there was too much to list: what it does not name may be wrong all the same. */
  readonly complete: boolean;
  /** What was left out without a finding. */
  readonly notCovered?: readonly NotCovered[];
}

export class SweepBodies {
  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly tree: RememberedTree,
    private readonly memory: () => KeysOfLog & Pick<LogMemory, 'height'>,
    private readonly pace: Pace,
  ) {}

  /** One pass over everything that was remembered when it started, or a leg of it. */
  async pass(signal: AbortSignal, leg: Leg = WHOLE): Promise<SweepResult> {
    const size = Math.min(this.tree.size, leg.until);
    const findings: Finding[] = [];
    let place: Place = leg.from;
    while (place.first < size && !signal.aborted && findings.length < MOST_FINDINGS) {
      const { height, first } = place;
      const reached = await this.some(place, size, findings, signal).catch((error: unknown) => {
        const detail = `block ${height} cannot be read: ${saidOfValue(error)}`;
        findings.push({ code: 'block.chain', index: first, height, detail });
        return null;
      });
      if (reached === null) {
        place = { height: height + 1, first };
        // Its number may be one that no sweep comes to: it would be in the way for ever.
        if (place.height >= this.memory().height) break;
        continue;
      }
      if (reached.height === height && !signal.aborted) {
        const detail = `no block stands from height ${height} on, entries ${first} to ${size - 1} are gone`;
        findings.push({ code: 'log.truncated', index: first, height, detail });
        break;
      }
      place = reached;
      leg.reached(place);
    }
    if (!signal.aborted && findings.length < MOST_FINDINGS) await this.strayBlocks(findings);
    const complete = !signal.aborted && findings.length < MOST_FINDINGS;
    return { findings, entries: Math.max(0, Math.min(place.first, size) - leg.from.first), complete };
  }

  /** Rows that reading by height may pass by: before the first block, of no height, a second one behind the last read. */
  private async strayBlocks(findings: Finding[]): Promise<void> {
    const stray = await strayBlock(this.pool, this.ledgerId);
    if (!stray || findings.some(({ code, height }) => code === 'block.chain' && height === stray.height)) return;
    const { height, isTwice } = stray;
    const beside = `a block row of height ${height} stands, which no log has`;
    const detail = isTwice ? `more than one row stands for block ${height}` : beside;
    findings.push({ code: 'block.chain', index: null, height: isTwice ? height : null, detail });
  }

  /** The next blocks from a place on. Gives the place behind them. */
  private async some(start: Place, size: number, findings: Finding[], signal: AbortSignal): Promise<Place> {
    let place = start;
    const times = await this.blockTimes(place.height);
    const blocks = readBodies(this.pool, this.ledgerId, place.height, BLOCKS_A_READ);
    try {
      for await (const stored of blocks) {
        if (signal.aborted) break;
        // To the end: leaving a COPY early costs the connection.
        if (place.first >= size || findings.length >= MOST_FINDINGS) continue;
        place = await this.check(stored, times.get(stored.height), place, findings, signal);
      }
    } catch (error) {
      // The row behind the last good one: those before it are done, and the next read begins with it.
      if (place.height === start.height) throw error;
      saidOfValue(error);
    }
    return place;
  }

  private async check(
    stored: StoredBlock,
    sealed: string | undefined,
    place: Place,
    findings: Finding[],
    signal: AbortSignal,
  ): Promise<Place> {
    try {
      const {
        findings: found,
        next,
        hashed,
      } = checkStoredBlock(stored, sealed, place, this.tree, logKeysOf(this.memory()));
      findings.push(...found);
      await this.pace.spent(hashed, signal);
      return next;
    } catch (error) {
      const { height } = stored;
      findings.push({ code: 'block.chain', index: place.first, height, detail: saidOfValue(error) });
      return { height: height + 1, first: place.first };
    }
  }

  /** Column `sealed` of the rows from a height on; a time that is none is the row's own, not its neighbours'. */
  private async blockTimes(height: number): Promise<Map<number, string>> {
    const times = new Map<number, string>();
    const read = async (from: number, most: number): Promise<boolean> => {
      try {
        const rows = await readBlocks(this.pool, this.ledgerId, from, most);
        for (const row of rows) times.set(row.height, row.sealed);
        return true;
      } catch (error) {
        saidOfValue(error);
        return false;
      }
    };
    if (await read(height, BLOCKS_A_READ)) return times;
    for (let at = height; at < height + BLOCKS_A_READ; at++) if (!(await read(at, 1))) times.set(at, UNREADABLE_TIME);
    return times;
  }
}
