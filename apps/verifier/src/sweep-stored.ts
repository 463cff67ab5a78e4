/**
 * The sweep over what is stored about the entries: tiles, checkpoints, cosignatures, anchors (sweep-anchors.ts), and the head row's
 * own copy of the tree. All of it follows from the entries that this verifier remembers, so every byte is derived or verified again.
 */

import {
  cosignaturesOf,
  equalHash,
  FormatError,
  formatNote,
  frontierFromTiles,
  fullTiles,
  logKeyAt,
  openCheckpoint,
  parseNote,
  quote,
  verifierKeysOf,
  type Finding,
  type KeysOfLog,
  type VerdictCode,
  type VerifierKey,
} from '@everseal/audit-core';
import {
  checkpointsAfter,
  countTiles,
  cosignaturesAt,
  listLedgers,
  readHead,
  readTiles,
  strayCheckpoint,
  strayTile,
  type CheckpointRow,
  type CosignatureRow,
  type TileRow,
} from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { everyRow } from './every-row.js';
import { CheckpointCensus, type CensusPass } from './checkpoint-census.js';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';
import { saidOfValue } from './stored-value.js';
import type { SweepAnchors } from './sweep-anchors.js';
import type { SweepResult } from './sweep-bodies.js';

const TILES_A_READ = 64;
const TILE_ENTRIES = 256;
const CHECKPOINTS_A_READ = 200;
/** What checking a checkpoint costs, in entries of a body sweep: two signatures and some hundred hashes. */
const CHECKPOINT_COST = 1_000;
const MOST_FINDINGS = 100;

