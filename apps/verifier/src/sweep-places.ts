/**
 * Where each sweep stands, on disk, so that after a restart it goes on with what was not re-read for longest.
 *
 * The file decides the order of reading and nothing else. A place counts only when the remembered tree proves it: the entry
 * before it must be the block note of the block before it. One that is wrong, or a file that is gone or damaged, means
 * beginning at entry 0. And a pass that begins in the middle reads what lies before, too, before it counts as a full one.
 */

import { readFileSync } from 'node:fs';
import { equalHash, FormatError, leafHash, parseBlockText, parseNote, splitBundle } from '@everseal/audit-core';
import { readBodies } from '@everseal/ledger-store';
import { replaceFile } from '@everseal/process';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { Place } from './check-stored-block.js';
import type { SweepName } from './ledger-coverage.js';
import type { RememberedTree } from './remembered-tree.js';
import { isRefusal, saidOfValue } from './stored-value.js';

/** A stretch of one pass. */
export interface Leg {
  /** Where it begins: the beginning of a block. */
  readonly from: Place;
  /** Entries from here on are not its business. */
  readonly until: number;
  /** Told now and then how far it has come. */
  readonly reached: (place: Place) => void;
}

export const BEGINNING: Place = { height: 0, first: 0 };
export const WHOLE: Leg = { from: BEGINNING, until: Infinity, reached: () => undefined };

const place = z.object({ height: z.int().min(0), first: z.int().min(0) });
const written = z.object({
  places: z.partialRecord(z.enum(['bodies', 'index']), place),
  /** Ends of the last full passes, milliseconds since 1970. */
  endedAt: z.partialRecord(z.enum(['bodies', 'index', 'stored']), z.int().min(0)),
});
type Written = z.output<typeof written>;

export class SweepPlaces {
  private readonly kept: Written;
  private saved: string;

  constructor(private readonly file: string) {
    this.kept = readWritten(file);
    this.saved = JSON.stringify(this.kept);
  }

  /** What an earlier process said, or this one since. */
  get endedAt(): Partial<Record<SweepName, number>> {
    return this.kept.endedAt;
  }

  ended(name: SweepName, at: number): void {
    this.kept.endedAt[name] = at;
  }

  reached(name: SweepName, { height, first }: Place): void {
    if (name !== 'stored') this.kept.places[name] = { height, first };
  }

  /** Writes what changed; call it now and then, and at the end. */
  save(): void {
    const text = JSON.stringify(this.kept);
    if (text === this.saved) return;
    replaceFile(this.file, text);
    this.saved = text;
  }

  /** Where a sweep stood, when the tree proves it; else the beginning. */
  async proven(name: SweepName, pool: Pool, ledgerId: number, tree: RememberedTree): Promise<Place> {
    const stood = name === 'stored' ? undefined : this.kept.places[name];
    if (stood === undefined || stood.height === 0 || stood.first === 0 || stood.first > tree.size) return BEGINNING;
    try {
      let body: Buffer | null = null;
      for await (const stored of readBodies(pool, ledgerId, stood.height - 1, 1)) {
        if (stored.height === stood.height - 1) body = stored.body;
      }
      return body !== null && endsBefore(body, stood, tree) ? stood : BEGINNING;
    } catch (error) {
      // What is refused the pass itself meets, and says so; a database that is away is thrown again.
      if (!isRefusal(error)) saidOfValue(error);
      return BEGINNING;
    }
  }
}

/** True when a body's last entry is the remembered one before the place, and is the note of the block before it. */
function endsBefore(body: Buffer, { height, first }: Place, tree: RememberedTree): boolean {
  try {
    const offsets = splitBundle(body);
    const last = offsets.count - 1;
    if (last < 0) return false;
    const note = body.subarray(offsets.start(last), offsets.end(last));
    return (
      equalHash(leafHash(note), tree.leafHash(first - 1)) && parseBlockText(parseNote(note).text).height === height - 1
    );
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function readWritten(file: string): Written {
  const nothing = { places: {}, endedAt: {} };
  try {
    return written.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data ?? nothing;
  } catch {
    return nothing; // not there yet, or damaged: begin anew
  }
}
