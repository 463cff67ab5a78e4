/**
 * Sealing one ledger: frames from the stream, blocks into Postgres. One straight procedure with a comment at each crash
 * point that says what recovery finds; recovery is the way every run starts, so it is code that runs every day.
 *
 *     take the lease → recover the head → [ read frames → place each in its lane → fill the block → cut → commit ]*
 *
 * Only the database knows how far sealing is: any failure that is not the process's end leads back to "recover".
 */

import {
  equalHash,
  formatTimestamp,
  leafHash,
  openGenesis,
  openKeySet,
  parseFrameText,
  parseNote,
  parseTimestamp,
  type TileBuilder,
  ZERO_HASH,
  type Hash,
  type KeySet,
  type SigningKey,
  type VerdictCode,
} from '@everseal/audit-core';
import {
  advanceCursor,
  commitBlock,
  databaseTime,
  frameHeads,
  framesAt,
  heldFrames,
  readEntry,
  readHead,
  waitingFrames,
  type ExpectedHead,
  type LedgerHead,
} from '@everseal/ledger-store';
import type { StreamReader, StoredMessage } from '@everseal/messaging';
import { StopProcess, type AlertBook, type Logger } from '@everseal/process';
import type { Pool } from 'pg';
import { checkFrame } from './frame-check.js';
import { FrameSource } from './frame-source.js';
import { HeldLanes } from './held-lanes.js';
import { Lanes, type LaneHead } from './lanes.js';
import type { Lease } from './lease.js';
import { LogTiles, recallTree } from './log-tiles.js';
import { OpenBlock, type CheckedFrame, type CutBlock } from './open-block.js';

/** A block waits this long for more frames after its first one. */
const BLOCK_LINGER_MS = 250;
/** An idle ledger gets a heartbeat block this often. */
const HEARTBEAT_BLOCK_MS = 10 * 60_000;
const STREAM_GUARD_MS = 5_000;
/** A sealer whose clock is further ahead than this of both Postgres and the newest frame does not seal. */
const CLOCK_AHEAD_MS = 10 * 60_000;

/** The state after a committed block: what a checkpoint may be made of. */
export interface Sealed {
  readonly height: number;
  readonly size: number;
  readonly root: Hash;
  readonly sealed: string;
  readonly keys: KeySet;
  readonly keysNote: string;
  readonly keysIndex: number;
  readonly heads: ReadonlyMap<string, LaneHead>;
  readonly tiles: LogTiles;
  readonly fence: number;
}

export interface SealerParts {
  readonly origin: string;
  readonly ledgerId: number;
  readonly pool: Pool;
  readonly lease: Lease;
  readonly reader: StreamReader;
  readonly logKey: SigningKey;
  /** The key-set note that becomes entry 0 of an empty ledger. */
  readonly genesis: Buffer;
  readonly alerts: AlertBook;
  readonly log: Logger;
  readonly now: () => number;
  readonly subjectOf: (ingester: string) => string;
  /** Runs once a recovery: the checkpoint that verifiers know must be in this database (architecture §6 "Lease"). */
  readonly confirmHead: (size: number, sealed: Sealed | null) => Promise<void>;
  /** Ticked while sealing or waiting for the lease: the loop is alive. */
  readonly onTurn: () => void;
  /** Told of every committed block, its body included. */
  readonly onSealed: (sealed: Sealed, block: CutBlock | null) => void;
}

export class SealLedger {
  private source: FrameSource | null = null;
  private lastBlockAt = 0;

  constructor(private readonly parts: SealerParts) {}

  /** There may be a new frame on the stream. */
  nudge(): void {
    this.source?.nudge();
  }

  /** One life with the lease: returns when the signal ends it, throws what the supervising loop has to judge. */
  async run(signal: AbortSignal): Promise<void> {
    const fence = await this.parts.lease.take(signal, this.parts.onTurn);
    if (fence === null) return;
    const ready = await this.recover(fence);
    this.source = ready.source;
    this.lastBlockAt = this.parts.now();
    await this.sealFrames(ready, signal);
  }

  /** A held frame, out of the database again; checked anew, because the database is not to be trusted with it. */
  private readonly fetchHeld =
    (ready: Ready) =>
    async (ingester: string, number: number): Promise<CheckedFrame | null> => {
      const [row] = await heldFrames(this.parts.pool, this.parts.ledgerId, ingester, number, 1);
      if (row?.number !== number) return null;
      const message = {
        sequence: row.sequence ?? 0,
        subject: this.parts.subjectOf(ingester),
        time: '',
        data: row.bytes,
      };
      const result = checkFrame(message, this.parts.origin, ready.keys, this.parts.subjectOf);
      return result.ok ? result.checked : null;
    };

