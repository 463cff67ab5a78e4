/**
 * Looks a signed frame up in the log, as this verifier has derived it. The table `frame` says where to look, and is believed
 * only where the remembered leaf hash agrees; what an entry says is read from the database and believed only if it hashes
 * to that leaf. So a spoiled row or body makes a frame `unknown` and never sealed, lost or in conflict.
 *
 * A gap record stands right before the frame that ends it, so the gap over a number is found in the log itself, closed for
 * good or not: at the place before the lane's next sealed frame.
 */

import {
  DebtBook,
  equalHash,
  FormatError,
  leafHash,
  parseFrameText,
  parseGapText,
  parseNote,
  placeOfFrame,
  type Frame,
  type FrameHead,
  type Gap,
  type Hash,
} from '@everseal/audit-core';
import { framesAt, readEntry, sealedFrameAfter, type SealedFrame } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { unlessSpoiled } from './custody-read.js';
import type { FollowLedger } from './follow-ledger.js';

/** A gap record of the log. */
export interface GapRecord {
  readonly gap: Gap;
  readonly index: number;
  readonly note: string;
}

export type FrameFound =
  | { readonly state: 'sealed'; readonly index: number }
  /** Another frame of that number is sealed; `note` is its own. */
  | { readonly state: 'other'; readonly index: number; readonly note: string }
  /** The log says that the frame is missing; the record is null where it cannot be read now. */
  | { readonly state: 'gap'; readonly record: GapRecord | null }
  | { readonly state: 'unsealed' | 'unknown' };

/** A frame that is looked for. */
export interface WantedFrame {
  readonly frame: Pick<Frame, 'ingester' | 'number'>;
  readonly hash: Hash;
}

export class CustodyLog {
  constructor(
    private readonly pool: Pool,
    private readonly follow: FollowLedger,
  ) {}

  /** Entries derived so far. */
  get size(): number {
    return this.follow.size;
  }

  get heads(): ReadonlyMap<string, FrameHead> {
    return this.follow.memory.heads;
  }

  /** Leaf hashes of entries [from, to), which must be derived. */
  leafHashes(from: number, to: number): Buffer {
    return this.follow.tree.leafHashes(from, to);
  }

  /** The places of frames of one ingester, in their order. @throws StoreError that may pass */
  async find(ingester: string, frames: readonly WantedFrame[]): Promise<FrameFound[]> {
    const { heads, debts } = this.follow.memory;
    const head = heads.get(ingester) ?? null;
    const open = new DebtBook([...debts]).ranges(ingester);
    const old = frames.map(({ frame }) => frame.number).filter((number) => head !== null && number < head.number);
    const rows = new Map((await this.rowsAt(ingester, old)).map((row) => [row.number, row]));
    const found: FrameFound[] = [];
    for (const { frame, hash } of frames) {
      const row = rows.get(frame.number) ?? null;
      const place = placeOfFrame(frame.number, hash, { head, debts: open, row, leafAt: this.leafAt });
      if (place.state === 'other') found.push(await this.other(frame, place.index));
      else if (place.state === 'gap' || place.state === 'unknown') found.push(await this.missing(frame, place.state));
      else found.push(place.state === 'sealed' ? { state: 'sealed', index: place.index } : { state: 'unsealed' });
    }
    return found;
  }

  private readonly leafAt = (index: number): Hash | null =>
    Number.isSafeInteger(index) && index >= 0 && index < this.follow.tree.size
      ? this.follow.tree.leafHash(index)
      : null;

  private async rowsAt(ingester: string, numbers: readonly number[]): Promise<SealedFrame[]> {
    if (numbers.length === 0) return [];
    return unlessSpoiled(() => framesAt(this.pool, this.follow.ledgerId, ingester, numbers), []);
  }

  /** Shows the frame that stands in another's place; what is there may be no frame of that number at all. */
  private async other({ ingester, number }: WantedFrame['frame'], index: number): Promise<FrameFound> {
    const note = await this.entryAt(index);
    const there = note && parsed(() => parseFrameText(parseNote(note).text));
    const isIt = there !== null && there.ingester === ingester && there.number === number;
    return isIt ? { state: 'other', index, note: note!.toString() } : { state: 'unknown' };
  }

  private async missing({ ingester, number }: WantedFrame['frame'], state: 'gap' | 'unknown'): Promise<FrameFound> {
    const record = await this.gapOver(ingester, number);
    return record || state === 'gap' ? { state: 'gap', record } : { state };
  }

  private async gapOver(ingester: string, number: number): Promise<GapRecord | null> {
    const { pool, follow } = this;
    const next = await unlessSpoiled(() => sealedFrameAfter(pool, follow.ledgerId, ingester, number), null);
    const leaf = next && this.leafAt(next.position);
    if (!next || !leaf || !equalHash(leaf, next.hash)) return null;
    const index = next.position - 1;
    const note = await this.entryAt(index);
    const gap = note && parsed(() => parseGapText(parseNote(note).text));
    if (!gap || gap.ingester !== ingester || number < gap.first || gap.last < number) return null;
    return { gap, index, note: note.toString() };
  }

  /** The sealed bytes of an entry; null when what is stored is not them. */
  async entryAt(index: number): Promise<Buffer | null> {
    const leaf = this.leafAt(index);
    if (!leaf) return null;
    const entry = await unlessSpoiled(() => readEntry(this.pool, this.follow.ledgerId, index), null);
    return entry && equalHash(leafHash(entry), leaf) ? entry : null;
  }
}

function parsed<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
