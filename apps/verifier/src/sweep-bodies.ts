/**
 * The sweep over all bodies, from entry 0, round and round: every block is compared with what was remembered when it was
 * first derived (check-stored-block.ts).
 */

import type { Finding, KeySet } from '@everseal/audit-core';
import { readBlocks, readBodies } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { checkStoredBlock, type Place } from './check-stored-block.js';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';

const BLOCKS_A_READ = 64;
/** A store that is wrong everywhere is not listed record by record. */
const MOST_FINDINGS = 100;

export interface SweepResult {
  readonly findings: Finding[];
  /** Entries compared. */
  readonly entries: number;
}

export class SweepBodies {
  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly tree: RememberedTree,
    private readonly keys: () => KeySet | null,
    private readonly pace: Pace,
  ) {}

  /** One pass over everything that was remembered when it started. */
  async pass(signal: AbortSignal): Promise<SweepResult> {
    const size = this.tree.size;
    const findings: Finding[] = [];
    let place: Place = { height: 0, first: 0 };
    while (place.first < size && !signal.aborted && findings.length < MOST_FINDINGS) {
      const { height, first } = place;
      const times = await this.blockTimes(height);
      for await (const stored of readBodies(this.pool, this.ledgerId, height, BLOCKS_A_READ)) {
        if (signal.aborted) break;
        if (place.first >= size) continue; // to the end: leaving a COPY early costs the connection
        const checked = checkStoredBlock(stored, times.get(stored.height), place, this.tree, this.keys());
        findings.push(...checked.findings);
        place = checked.next;
        await this.pace.spent(stored.next - stored.first);
      }
      if (place.height === height) {
        const detail = `no block stands from height ${height} on, entries ${first} to ${size - 1} are gone`;
        findings.push({ code: 'log.truncated', index: first, height, detail });
        break;
      }
    }
    return { findings, entries: Math.min(place.first, size) };
  }

  /** Column `sealed` of the rows from a height on. */
  private async blockTimes(height: number): Promise<Map<number, string>> {
    const rows = await readBlocks(this.pool, this.ledgerId, height, BLOCKS_A_READ);
    return new Map(rows.map((row) => [row.height, row.sealed]));
  }
}