export class SweepStored {
  private readonly census = new CheckpointCensus();

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly origin: string,
    private readonly tree: RememberedTree,
    private readonly keys: () => KeysOfLog,
    /** Size of the newest checkpoint that this verifier cosigned; its row must stand. */
    private readonly cosigned: () => number,
    private readonly pace: Pace,
    private readonly anchors: SweepAnchors,
  ) {}

  async pass(signal: AbortSignal): Promise<SweepResult> {
    const findings: Finding[] = [];
    const size = this.tree.size;
    let level = 0;
    for (; fullTiles(size, level) > 0 && !signal.aborted; level++) {
      await this.sweepTiles(level, fullTiles(size, level), findings, signal);
      await this.look(findings, 'tile.altered', null, () => this.extraTiles(level));
    }
    const above = level;
    if (!signal.aborted) await this.look(findings, 'tile.altered', null, () => this.strayTiles(above));
    if (!signal.aborted) await this.look(findings, 'store.catalog', null, () => this.wrongLedger());
    if (!signal.aborted) await this.sweepCheckpoints(findings, signal);
    if (!signal.aborted) await this.look(findings, 'checkpoint.mismatch', null, () => this.strayCheckpoints(findings));
    if (!signal.aborted) findings.push(...(await this.anchors.pass(signal)));
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
      for (const number of numbers) {
        const index = number * TILE_ENTRIES ** (level + 1);
        await this.look(findings, 'tile.altered', index, () =>
          this.wrongTile(
            level,
            number,
            index,
            rows.filter((row) => row.number === number),
          ),
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
    const index = (there - 1) * TILE_ENTRIES ** (level + 1);
    return finding('tile.altered', index, `level ${level} has a tile ${there - 1}, the log fills only ${most}`);
  }

  /** Tiles above the levels that the log fills, or with numbers that none has. The level above may just have been filled. */
  private async strayTiles(above: number): Promise<Finding | null> {
    const extra = await this.extraTiles(above);
    if (extra) return extra;
    const stray = await strayTile(this.pool, this.ledgerId, above);
    if (!stray) return null;
    // A long pass may see a level begin that was not there when it started.
    const size = Math.max((await readHead(this.pool, this.ledgerId)).size, this.tree.size);
    const { level, number } = stray;
    const belongs = level !== null && number !== null && level >= 0 && number >= 0 && number < fullTiles(size, level);
    if (belongs) return null;
    const detail = `a tile ${number} of level ${level} stands, which no log of this size has`;
    return finding('tile.altered', null, detail);
  }

  /** The one row by which everybody finds this log. */
  private async wrongLedger(): Promise<Finding | null> {
    const rows = (await listLedgers(this.pool)).filter(
      ({ ledgerId, origin }) => ledgerId === this.ledgerId || origin === this.origin,
    );
    const [row] = rows;
    if (rows.length === 1 && row?.ledgerId === this.ledgerId && row.origin === this.origin) return null;
    // As JSON, not quoted: whoever may write here may store a null.
    const found = rows.map(({ ledgerId, origin }) => `${ledgerId} ${JSON.stringify(origin)}`).join(', ') || 'nothing';
    const detail = `table ledger names this log as number ${this.ledgerId}, ${this.origin}; it holds ${found}`;
    return finding('store.catalog', null, detail);
  }

  private wrongTile(level: number, number: number, index: number, rows: readonly TileRow[]): Finding | null {
    const name = `tile ${number} of level ${level}`;
    const wrong = (detail: string): Finding => finding('tile.altered', index, detail);
    const [row, second] = rows;
    if (!row) return wrong(`${name} is gone`);
    if (second) return wrong(`${name} stands more than once`);
    if (!row.data.equals(this.tree.tile(level, number)))
      return wrong(`${name} does not hold the hashes of its entries`);
    if (!row.root.equals(this.tree.tileRoot(level, number))) return wrong(`the root beside ${name} is not its root`);
    return null;
  }

  private async sweepCheckpoints(findings: Finding[], signal: AbortSignal): Promise<void> {
    const wanted = this.cosigned();
    const before = findings.length;
    const census = this.census.begin();
    let seen = wanted === 0;
    let newest: number | null = null;
    for await (const row of this.checkpointRows(findings)) {
      // What cannot be read is larger than any size: nothing stands behind it.
      if (row === null || signal.aborted || findings.length >= MOST_FINDINGS) return;
      seen ||= row.size === wanted;
      const again = row.size === newest;
      newest = row.size;
      await this.look(findings, 'checkpoint.signature', row.size, () =>
        again ? twice(row.size) : this.wrongCheckpoint(row, census),
      );
      await this.pace.spent(CHECKPOINT_COST, signal);
    }
    if (signal.aborted || findings.length >= MOST_FINDINGS) return;
    const gone = census.end(findings.length === before);
    if (!seen && !gone.some(({ index }) => index === wanted)) {
      gone.push(finding('checkpoint.mismatch', wanted, `the checkpoint of size ${wanted}, cosigned here, is gone`));
    }
    findings.push(...gone);
  }

  /** Rows that reading by size may pass by: of no size, or a second one behind the last that was read. */
  private async strayCheckpoints(findings: readonly Finding[]): Promise<Finding | null> {
    const stray = await strayCheckpoint(this.pool, this.ledgerId);
    if (!stray) return null;
    const { size } = stray;
    if (size === null)
      return finding('checkpoint.mismatch', null, 'a checkpoint row of no size stands, which no log has');
    const isKnown = findings.some(({ code, index }) => code.startsWith('checkpoint.') && index === size);
    return isKnown ? null : twice(size);
  }

  /** Every row by size, also those of sizes that no checkpoint has; null, and a finding, for one that cannot be read. */
  private checkpointRows(findings: Finding[]): AsyncGenerator<CheckpointRow | null> {
    return everyRow(
      CHECKPOINTS_A_READ,
      (after, most) => checkpointsAfter(this.pool, this.ledgerId, after, most),
      ({ size }) => size,
      (behind, what) => findings.push(finding('checkpoint.mismatch', null, `the checkpoint row ${behind}: ${what}`)),
    );
  }

  private async wrongCheckpoint({ size, note }: CheckpointRow, census: CensusPass): Promise<Finding | null> {
    const keys = this.keys();
    let cosignatures: CosignatureRow[] = [];
    try {
      cosignatures = await cosignaturesAt(this.pool, this.ledgerId, size);
    } finally {
      census.take(size, cosignatures.length);
    }
    const logKey = logKeyAt(keys, size);
    if (!logKey || size > this.tree.size) return this.beyond(size); // not derived yet: the next pass
    try {
      const opened = openCheckpoint(note, [logKey], this.origin);
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
      return wrongCosignature(size, note, cosignatures, verifierKeysOf(keys));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return finding('checkpoint.signature', size, `the checkpoint of size ${size}: ${error.message}`);
    }
  }

  /** A checkpoint over more than there is. The head is read after it: what was committed meanwhile is in it. */
  private async beyond(size: number): Promise<Finding | null> {
    const most = Math.max((await readHead(this.pool, this.ledgerId)).size, this.tree.size);
    if (size <= most) return null;
    return finding('checkpoint.mismatch', size, `a checkpoint row of size ${size} stands, the log ends at ${most}`);
  }

  private async wrongHead(): Promise<Finding | null> {
    const head = await readHead(this.pool, this.ledgerId);
    // A size that no log has is the tail's to say.
    if (head.size > this.tree.size || head.size <= 0) return null;
    const frontier = (await frontierFromTiles(head.size, this.tree.readTiles)).hashes();
    const same =
      frontier.length === head.frontier.length && frontier.every((hash, i) => hash.equals(head.frontier[i]!));
    return same ? null : finding('tile.altered', head.size, 'the frontier in the head row is not that of the entries');
  }
}

/**
 * Stored cosignatures of one checkpoint, by signer: each stands once and under the name that its line carries, and those by
 * a key that a key set ever named verify. Others are witnesses', whom nobody here can judge.
 */
function wrongCosignature(
  size: number,
  note: string,
  rows: readonly CosignatureRow[],
  verifiers: readonly VerifierKey[],
): Finding | null {
  const { text } = parseNote(note);
  let before = '';
  for (const { signer, keyId, line } of rows) {
    const wrong = (what: string): Finding =>
      finding('checkpoint.signature', size, `the line stored for ${quote(signer)} at size ${size} ${what}`);
    const name = `${signer} ${keyId.toString('hex')}`;
    if (name === before) return wrong('stands more than once');
    before = name;
    const cosigned = parseNote(formatNote(text, [line]));
    const [carried] = cosigned.signatures;
    if (carried?.name !== signer || !carried.keyId.equals(keyId)) return wrong('carries another name or key');
    const key = verifiers.find((verifier) => verifier.matches(signer, keyId));
    if (key && cosignaturesOf(cosigned, [key]).length === 0) return wrong('is not a cosignature of it');
  }
  return null;
}

function twice(size: number): Finding {
  return finding('checkpoint.mismatch', size, `more than one checkpoint row stands for size ${size}`);
}

function finding(code: VerdictCode, index: number | null, detail: string): Finding {
  return { code, index, height: null, detail };
}
