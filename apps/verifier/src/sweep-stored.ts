/**
 * The sweep over what is stored about the entries: tiles, checkpoints, cosignatures, and the head row's own copy of the
 * tree. All of it follows from the entries that this verifier remembers, so every byte is derived or verified again.
 */

import {
  cosignaturesOf,
  equalHash,
  FormatError,
  formatNote,
  frontierFromTiles,
  fullTiles,
  openCheckpoint,
  parseNote,
  type Finding,
  type KeySet,
  type VerdictCode,
} from '@everseal/audit-core';
import {
  checkpointsAfter,
  countTiles,
  cosignaturesAt,
  readHead,
  readTiles,
  type CheckpointRow,
  type TileRow,
} from '@everseal/ledger-store';
import type { Pool } from 'pg';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';
import type { SweepResult } from './sweep-bodies.js';

const TILES_A_READ = 64;
const TILE_ENTRIES = 256;
const CHECKPOINTS_A_READ = 200;
/** What checking a checkpoint costs, in entries of a body sweep: two signatures and some hundred hashes. */
const CHECKPOINT_COST = 1_000;
const MOST_FINDINGS = 100;

export class SweepStored {
  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly origin: string,
    private readonly tree: RememberedTree,
    private readonly keys: () => KeySet | null,
    /** Size of the newest checkpoint that this verifier cosigned; its row must stand. */
    private readonly cosigned: () => number,
    private readonly pace: Pace,
  ) {}

  async pass(signal: AbortSignal): Promise<SweepResult> {
    const findings: Finding[] = [];
    const size = this.tree.size;
    for (let level = 0; fullTiles(size, level) > 0 && !signal.aborted; level++) {
      await this.sweepTiles(level, fullTiles(size, level), findings);
    }
    if (!signal.aborted) await this.sweepCheckpoints(findings, signal);
    if (!signal.aborted) await this.checkHead(findings);
    return { findings: findings.slice(0, MOST_FINDINGS), entries: size };
  }

  private async sweepTiles(level: number, count: number, findings: Finding[]): Promise<void> {
    for (let from = 0; from < count && findings.length < MOST_FINDINGS; from += TILES_A_READ) {
      const numbers = Array.from({ length: Math.min(TILES_A_READ, count - from) }, (_, i) => from + i);
      const rows = await readTiles(
        this.pool,
        this.ledgerId,
        numbers.map((number) => ({ level, number })),
      );
      const stored = new Map(rows.map((row) => [row.number, row]));
      for (const number of numbers) {
        const wrong = this.wrongTile(level, number, stored.get(number));
        if (wrong) findings.push(finding('tile.altered', number * TILE_ENTRIES ** (level + 1), wrong));
      }
      await this.pace.spent(numbers.length * TILE_ENTRIES);
    }
    const there = await countTiles(this.pool, this.ledgerId, level);
    // A head that was set back is the tail's finding, not one for every tile behind it.
    const { size } = await readHead(this.pool, this.ledgerId);
    const most = fullTiles(Math.max(size, this.tree.size), level);
    if (there > most) {
      findings.push(
        finding('tile.altered', null, `level ${level} has a tile ${there - 1}, the log fills only ${most}`),
      );
    }
  }

  private wrongTile(level: number, number: number, row: TileRow | undefined): string | null {
    const name = `tile ${number} of level ${level}`;
    if (!row) return `${name} is gone`;
    if (!row.data.equals(this.tree.tile(level, number))) return `${name} does not hold the hashes of its entries`;
    return row.root.equals(this.tree.tileRoot(level, number)) ? null : `the root beside ${name} is not its root`;
  }

  private async sweepCheckpoints(findings: Finding[], signal: AbortSignal): Promise<void> {
    const wanted = this.cosigned();
    let seen = wanted === 0;
    for (let after = 0; !signal.aborted && findings.length < MOST_FINDINGS;) {
      const rows = await checkpointsAfter(this.pool, this.ledgerId, after, CHECKPOINTS_A_READ);
      for (const row of rows) {
        seen ||= row.size === wanted;
        const wrong = await this.wrongCheckpoint(row);
        if (wrong) findings.push(wrong);
        await this.pace.spent(CHECKPOINT_COST);
      }
      after = rows.at(-1)?.size ?? after;
      if (rows.length < CHECKPOINTS_A_READ) break;
    }
    if (!seen && !signal.aborted) {
      findings.push(finding('checkpoint.mismatch', wanted, `the checkpoint of size ${wanted}, cosigned here, is gone`));
    }
  }

  private async wrongCheckpoint({ size, note }: CheckpointRow): Promise<Finding | null> {
    const keys = this.keys();
    if (!keys || size > this.tree.size) return null; // not derived yet: the next pass
    try {
      const opened = openCheckpoint(note, [keys.log], this.origin);
      if (opened.size !== size) {
        return finding(
          'checkpoint.mismatch',
          size,
          `the row of size ${size} holds a checkpoint of size ${opened.size}`,
        );
      }
      const derived = await this.tree.rootAt(size);
      if (!equalHash(opened.root, derived)) {
        const detail = `the checkpoint of size ${size} is not the root of the entries`;
        const [expected, found] = [derived.toString('base64'), opened.root.toString('base64')];
        return { ...finding('checkpoint.mismatch', size, detail), expected, found };
      }
      return await this.wrongCosignature(size, note, keys);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return finding('checkpoint.signature', size, `the checkpoint of size ${size}: ${error.message}`);
    }
  }

  /** Stored cosignatures are ours and other verifiers': each must verify and say who made it. */
  private async wrongCosignature(size: number, note: string, keys: KeySet): Promise<Finding | null> {
    const { text } = parseNote(note);
    for (const { signer, keyId, line } of await cosignaturesAt(this.pool, this.ledgerId, size)) {
      const key = keys.verifiers.find((verifier) => verifier.matches(signer, keyId));
      if (!key) continue; // a witness outside the key set: nobody here can judge it
      const [cosignature] = cosignaturesOf(parseNote(formatNote(text, [line])), [key]);
      if (cosignature) continue;
      return finding(
        'checkpoint.signature',
        size,
        `the line stored for ${signer} at size ${size} is not a cosignature of it`,
      );
    }
    return null;
  }

  private async checkHead(findings: Finding[]): Promise<void> {
    const head = await readHead(this.pool, this.ledgerId);
    if (head.size > this.tree.size || head.size === 0) return;
    const frontier = (await frontierFromTiles(head.size, this.tree.readTiles)).hashes();
    const same =
      frontier.length === head.frontier.length && frontier.every((hash, i) => hash.equals(head.frontier[i]!));
    if (!same)
      findings.push(finding('tile.altered', head.size, 'the frontier in the head row is not that of the entries'));
  }
}

function finding(code: VerdictCode, index: number | null, detail: string): Finding {
  return { code, index, height: null, detail };
}
