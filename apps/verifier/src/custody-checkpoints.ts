/**
 * One checkpoint a size: every checkpoint that the log key signed and that comes before this verifier (announcements, the
 * table, requests to witness it) is compared with the first of its size that did. Two are a fork, `log.forked`, and the two
 * notes prove it to anybody, whether or not either of them fits the stored entries.
 *
 * The newest sizes are remembered here. Of an older size the one that fits the derived tree is looked for: cosigned here,
 * or in the table. So memory is bounded, and a restart forgets nothing that still stands somewhere.
 */

import {
  equalHash,
  FormatError,
  logKeyAt,
  openCheckpoint,
  parseCheckpointText,
  parseNote,
  type Finding,
  type KeysOfLog,
  type OpenedCheckpoint,
} from '@everseal/audit-core';
import { checkpointAt, newestCheckpoint } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { unlessSpoiled } from './custody-read.js';
import type { RememberedTree } from './remembered-tree.js';

/** At one a second the newest quarter of an hour; some 400 bytes each. */
const MOST_SIZES = 1_024;

export class CustodyCheckpoints {
  private readonly seen = new Map<number, { opened: OpenedCheckpoint; note: string }>();

  constructor(
    private readonly origin: string,
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly tree: RememberedTree,
    private readonly keys: () => KeysOfLog,
    /** The newest checkpoint that was cosigned here; null before the first. */
    private readonly cosigned: () => string | null,
    private readonly report: (finding: Finding, evidence: Record<string, string>) => void,
  ) {}

  /** Compares the newest row of the table. */
  async look(): Promise<void> {
    const row = await unlessSpoiled(() => newestCheckpoint(this.pool, this.ledgerId), null);
    if (row) await this.take(row.note, 'the table');
  }

  /**
   * Compares a checkpoint with what is known of its size; true when it is half of a fork. One that the log key did not
   * sign is nobody's word.
   * @param where it came from, for people
   */
  async take(note: string, where: string): Promise<boolean> {
    const opened = this.open(note);
    if (!opened || opened.size === 0) return false;
    const first = this.seen.get(opened.size) ?? (await this.older(opened));
    if (first && !equalHash(first.opened.root, opened.root)) {
      const detail = `two checkpoints of size ${opened.size} are signed by the log key; the second came with ${where}`;
      const [expected, found] = [first.opened, opened].map(({ root }) => root.toString('base64')) as [string, string];
      const finding: Finding = { code: 'log.forked', index: opened.size, height: null, detail, expected, found };
      this.report(finding, { first: first.note, second: note });
      return true;
    }
    if (!first) this.remember(opened, note);
    return false;
  }

  /** Another one of a size that this verifier no longer remembers, if one stands anywhere. */
  private async older({ size, root }: OpenedCheckpoint): Promise<{ opened: OpenedCheckpoint; note: string } | null> {
    // One that fits the tree is what everybody has; only one that does not is worth a look.
    if (size > this.tree.size || equalHash(await this.tree.rootAt(size), root)) return null;
    const row = await unlessSpoiled(() => checkpointAt(this.pool, this.ledgerId, size), null);
    for (const note of [this.cosigned(), row?.note ?? null]) {
      const opened = note === null ? null : this.open(note);
      if (opened && opened.size === size && !equalHash(opened.root, root)) return { opened, note: note! };
    }
    return null;
  }

  private open(note: string): OpenedCheckpoint | null {
    try {
      const logKey = logKeyAt(this.keys(), parseCheckpointText(parseNote(note).text).size);
      return logKey && openCheckpoint(note, [logKey], this.origin);
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
  }

  private remember(opened: OpenedCheckpoint, note: string): void {
    this.seen.set(opened.size, { opened, note });
    for (const size of this.seen.keys()) {
      if (this.seen.size <= MOST_SIZES) return;
      this.seen.delete(size);
    }
  }
}
