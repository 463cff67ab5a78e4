/**
 * Putting lost blocks back, in two passes over one log: blocks that stand in the database are read from there, the others
 * from the archive.
 *
 *   check    from entry 0 to the end of both, nothing is written: every block must continue the one before, every checkpoint
 *            that is known must be passed. What comes out is the plan: which blocks are lost, and their hashes
 *   write    from the first lost block on, read and derived again: each must be the planned one, one transaction each
 *
 * Either pass may be killed: what is written are whole blocks of the one log, and the next run plans the rest.
 */
import type { CheckpointGoals, Finding, Hash, LogTrust, ReplayedBlock } from '@everseal/audit-core';
import { equalHash, LogReplay } from '@everseal/audit-core';
import { restoreBlock } from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { badRecord, type Archive, type ArchivedBody } from './archive.js';
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';
import { badStored, saidOfBlock, StoredBlocks } from './stored-blocks.js';

export interface RestoreParts {
  readonly pool: Pool;
  readonly ledgerId: number;
  readonly trust: LogTrust;
  readonly archive: Archive;
  readonly goals: CheckpointGoals;
  /** Height that the head row names. */
  readonly headHeight: number;
  /** Whether to leave out what the archive holds beyond the newest known checkpoint. */
  readonly onlyKnown: boolean;
  readonly signal: AbortSignal;
  /** Told of entries as they are checked. */
  readonly onChecked: (entries: number) => void;
}

/** What has to be put back. */
export interface RestorePlan {
  /** Hashes of the lost blocks by height, in order. */
  readonly lost: ReadonlyMap<number, Hash>;
  /** The log in front of the first lost one. */
  readonly before: LogReplay;
  /** Where the log stands with all of them. */
  readonly size: number;
  readonly height: number;
}

/** @throws CliFailure naming the first bad record; StoreError. Nothing was written */
export async function planRestore(parts: RestoreParts): Promise<RestorePlan> {
  const stored = new StoredBlocks(parts.pool, parts.ledgerId, 0);
  try {
    return await check(parts, stored);
  } finally {
    await stored.close();
  }
}

async function check(parts: RestoreParts, stored: StoredBlocks): Promise<RestorePlan> {
  const replay = LogReplay.empty(parts.trust);
  const lost = new Map<number, Hash>();
  let before: LogReplay | null = null;
  for (;;) {
    throwIfAborted(parts.signal, 'nothing was written');
    const { height, size } = replay;
    const found = await nextBlock(parts, stored, replay);
    if (found === null) break;
    const isLost = !found.isStored || height > parts.headHeight;
    if (isLost) before ??= replay.clone();
    const result = replay.read(found.body);
    const finding = result.ok ? parts.goals.judge(size, replay) : result.finding;
    if (finding !== null) throw badBlock(found, height, finding);
    if (result.ok && isLost) lost.set(height, result.block.hash);
    parts.onChecked(replay.size - size);
  }
  return { lost, before: before ?? replay, size: replay.size, height: replay.height - 1 };
}

interface FoundBlock extends ArchivedBody {
  readonly isStored: boolean;
}

/** The block that follows; null where the log ends. @throws CliFailure where it must not end */
async function nextBlock(
  { archive, goals, onlyKnown }: RestoreParts,
  stored: StoredBlocks,
  { height, size }: LogReplay,
): Promise<FoundBlock | null> {
  const standing = await stored.at(height);
  if (standing !== null) return { ...standing, isStored: true };
  const behind = await stored.nextHeight();
  const goal = goals.beyond(size);
  if (onlyKnown && behind === null && goal === null) return null;
  const archived = await archive.body(height, size);
  if (!('missing' in archived)) return { ...archived, isStored: false };
  if (behind === null && goal === null) return null;
  const needed =
    goal === null
      ? `block ${behind} stands in the database behind it`
      : `a checkpoint of size ${goal.checkpoint.size} exists (${goal.from})`;
  throw new CliFailure(
    EXIT.findings,
    `block ${height}, which begins with entry ${size}, is nowhere, and ${needed}. ${archive.what}: ${archived.missing}. ` +
      'Name another archive with --from, or restore a newer backup first; nothing was written',
  );
}

/** The log as far as the database holds it good and whole; the first block that is not ends it. @throws StoreError */
export async function survivingLog(parts: RestoreParts): Promise<LogReplay> {
  const replay = LogReplay.empty(parts.trust);
  const stored = new StoredBlocks(parts.pool, parts.ledgerId, 0);
  try {
    for (;;) {
      throwIfAborted(parts.signal, 'nothing was written');
      const found = await stored.at(replay.height);
      if (found === null || !replay.read(found.body).ok) return replay;
    }
  } finally {
    await stored.close();
  }
}

/** @param onWritten told of every block that was put back. @throws CliFailure; StoreError */
export async function writeRestore(
  parts: RestoreParts,
  plan: RestorePlan,
  fence: number,
  onWritten: (block: ReplayedBlock) => void,
): Promise<void> {
  const replay = plan.before.clone();
  const stored = new StoredBlocks(parts.pool, parts.ledgerId, replay.height);
  try {
    while (replay.height <= plan.height) {
      throwIfAborted(parts.signal, `blocks below ${replay.height} are put back`);
      const block = await plannedBlock(parts, stored, replay, plan);
      if (!plan.lost.has(block.height)) continue;
      await restoreBlock(parts.pool, parts.ledgerId, fence, { ...block, block });
      // Crash here, or its answer lost: the block stands or not, and the next run plans the rest.
      onWritten(block);
    }
  } finally {
    await stored.close();
  }
}

/** Reads a block again: it must still be the one that was checked. */
async function plannedBlock(
  { archive }: RestoreParts,
  stored: StoredBlocks,
  replay: LogReplay,
  { lost }: RestorePlan,
): Promise<ReplayedBlock> {
  const { height, size } = replay;
  const found = (await stored.at(height)) ?? (await archive.body(height, size));
  if ('missing' in found) throw changed(`block ${height}`, found.missing);
  const result = replay.read(found.body);
  if (!result.ok) throw changed(found.record, result.finding.detail);
  const planned = lost.get(height);
  if (planned && !equalHash(planned, result.block.hash)) throw changed(found.record, 'it is another block now');
  return result.block;
}

function badBlock({ record, isStored }: FoundBlock, height: number, finding: Finding): CliFailure {
  const what = saidOfBlock(height, finding);
  return isStored ? badStored(record, what, 'nothing was written') : badRecord(record, what);
}

function changed(record: string, what: string): CliFailure {
  const message = `${record} changed since it was checked: ${what}. Whole blocks were put back up to there; run this again`;
  return new CliFailure(EXIT.unavailable, message);
}

function throwIfAborted(signal: AbortSignal, done: string): void {
  if (signal.aborted) throw new CliFailure(EXIT.unavailable, `interrupted: ${done}; run this again`);
}