  private async sealedHash(ingester: string, number: number): Promise<Hash | null> {
    const [row] = await framesAt(this.parts.pool, this.parts.ledgerId, ingester, [number]);
    return row?.hash ?? null;
  }

  private async sealFrames(ready: Ready, signal: AbortSignal): Promise<void> {
    let open = this.newBlock(ready);
    let openedAt = 0;
    let commit: Promise<void> = Promise.resolve();
    let guardedAt = 0;
    let pending = false; // messages were dealt with that no transaction carries yet

    if (ready.databaseSize === 0) {
      ready.keysIndex = open.addNote(this.parts.genesis);
      commit = this.seal(ready, open);
      open = this.newBlock(ready);
    }
    while (!signal.aborted) {
      this.parts.onTurn();
      if (this.parts.now() - guardedAt >= STREAM_GUARD_MS) {
        await this.guardStream(ready);
        ready.clockAhead = this.parts.now() - (await databaseTime(this.parts.pool));
        guardedAt = this.parts.now();
      }
      const linger = open.entries > 0 ? openedAt + BLOCK_LINGER_MS - Date.now() : BLOCK_LINGER_MS * 4;
      const messages = await ready.source.read(Math.max(0, linger));
      for (const message of messages) {
        if (open.entries === 0) openedAt = Date.now();
        await this.placeMessage(ready, open, message);
        ready.source.moveTo(message);
        pending = true;
        if (open.full) {
          await commit;
          commit = this.seal(ready, open);
          open = this.newBlock(ready);
          pending = false;
        }
      }
      const due = open.entries > 0 && Date.now() - openedAt >= BLOCK_LINGER_MS;
      if (due || this.parts.now() - this.lastBlockAt >= HEARTBEAT_BLOCK_MS) {
        await commit;
        commit = this.seal(ready, open);
        open = this.newBlock(ready);
        pending = false;
      } else if (pending && open.entries === 0) {
        // Only skipped or held frames: the cursor moves without a block.
        await commit;
        await advanceCursor(this.parts.pool, this.expected(ready), ready.source.cursor, ready.held.takeUnstored());
        pending = false;
      }
    }
    await commit;
  }

  private newBlock(ready: Ready): OpenBlock {
    const { height, previous, sealed } = ready;
    const start = { origin: this.parts.origin, height, previous, sealed };
    return new OpenBlock(start, ready.tree, (tiles) => ready.tiles.keep(tiles));
  }

  /** Seals, skips, holds back or puts aside one message; after it, whatever it set free in its lane. */
  private async placeMessage(ready: Ready, open: OpenBlock, message: StoredMessage): Promise<void> {
    const result = checkFrame(message, this.parts.origin, ready.keys, this.parts.subjectOf);
    if (!result.ok) {
      this.putAside(ready, message, null, result.verdict, result.why);
      return;
    }
    const { checked } = result;
    const { frame, hash } = checked;
    const place = await ready.lanes.place(frame, hash, (ingester, number) => this.sealedHash(ingester, number));
    if (place === 'sealed') return;
    if (place === 'conflict') {
      const head = ready.lanes.head(frame.ingester)?.number ?? 0;
      const why = `frame ${frame.number} of ${frame.ingester} does not fit its lane, which is at ${head}`;
      this.putAside(ready, message, checked, 'custody.conflict', why);
      return;
    }
    if (place === 'ahead') {
      ready.held.hold(checked, message);
      this.alertHeld(ready);
      return;
    }
    this.append(ready, open, checked);
    const freed = await ready.held.free(frame.ingester, frame.number, this.fetchHeld(ready));
    for (const next of freed) this.append(ready, open, next);
    if (freed.length > 0) this.alertHeld(ready);
  }

  private append(ready: Ready, open: OpenBlock, checked: CheckedFrame): void {
    const position = ready.tree.size;
    open.addFrame(checked);
    ready.lanes.advance(checked.frame, checked.hash, position);
  }

