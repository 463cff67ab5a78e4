/**
 * Entries of one ledger out of the stored blocks. A block's body is read as a whole and kept for a while: whoever asks for one
 * bundle of it mostly asks for the next one, too.
 */
import { FormatError, splitBundle, type EntryOffsets } from '@everseal/audit-core';
import { blocksBetween, readBodies } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import type { ByteCache } from './byte-cache.js';
import { Problem } from './problem.js';

/** A block with its entries found. */
export interface OpenBlock {
  readonly height: number;
  /** Index of its first entry, and of the first one after its own note. */
  readonly first: number;
  readonly next: number;
  /** Entry bundle: its entries and its note. */
  readonly body: Buffer;
  readonly offsets: EntryOffsets;
}

export const blockBytes = ({ body, offsets }: OpenBlock): number => body.length + 4 * offsets.count + 128;

export class LogSource {
  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly cache: ByteCache<OpenBlock>,
  ) {}

  /** Entries [from, to), views of kept blocks. @throws Problem log.damaged; StoreError */
  async entries(from: number, to: number): Promise<Buffer[]> {
    const entries: Buffer[] = [];
    for (const { first, next, body, offsets } of await this.blocks(from, to)) {
      for (let at = Math.max(first, from); at < Math.min(next, to); at++) {
        entries.push(body.subarray(offsets.start(at - first), offsets.end(at - first)));
      }
    }
    if (entries.length !== to - from) damaged(`entries ${from} to ${to}`);
    return entries;
  }

  /** The block that holds an entry, or whose own note it is. @throws as `entries` */
  async block(position: number): Promise<OpenBlock> {
    const [block] = await this.blocks(position, position + 1);
    if (block === undefined || block.first > position) damaged(`entry ${position}`);
    return block;
  }

  private async blocks(from: number, to: number): Promise<OpenBlock[]> {
    const rows = await blocksBetween(this.pool, this.ledgerId, from, to);
    const kept = rows.map(({ height }) => this.cache.peek(this.key(height)));
    const missing = rows.filter((_, i) => kept[i] === undefined).map(({ height }) => height);
    const [lowest, highest] = [missing[0], missing.at(-1)];
    if (lowest === undefined || highest === undefined) return kept as OpenBlock[];
    const read = await this.read(lowest, highest);
    return rows.map(({ height }, i) => kept[i] ?? read.get(height) ?? damaged(`block ${height}`));
  }

  private async read(lowest: number, highest: number): Promise<Map<number, OpenBlock>> {
    const read = new Map<number, OpenBlock>();
    const bodies = readBodies(this.pool, this.ledgerId, lowest, highest - lowest + 1);
    for await (const { height, first, next, body } of bodies) {
      if (body === null) damaged(`the body of block ${height}`);
      const block = { height, first, next, body, offsets: offsetsOf(body, height) };
      if (block.offsets.count !== next - first) damaged(`the body of block ${height}`);
      this.cache.put(this.key(height), block);
      read.set(height, block);
    }
    return read;
  }

  private key(height: number): string {
    return `${this.ledgerId}/${height}`;
  }
}

function offsetsOf(body: Buffer, height: number): EntryOffsets {
  try {
    return splitBundle(body);
  } catch (error) {
    if (error instanceof FormatError) damaged(`the body of block ${height}`, error);
    throw error;
  }
}

/** What a checkpoint covers is not there as it was sealed; the verifiers say what happened to it. @throws Problem log.damaged */
export function damaged(what: string, cause?: Error): never {
  const message = `${what} cannot be read as sealed: ask the operator, whose verifier names what was changed`;
  throw new Problem('log.damaged', message, null, cause === undefined ? {} : { cause });
}
