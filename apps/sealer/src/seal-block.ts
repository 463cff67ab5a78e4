/**
 * How the block being filled becomes a committed one: cut, handed to Postgres, and the next one begun, without waiting for
 * the commit; and how the cursor moves when there is nothing to seal.
 */

import { formatTimestamp } from '@everseal/audit-core';
import { advanceCursor, commitBlock } from '@everseal/ledger-store';
import { timeOfBlock } from './block-time.js';
import { OpenBlock } from './open-block.js';
import { expectedHead, sealedState, type Sealing, type SealerParts } from './sealing.js';

/** The block after `after`, empty. */
export function newBlock(
  origin: string,
  { height, previous, tree, tiles }: Pick<Sealing, 'height' | 'previous' | 'tree' | 'tiles'>,
): OpenBlock {
  return new OpenBlock({ origin, height, previous }, tree, (full) => tiles.keep(full));
}

type BlockParts = Pick<SealerParts, 'origin' | 'ledgerId' | 'pool' | 'now' | 'onSealed'>;

/**
 * Commits the block being filled, after the one before, and begins the next. Does not wait for the commit.
 * @throws of the commit before; StopProcess clock.ahead; StoreError
 */
export async function sealBlock(parts: BlockParts, sealing: Sealing): Promise<void> {
  await sealing.commit.done();
  const time = await timeOfBlock(sealing, parts.now);
  sealing.commit.begin(commitOpen(parts, sealing, time));
  sealing.open = newBlock(parts.origin, sealing);
  sealing.pending = false;
}

/** Only skipped or held frames: the cursor moves without a block. @throws of the commit before; StoreError */
export async function moveCursor({ pool, ledgerId }: BlockParts, sealing: Sealing): Promise<void> {
  const { source, commit, held } = sealing;
  await commit.done();
  await advanceCursor(pool, expectedHead(sealing, ledgerId), source.cursor, held.takeUnstored());
  sealing.pending = false;
}

/** Cuts the block and commits it; everything the next block needs is in memory before the commit is under way. */
function commitOpen(parts: BlockParts, sealing: Sealing, time: number): Promise<void> {
  const cut = sealing.open.cut(formatTimestamp(time), sealing.logKey);
  const expect = expectedHead(sealing, parts.ledgerId, cut.block.first);
  sealing.height = cut.block.height + 1;
  sealing.previous = cut.hash;
  sealing.sealed = cut.block.sealed;
  sealing.cutAt = performance.now();
  const sealed = sealedState(sealing, cut.block.height, cut.size, cut.root);
  // Crash before COMMIT: nothing of this block exists, its frames are read from the stream again.
  // Crash after COMMIT, or its answer lost: the head row names this block, recovery goes on behind it.
  return commitBlock(parts.pool, {
    expect,
    block: { ...cut.block, hash: cut.hash, next: cut.size },
    body: cut.body,
    tiles: cut.tiles,
    frames: cut.frames,
    gaps: cut.gaps,
    waiting: sealing.held.takeUnstored(),
    frontier: cut.frontier,
    keysIndex: sealing.keysIndex,
    cursor: sealing.source.cursor,
  }).then(() => parts.onSealed(sealed, cut));
}