  /** Cuts the block and commits it; everything the next block needs is in memory before the commit is under way. */
  private seal(ready: Ready, open: OpenBlock): Promise<void> {
    const { parts } = this;
    const time = Math.max(parts.now(), ready.sealed === '' ? 0 : parseTimestamp(ready.sealed) + 1);
    this.refuseWildClock(ready, time);
    const cut = open.cut(formatTimestamp(time), parts.logKey);
    const expect = this.expected(ready, cut.block.first);
    ready.height = cut.block.height + 1;
    ready.previous = cut.hash;
    ready.sealed = cut.block.sealed;
    this.lastBlockAt = parts.now();
    const sealed = this.sealedState(ready, cut.block.height, cut.size, cut.root);
    // Crash before COMMIT: nothing of this block exists, its frames are read from the stream again.
    // Crash after COMMIT, or its answer lost: the head row names this block, recovery goes on behind it.
    const committed = commitBlock(parts.pool, {
      expect,
      block: { ...cut.block, hash: cut.hash, next: cut.size },
      body: cut.body,
      tiles: cut.tiles,
      frames: cut.frames,
      gaps: [],
      waiting: ready.held.takeUnstored(),
      frontier: cut.frontier,
      keysIndex: ready.keysIndex,
      cursor: ready.source.cursor,
    }).then(() => parts.onSealed(sealed, cut));
    committed.catch(() => undefined); // whoever awaits it next judges the failure
    return committed;
  }

  /** What the head row must say before the next write; `size` is that of the block before. */
  private expected(ready: Ready, size = ready.tree.size): ExpectedHead {
    const previous = ready.height === 0 ? null : ready.previous;
    return { ledgerId: this.parts.ledgerId, fence: ready.fence, height: ready.height - 1, size, previous };
  }

  private sealedState(ready: Ready, height: number, size: number, root: Hash): Sealed {
    const { fence, tiles, keys, keysNote, keysIndex, sealed } = ready;
    return { height, size, root, sealed, keys, keysNote, keysIndex, heads: ready.lanes.snapshot(), tiles, fence };
  }

  private refuseWildClock(ready: Ready, time: number): void {
    const accepted = [...ready.lanes.snapshot().values()].map((head) => parseTimestamp(head.accepted));
    if (ready.clockAhead <= CLOCK_AHEAD_MS || time - Math.max(0, ...accepted) <= CLOCK_AHEAD_MS) return;
    throw new StopProcess(
      'clock.ahead',
      `this sealer's clock (${formatTimestamp(time)}) is more than ten minutes ahead of Postgres and of every frame; ` +
        'set the clock right before sealing goes on',
    );
  }

  private async guardStream(ready: Ready): Promise<void> {
    const check = await ready.source.guard();
    const origin = this.parts.origin;
    if (check.same) {
      if (ready.source.cursor.epoch === '') ready.source.adopt(check.state);
      return;
    }
    this.alert('stream', 'stream.replaced', `the stream of ${origin} is another one: ${check.why}`);
    this.parts.log.warn({ origin, why: check.why }, 'reading the replaced stream from its first message');
    ready.source.restart(check.state);
  }

  private putAside(
    ready: Ready,
    message: StoredMessage,
    frame: CheckedFrame | null,
    code: VerdictCode,
    why: string,
  ): void {
    ready.held.quarantine(message, code, frame);
    this.parts.log.warn({ sequence: message.sequence, code, why }, 'a message of the stream was not sealed');
    const detail = `message ${message.sequence} of the stream is not sealed: ${why}`;
    const evidence = { message: message.data.subarray(0, 4_096).toString('base64'), subject: message.subject };
    this.parts.alerts.raise(
      `stream ${message.sequence}`,
      { code, index: null, height: null, detail },
      { ledger: this.parts.origin, evidence },
    );
  }

  /** One alert a lane that waits for a missing frame; cleared when the lane moves again. */
  private alertHeld(ready: Ready): void {
    const findings = ready.held.waiting().map(({ ingester, from }) => {
      const head = ready.lanes.head(ingester)?.number ?? 0;
      const detail = `frames ${head + 1} to ${from - 1} of ${ingester} are missing; its lane waits for them`;
      const finding = {
        code: 'custody.gap' as const,
        index: ready.lanes.head(ingester)?.position ?? null,
        height: null,
        detail,
      };
      return { finding, context: { ledger: this.parts.origin } };
    });
    this.parts.alerts.reconcile(`lanes of ${this.parts.origin}`, findings);
  }

  private alert(scope: string, code: VerdictCode, detail: string): void {
    this.parts.alerts.raise(scope, { code, index: null, height: null, detail }, { ledger: this.parts.origin });
  }
}
