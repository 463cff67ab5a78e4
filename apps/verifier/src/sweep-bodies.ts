/**
 * The sweep over all bodies, from entry 0, round and round: every stored entry is hashed and compared with the leaf hash
 * that was remembered when it was first derived. One hash an entry, no signature twice. Where the two differ, the
 * sequences are aligned, and the alignment is the verdict.
 */

import {
  align,
  entryKind,
  FormatError,
  leafHashInPlace,
  openBlock,
  parseBlockText,
  parseNote,
  splitBundle,
  type Difference,
  type EntryOffsets,
  type Finding,
  type Hash,
  type KeySet,
  type VerdictCode,
} from '@everseal/audit-core';
import { readBodies, type StoredBlock } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { rowMismatch } from './block-row.js';
import type { Pace } from './pace.js';
import type { RememberedTree } from './remembered-tree.js';

const BLOCKS_A_READ = 64;
const HASH_BYTES = 32;
/** A store that is wrong everywhere is not listed record by record. */
const MOST_FINDINGS = 100;

const VERDICT: Record<Difference, VerdictCode> = {
  altered: 'entry.altered',
  missing: 'entry.missing',
  inserted: 'entry.inserted',
  reordered: 'entry.reordered',
};

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
    let [height, first] = [0, 0];
    while (first < size && !signal.aborted && findings.length < MOST_FINDINGS) {
      const before = first;
      for await (const stored of readBodies(this.pool, this.ledgerId, height, BLOCKS_A_READ)) {
        if (stored.first >= size && stored.height >= height) break;
        findings.push(...this.checkBlock(stored, height, first));
        height = stored.height + 1;
        first = Math.max(first + 1, stored.next);
        await this.pace.spent(stored.next - stored.first);
        if (first >= size || signal.aborted) break;
      }
      if (first === before) {
        findings.push(this.truncated(height, first, size));
        break;
      }
    }
    return { findings, entries: Math.min(first, size) };
  }

  private truncated(height: number, first: number, size: number): Finding {
    const detail = `no block stands from height ${height} on, entries ${first} to ${size - 1} are gone`;
    return { code: 'log.truncated', index: first, height, detail };
  }

  private checkBlock(stored: StoredBlock, height: number, first: number): Finding[] {
    const at = (code: VerdictCode, detail: string, index = first): Finding => ({ code, index, height, detail });
    if (stored.height !== height) {
      return [at('block.missing', `blocks ${height} to ${stored.height - 1} are gone`)];
    }
    if (stored.first !== first) {
      return [at('block.chain', `the row of block ${height} starts at ${stored.first}, expected ${first}`)];
    }
    if (!stored.body) {
      return [at('block.missing', `block ${height} stands without its body`)];
    }
    let offsets: EntryOffsets;
    try {
      offsets = splitBundle(stored.body);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return [at('entry.altered', `the body of block ${height} is no entry bundle: ${error.message}`)];
    }
    return this.compare(stored, stored.body, offsets);
  }

  private compare(stored: StoredBlock, body: Buffer, offsets: EntryOffsets): Finding[] {
    const end = Math.min(stored.next, this.tree.size);
    const remembered = this.tree.leafHashes(stored.first, Math.max(end, stored.first));
    const found = Buffer.allocUnsafe(offsets.count * HASH_BYTES);
    for (let i = 0; i < offsets.count; i++) {
      found.set(leafHashInPlace(body, offsets.start(i), offsets.end(i)), i * HASH_BYTES);
    }
    if (!found.equals(remembered)) return [this.diagnose(stored, body, offsets, split(remembered), split(found))];
    const note = body.subarray(offsets.start(offsets.count - 1), offsets.end(offsets.count - 1));
    const block = parseBlockText(parseNote(note).text);
    const mismatch = rowMismatch(stored, block, found.subarray(-HASH_BYTES));
    return mismatch ? [{ code: 'block.chain', index: stored.first, height: stored.height, detail: mismatch }] : [];
  }

  private diagnose(
    stored: StoredBlock,
    body: Buffer,
    offsets: EntryOffsets,
    remembered: readonly Hash[],
    found: readonly Hash[],
  ): Finding {
    const { difference, position, count } = align(remembered, found)!;
    const index = stored.first + position;
    const { height } = stored;
    const hashes = {
      expected: remembered[position]?.toString('base64') ?? 'nothing',
      found: found[position]?.toString('base64') ?? 'nothing',
    };
    const noteChanged = !remembered.at(-1)?.equals(found.at(-1) ?? Buffer.alloc(0));
    if (noteChanged && offsets.count > 0) {
      const note = body.subarray(offsets.start(offsets.count - 1), offsets.end(offsets.count - 1));
      const rewritten = this.judgeNote(note);
      if (rewritten) {
        const detail = `block ${height} was rewritten: ${rewritten.detail}`;
        return { code: rewritten.code, index, height, detail, ...hashes };
      }
    }
    const detail = `block ${height}: ${count} of ${remembered.length} entries ${difference}, entry ${index} is the first`;
    return { code: VERDICT[difference], index, height, detail, ...hashes };
  }

  /** A block note that is not the remembered one: without the log key it is a forgery, with it another history. */
  private judgeNote(note: Buffer): { code: VerdictCode; detail: string } | null {
    const keys = this.keys();
    try {
      if (entryKind(note) !== 'block') return null;
      openBlock(note, keys ? [keys.log] : []);
      return { code: 'checkpoint.mismatch', detail: 'its note is signed by the log key, but it is not the sealed one' };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return error.code === 'entry.kind' ? null : { code: 'block.signature', detail: error.message };
    }
  }
}

function split(hashes: Buffer): Hash[] {
  const list: Hash[] = [];
  for (let at = 0; at < hashes.length; at += HASH_BYTES) list.push(hashes.subarray(at, at + HASH_BYTES));
  return list;
}
