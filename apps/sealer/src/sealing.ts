/**
 * What a sealer is given, what it keeps in memory while it seals, and what it hands on about a committed block. The
 * procedure is in seal-ledger.ts.
 */

import type { DebtBook, Hash, KeySet, SealedKeySet, SigningKey, TileBuilder, VerifierKey } from '@everseal/audit-core';
import type { ExpectedHead } from '@everseal/ledger-store';
import type { StreamReader } from '@everseal/messaging';
import type { AlertBook, Logger } from '@everseal/process';
import type { Pool } from 'pg';
import type { CommitUnderWay } from './commit-under-way.js';
import type { DatabaseClock } from './database-clock.js';
import type { DebtQuestions } from './debt-questions.js';
import type { FrameSource } from './frame-source.js';
import type { HeldLanes } from './held-lanes.js';
import type { LaneHead, Lanes } from './lanes.js';
import type { Lease } from './lease.js';
import type { LogTiles } from './log-tiles.js';
import type { CutBlock, OpenBlock } from './open-block.js';
import type { Resend } from './resend.js';

/** A block waits this long for more frames after its first one. */
const BLOCK_LINGER_MS = 250;
/** An idle sealer looks around this often. */
const IDLE_TURN_MS = 1_000;

/** The state after a committed block: what a checkpoint may be made of. */
export interface Sealed {
  readonly height: number;
  readonly size: number;
  readonly root: Hash;
  readonly sealed: string;
  readonly keys: KeySet;
  readonly keysNote: string;
  readonly keysIndex: number;
  /** The key sets between the log's first and this one, oldest first. */
  readonly keysBefore: readonly string[];
  /** With which its checkpoint is signed: the log key in force. */
  readonly logKey: SigningKey;
  /** Every log key that the ledger ever went by. */
  readonly logKeys: readonly VerifierKey[];
  readonly heads: ReadonlyMap<string, LaneHead>;
  readonly debts: DebtBook;
  readonly tiles: LogTiles;
  readonly fence: number;
}

export interface SealerParts {
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  readonly lease: Lease;
  readonly reader: StreamReader;
  /** The private log key whose public half this is; null when this sealer does not have it. */
  readonly logKeyOf: (key: VerifierKey) => SigningKey | null;
  /** The key-set note that becomes entry 0 of an empty ledger. */
  readonly genesis: Buffer;
  /** The note that becomes entry 1 of a ledger that continues a closed one; null for any other. */
  readonly successor: Buffer | null;
  /** Bytes of held frames that a lane may have: as much as its ingester may have unsealed, the spool's bound. */
  readonly heldBytes: number;
  /** Age of a waiting frame at which a gap record is sealed in front of it, milliseconds. */
  readonly gapAfterMs: number;
  readonly alerts: AlertBook;
  readonly log: Logger;
  readonly now: () => number;
  readonly subjectOf: (ingester: string) => string;
  /** Asks an ingester for a frame message; null when there is no answer, or it does not hold it. Never rejects. */
  readonly resend: (ingester: string, number: number) => Promise<Buffer | null>;
  /** Runs once a recovery: the checkpoint that verifiers know must be in this database (architecture §6 "Lease"). */
  readonly confirmHead: (size: number, sealed: Sealed | null) => Promise<void>;
  /** Ticked while sealing, with every held frame that is freed, or waiting for the lease: the loop is alive. */
  readonly onTurn: () => void;
  /** Told of every committed block, its body included. */
  readonly onSealed: (sealed: Sealed, block: CutBlock | null) => void;
}

/** What sealing keeps in memory from block to block, and the block being filled. */
export interface Sealing {
  readonly fence: number;
  readonly tree: TileBuilder;
  readonly tiles: LogTiles;
  readonly lanes: Lanes;
  readonly held: HeldLanes;
  readonly source: FrameSource;
  readonly resend: Resend;
  readonly debts: DebtBook;
  readonly debtQuestions: DebtQuestions;
  readonly formerIngest: readonly VerifierKey[];
  logKeys: readonly VerifierKey[];
  /** All key sets but the newest, the log's first included. */
  keySets: readonly SealedKeySet[];
  keys: KeySet;
  keysNote: string;
  keysIndex: number;
  /** Of `keys`. */
  logKey: SigningKey;
  /** Height of the next block, hash and time of the one before. */
  height: number;
  previous: Hash;
  sealed: string;
  readonly postgres: DatabaseClock;
  readonly commit: CommitUnderWay;
  /** Last sequence of the stream when this run first saw it: what is missing may still stand before it. */
  streamEnd: number;
  /** The block being filled, and performance.now() of its first entry. */
  open: OpenBlock;
  openedAt: number;
  /** performance.now() of the newest cut, or of the beginning. */
  cutAt: number;
  /** Messages were dealt with that no transaction carries yet. */
  pending: boolean;
}

/** Milliseconds that the loop may wait for messages: until the block being filled is due, if there is one. */
export function lingerOf({ open, openedAt }: Sealing): number {
  if (open.entries === 0) return IDLE_TURN_MS;
  return Math.max(0, openedAt + BLOCK_LINGER_MS - performance.now());
}

/** All that stood on the stream at the beginning of this run was read. */
export function isCaughtUp({ source, streamEnd }: Sealing): boolean {
  // A last message that was deleted leaves its number behind: then nothing more comes.
  return source.sequence >= streamEnd || source.drainedAt > -Infinity;
}

/** What the head row must say before the next write; `size` is that of the block before. */
export function expectedHead(sealing: Sealing, ledgerId: number, size = sealing.tree.size): ExpectedHead {
  const previous = sealing.height === 0 ? null : sealing.previous;
  return { ledgerId, fence: sealing.fence, height: sealing.height - 1, size, previous };
}

export function sealedState(sealing: Sealing, height: number, size: number, root: Hash): Sealed {
  const { fence, tiles, keys, keysNote, keysIndex, keySets, logKey, logKeys, sealed } = sealing;
  const keysBefore = keySets.slice(1).map(({ note }) => note);
  // Of exactly this block: both change while it is committed.
  const lanes = { heads: sealing.lanes.snapshot(), debts: sealing.debts.clone() };
  return { height, size, root, sealed, keys, keysNote, keysIndex, keysBefore, logKey, logKeys, ...lanes, tiles, fence };
}
