/**
 * What is the head? Every run of the sealer starts here, after a crash and on an ordinary day: everything that sealing
 * keeps in memory is made anew from the database, and the tree that the tiles and bodies give must be the one that the
 * head row names. What does not hold together stops the process: nothing may be signed behind it.
 */

import {
  equalHash,
  leafHash,
  openBlock,
  parseFrameText,
  parseNote,
  successorOf,
  ZERO_HASH,
  type DebtBook,
  type Hash,
  type KeySet,
  type SealedKeySet,
  type TileBuilder,
  type TileRef,
  type VerifierKey,
} from '@everseal/audit-core';
import {
  frameHeads,
  readEntry,
  readHead,
  waitingFrames,
  type LedgerHead,
  type StreamCursor,
} from '@everseal/ledger-store';
import { fateOf, StopProcess, type AlertBook } from '@everseal/process';
import type { Pool } from 'pg';
import { HeldLanes } from './held-lanes.js';
import { Lanes, type LaneHead } from './lanes.js';
import { isUnknown } from './lease.js';
import { LogTiles, recallTree } from './log-tiles.js';
import { recallDebts } from './recall-debts.js';
import { recallKeys } from './recall-keys.js';

/** The ledger to recover. */
export interface RecoveredFrom {
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  /** The key-set note that is entry 0. */
  readonly genesis: Buffer;
  /** Bytes of held frames that a lane may have. */
  readonly heldBytes: number;
  readonly alerts: AlertBook;
  /** Ticked while it reads what an ingester may make long. */
  readonly onTurn: () => void;
}

/** The state of sealing behind the newest committed block. */
export interface RecoveredHead {
  readonly tree: TileBuilder;
  readonly tiles: LogTiles;
  readonly lanes: Lanes;
  readonly held: HeldLanes;
  readonly cursor: StreamCursor;
  readonly keys: KeySet;
  readonly keysNote: string;
  /** Index of the newest key set; −1 before block 0. */
  readonly keysIndex: number;
  readonly formerIngest: readonly VerifierKey[];
  readonly logKeys: readonly VerifierKey[];
  readonly keySets: readonly SealedKeySet[];
  /** Frames that gap records declared lost and that may still come. */
  readonly debts: DebtBook;
  /** Height of the next block. */
  readonly height: number;
  readonly previous: Hash;
  /** Time of the newest block, empty before block 0. */
  readonly sealed: string;
  readonly size: number;
}

/** @throws StopProcess head.*; StoreError */
export async function recoverHead(from: RecoveredFrom): Promise<RecoveredHead> {
  try {
    return await readBack(from);
  } catch (cause) {
    // What is stored does not become good by itself: no retry, and no message to refuse either.
    if (isTransient(cause) || cause instanceof StopProcess) throw cause;
    throw damaged(from, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** Postgres cannot be asked at the moment, or its answer was lost. */
function isTransient(error: unknown): boolean {
  return fateOf(error) === 'retry' || isUnknown(error);
}

function damaged({ origin }: RecoveredFrom, what: string, cause?: unknown): StopProcess {
  return new StopProcess(
    'head.damaged',
    `the stored ledger ${origin} cannot be recovered: ${what}; nothing is sealed behind it. Find out what changed it ` +
      'and restore the damaged rows, then start the sealer again',
    { cause },
  );
}

/** Raised whenever a proof needed the tile; the verifier's sweep of all tiles is what finds it good again. */
function alertTile({ alerts, origin }: RecoveredFrom, { level, number }: TileRef): void {
  const detail = `stored tile ${level}/${number} of ${origin} is not what the entries give; proofs are made without it`;
  const index = number * 256 ** (level + 1);
  alerts.raise(
    `tile ${level}/${number} of ${origin}`,
    { code: 'tile.altered', index, height: null, detail },
    { ledger: origin, stands: true },
  );
}

async function readBack(from: RecoveredFrom): Promise<RecoveredHead> {
  const { pool, ledgerId, origin } = from;
  const head = await readHead(pool, ledgerId);
  if (head.origin !== origin) {
    throw new StopProcess('head.origin', `the database holds ledger ${head.origin}, not ${origin}`);
  }
  if (head.state === 'closed') {
    throw new StopProcess(
      'ledger.closed',
      `${origin} is closed: it lost blocks that nobody has, and ${successorOf(origin)} continues it. Take it out of this ` +
        "sealer's settings",
    );
  }
  const tree = await recallTree(pool, ledgerId, head.size);
  const frontier = tree.frontier().hashes();
  if (frontier.length !== head.frontier.length || frontier.some((hash, i) => !equalHash(hash, head.frontier[i]!))) {
    throw new StopProcess(
      'head.frontier',
      `the stored tiles of ${origin} do not give the tree of its head row (size ${head.size})`,
    );
  }
  const keys = await recallKeys(from, head, tree);
  const lanes = new Lanes(await recallLanes(from));
  const tiles = new LogTiles(tree, pool, ledgerId, (tile) => alertTile(from, tile));
  return {
    tree,
    tiles,
    debts: await recallDebts(from, tiles),
    ...keys,
    ...(await recallNewest(from, head, keys.keys)),
    lanes,
    held: new HeldLanes(await waitingFrames(pool, ledgerId), (ingester) => lanes.head(ingester)?.number ?? 0, {
      held: from.heldBytes,
    }),
    cursor: head.cursor,
    size: head.size,
  };
}

/** The newest block, as its note says it: the head row's word for it would be sealed over. */
async function recallNewest(
  { pool, ledgerId, origin }: RecoveredFrom,
  head: LedgerHead,
  keys: KeySet,
): Promise<{ height: number; previous: Hash; sealed: string }> {
  if (head.size === 0) return { height: 0, previous: ZERO_HASH, sealed: '' };
  const note = await readEntry(pool, ledgerId, head.size - 1);
  const { height, sealed } = openBlock(note, [keys.log]);
  if (height !== head.height || !equalHash(leafHash(note), head.previous!)) {
    throw new StopProcess('head.block', `the head row of ${origin} does not name the block that stands at its end`);
  }
  return { height: height + 1, previous: head.previous!, sealed };
}

async function recallLanes(from: RecoveredFrom): Promise<Map<string, LaneHead>> {
  const { pool, ledgerId, origin } = from;
  const lanes = new Map<string, LaneHead>();
  for (const { ingester, number, hash, position } of await frameHeads(pool, ledgerId)) {
    const note = await readEntry(pool, ledgerId, position);
    if (!equalHash(leafHash(note), hash)) {
      throw new StopProcess('head.frame', `table frame of ${origin} does not say what entry ${position} is`);
    }
    const frame = parseFrameText(parseNote(note).text);
    if (frame.origin !== origin || frame.ingester !== ingester || frame.number !== number) {
      throw damaged(from, `table frame says frame ${number} of ${ingester} is entry ${position}, which it is not`);
    }
    const { accepted } = frame;
    lanes.set(ingester, { number, hash, position, accepted, note: note.toString() });
  }
  return lanes;
}
