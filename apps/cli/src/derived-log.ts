/**
 * A log as its database holds it, derived from entry 0 block by block: hashes, roots, signatures and chains, and every checkpoint that
 * is known from elsewhere. Nothing that the database says about a block is believed, and a block that is not good ends it.
 */
import { LogReplay, type CheckpointGoals, type Hash, type LogTrust, type ReplayedBlock } from '@everseal/audit-core';
import type { Pool } from 'pg';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import { badStored, saidOfBlock, StoredBlocks } from './stored-blocks.js';

export interface LogSource {
  readonly pool: Pool;
  readonly ledgerId: number;
  readonly trust: LogTrust;
  readonly goals: CheckpointGoals;
  readonly signal: AbortSignal;
}

export interface DerivedBlock {
  readonly block: ReplayedBlock;
  /** Root of the log up to its end. */
  readonly root: Hash;
}

/**
 * The blocks up to a height.
 * @param done what is to be said was written, when it does not come to its end
 * @throws CliFailure naming the first block that is not good, or a checkpoint that the log does not reach; StoreError
 */
export async function* deriveLog(source: LogSource, height: number, done: () => string): AsyncGenerator<DerivedBlock> {
  const { pool, ledgerId, trust, goals, signal } = source;
  const replay = LogReplay.empty(trust);
  const stored = new StoredBlocks(pool, ledgerId, 0);
  try {
    while (replay.height <= height) {
      if (signal.aborted) throw new CliFailure(EXIT.unavailable, `interrupted: ${done()}; run this again`);
      const { height: at, size } = replay;
      const found = await stored.at(at);
      if (found === null) throw badStored(`block ${at} of the database`, 'block.missing: it is not there', done());
      const result = replay.read(found.body);
      const finding = result.ok ? goals.judge(size, replay) : result.finding;
      if (finding !== null) throw badStored(found.record, saidOfBlock(at, finding), done());
      if (result.ok) yield { block: result.block, root: replay.root };
    }
    const goal = goals.beyond(replay.size);
    if (goal === null) return;
    const what = `log.truncated: it ends at size ${replay.size}, a checkpoint of size ${goal.checkpoint.size} exists (${goal.from})`;
    throw badStored(`the log in the database`, what, done());
  } finally {
    await stored.close();
  }
}
