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
import { saidOfValue } from './stored-value.js';
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
      await this.sweepTiles(level, fullTiles(size, level), findings, signal);
      await this.look(findings, 'tile.altered', null, () => this.extraTiles(level));
    }
    if (!signal.aborted) await this.sweepCheckpoints(findings, signal);
    if (!signal.aborted) await this.look(findings, 'tile.altered', null, () => this.wrongHead());
    const complete = !signal.aborted && findings.length < MOST_FINDINGS;
    return { findings: findings.slice(0, MOST_FINDINGS), entries: size, complete };
  }

  /** One look; one that a stored value breaks has found that value. */
  private async look(
    findings: Finding[],
    code: VerdictCode,
    index: number | null,
    what: () => Promise<Finding | null> | Finding | null,
  ): Promise<void> {
    try {
      const wrong = await what();
      if (wrong) findings.push(wrong);
    } catch (error) {
      findings.push(finding(code, index, saidOfValue(error)));
    }
  }

  private async sweepTiles(level: number, count: number, findings: Finding[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < count && findings.length < MOST_FINDINGS && !signal.aborted; from += TILES_A_READ) {
      const numbers = Array.from({ length: Math.min(TILES_A_READ, count - from) }, (_, i) => from + i);
      const rows = await readTiles(
        this.pool,
        this.ledgerId,
        numbers.map((number) => ({ level, number })),
      );
      const stored = new Map(rows.map((row) => [row.number, row]));
      for (const number of numbers) {
        const index = number * TILE_ENTRIES ** (level + 1);
        await this.look(findings, 'tile.altered', index, () =>
          this.wrongTile(level, number, index, stored.get(number)),
        );
      }
      await this.pace.spent(numbers.length * TILE_ENTRIES, signal);
    }
  }

  private async extraTiles(level: number): Promise<Finding | null> {
    const there = await countTiles(this.pool, this.ledgerId, level);
    // A head that went back is a verdict of its own; the tiles of what was derived here are not too many.
    const size = Math.max((await readHead(this.pool, this.ledgerId)).size, this.tree.size);
    const most = fullTiles(size, level);
    if (there <= most) return null;
    return finding('tile.altered', null, `level ${level} has a tile ${there - 1}, the log fills only ${most}`);
  }

  private wrongTile(level: number, number: number, index: number, row: TileRow | undefined): Finding | null {
    const name = `tile ${number} of level ${level}`;
    const wrong = (detail: string): Finding => finding('tile.altered', index, detail);
    if (!row) return wrong(`${name} is gone`);
    if (!row.data.equals(this.tree.tile(level, number)))
      return wrong(`${name} does not hold the hashes of its entries`);
    if (!row.root.equals(this.tree.tileRoot(level, number))) return wrong(`the root beside ${name} is not its root`);
    return null;
  }

  private async sweepCheckpoints(findings: Finding[], signal: AbortSignal): Promise<void> {
    const wanted = this.cosigned();
    let seen = wanted === 0;
    let most = CHECKPOINTS_A_READ;
    for (let after = 0; !signal.aborted && findings.length < MOST_FINDINGS;) {
      const rows = await checkpointsAfter(this.pool, this.ledgerId, after, most).catch(saidOfValue);
      if (typeof rows === 'string') {
        if (most === 1) {
          findings.push(finding('checkpoint.mismatch', null, `the checkpoint row after size ${after}: ${rows}`));
          break; // what cannot be read is larger than any size: nothing stands behind it
        }
        most = 1; // the others of this read are good, maybe
        continue;
      }
      for (const row of rows) {
        if (signal.aborted || findings.length >= MOST_FINDINGS) break;
        seen ||= row.size === wanted;
        await this.look(findings, 'checkpoint.signature', row.size, () => this.wrongCheckpoint(row));
        await this.pace.spent(CHECKPOINT_COST, signal);
      }
      after = rows.at(-1)?.size ?? after;
      if (rows.length < most) break;
    }
    if (!seen && !signal.aborted && findings.length < MOST_FINDINGS) {
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

  private async wrongHead(): Promise<Finding | null> {
    const head = await readHead(this.pool, this.ledgerId);
    if (head.size > this.tree.size || head.size === 0) return null;
    const frontier = (await frontierFromTiles(head.size, this.tree.readTiles)).hashes();
    const same =
      frontier.length === head.frontier.length && frontier.every((hash, i) => hash.equals(head.frontier[i]!));
    return same ? null : finding('tile.altered', head.size, 'the frontier in the head row is not that of the entries');
  }
}

function finding(code: VerdictCode, index: number | null, detail: string): Finding {
  return { code, index, height: null, detail };
}
