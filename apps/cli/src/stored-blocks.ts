/** The blocks of a ledger's database in order, looked at one by one: for who may find that one is not there, and go on. */
import type { Finding } from '@everseal/audit-core';
import { readBodies, type StoredBlock } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import type { ArchivedBody } from './archive.js';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';

/** One COPY at a time: a long one would keep the server from cleaning up. */
const BLOCKS_A_READ = 64;

export class StoredBlocks {
  private reading: AsyncGenerator<StoredBlock> | null = null;
  private read = 0;
  private ahead: StoredBlock | null = null;
  private ended = false;

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    /** Where the next read begins. */
    private from: number,
  ) {}

  /** The block of this height as it stands; null when it, or its body, does not. Heights are asked for in order. */
  async at(height: number): Promise<ArchivedBody | null> {
    const block = await this.peek();
    if (block === null || block.height > height) return null;
    this.ahead = null;
    return block.body ? { body: block.body, record: `block ${height} of the database` } : null;
  }

  /** Height of the next block that stands; null when none does. */
  async nextHeight(): Promise<number | null> {
    return (await this.peek())?.height ?? null;
  }

  /** Gives the connection back, wherever reading stands. */
  async close(): Promise<void> {
    await this.reading?.return(undefined);
    this.reading = null;
  }

  private async peek(): Promise<StoredBlock | null> {
    if (this.ahead === null && !this.ended) this.ahead = await this.next();
    return this.ahead;
  }

  private async next(): Promise<StoredBlock | null> {
    for (;;) {
      this.reading ??= readBodies(this.pool, this.ledgerId, this.from, BLOCKS_A_READ);
      const { value, done } = await this.reading.next();
      if (!done) {
        this.read += 1;
        this.from = value.height + 1;
        return value;
      }
      this.reading = null;
      const isShort = this.read < BLOCKS_A_READ;
      this.read = 0;
      if (isShort) {
        this.ended = true;
        return null;
      }
    }
  }
}

/** What is wrong with a block, and where. */
export function saidOfBlock(height: number, { code, index, detail }: Finding): string {
  return `${code} at block ${height}${index === null ? '' : `, entry ${index}`}: ${detail}`;
}

/** A record of the database that is there and is not what it has to be. @param done what was written before it was found */
export function badStored(record: string, what: string, done: string): CliFailure {
  const help = 'find out who changed it and put the right bytes back first (docs/operations/runbook.md)';
  return new CliFailure(EXIT.findings, `${record} is not good: ${what}; ${help}; ${done}`);
}
