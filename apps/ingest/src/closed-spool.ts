/**
 * The spool of a closed ledger: read, locked against whoever would still append to it, and never changed. What stands there is
 * the evidence of what was accepted for that ledger.
 *
 * Everything in it was checked when it was opened, as at the start of a process that works in it (spool-recovery.ts); each
 * frame is opened once more when it is read: signed by one of our keys, its events under the signed root.
 */
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import path from 'node:path';
import {
  checkFrameMessage,
  FormatError,
  openFrame,
  parseFrameMessage,
  type Frame,
  type FrameMessage,
  type Hash,
  type VerifierKey,
} from '@everseal/audit-core';
import { DebtFolder } from './debt-folder.js';
import { DirectoryLock } from './directory-lock.js';
import type { LaneName } from './frame-builder.js';
import { frameHash, inspectFrame } from './frame-store.js';
import { SegmentDamaged } from './segment.js';
import { readRecord, surveySpool, type HeldSegment } from './spool-recovery.js';
import type { FrameRange } from './spool.js';
import type { FrameId } from './spool-state.js';
import { stop } from './stop.js';

/** One accepted frame, opened. */
export type ClosedFrame = { readonly frame: Frame; readonly message: FrameMessage };

export class ClosedSpool {
  private constructor(
    readonly directory: string,
    private readonly name: LaneName,
    /** The newest frame ever built for the ledger. */
    readonly newest: FrameId,
    private readonly covered: FrameId,
    private readonly segments: readonly HeldSegment[],
    private readonly debts: DebtFolder,
    private readonly lock: DirectoryLock,
  ) {}

  /**
   * @param name the closed ledger's origin, and this ingester
   * @throws StopProcess spool.busy, spool.corrupt, spool.rolled-back: also when it belongs to another ingester or ledger, or is not there
   */
  static open(directory: string, name: LaneName): ClosedSpool {
    if (!existsSync(path.join(directory, 'state'))) {
      throw stop(
        'spool.rolled-back',
        `${directory} holds no spool of ${name.ingester} for ${name.origin}: put the newest copy there, or, if this ingester never served that ledger, take continues out of its settings`,
      );
    }
    const lock = DirectoryLock.take(directory);
    try {
      const { newest, covered, segments } = surveySpool(directory, name.origin, name.ingester, inspectFrame(name));
      // After a kill the newest frame may stand in the page cache alone.
      const last = segments.findLast(({ offsets }) => offsets.length > 0);
      if (last !== undefined) syncFile(last.file);
      const debts = DebtFolder.open(path.join(directory, 'debts'));
      return new ClosedSpool(directory, name, newest, covered, segments, debts, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The numbers of the frames that are here, ascending and apart. */
  get held(): FrameRange[] {
    const ahead = [...this.debts.numbers].filter((number) => this.segmentOf(number) === undefined);
    const single = ahead.sort((a, b) => a - b).map((number): FrameRange => [number, number]);
    const dense = this.segments.filter(({ offsets }) => offsets.length > 0);
    return [...single, ...dense.map(({ first, offsets }): FrameRange => [first, first + offsets.length - 1])];
  }

  /** The hash of a frame that was built; null when it is not known any more. */
  async hashOf(number: number): Promise<Hash | null> {
    for (const known of [this.newest, this.covered]) if (known.number === number) return known.hash;
    const isHeld = this.segmentOf(number) !== undefined || this.debts.numbers.has(number);
    return isHeld ? frameHash(await this.bytes(number)) : null;
  }

  /**
   * @param keys those that may have signed the frame
   * @throws StopProcess spool.corrupt
   */
  async read(number: number, keys: readonly VerifierKey[]): Promise<ClosedFrame> {
    const bytes = await this.bytes(number);
    try {
      const message = parseFrameMessage(bytes);
      const frame = openFrame(message.note, keys, this.name.origin);
      if (frame.number !== number) throw new FormatError('frame.number', `it is frame ${frame.number}`);
      checkFrameMessage(frame, message);
      return { frame, message };
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw this.damaged(`frame ${number} is not one that this ingester signed (${cause.message})`, cause);
    }
  }

  close(): void {
    this.lock.release();
  }

  private async bytes(number: number): Promise<Buffer> {
    try {
      const segment = this.segmentOf(number);
      const bytes = segment === undefined ? this.debts.read(number) : await readRecord(segment, number);
      if (bytes !== null) return bytes;
    } catch (cause) {
      if (!(cause instanceof SegmentDamaged)) throw cause;
      throw this.damaged(cause.message, cause);
    }
    throw this.damaged(`frame ${number} is gone`);
  }

  private segmentOf(number: number): HeldSegment | undefined {
    return this.segments.find(({ first, offsets }) => first <= number && number < first + offsets.length);
  }

  private damaged(what: string, cause?: unknown): Error {
    return stop(
      'spool.corrupt',
      `spool ${this.directory} of the closed ledger ${this.name.origin}: ${what}. Nothing more is taken over, and no event is left out: restore its files, then start again; a key that was replaced goes into the second line of keyFile`,
      cause,
    );
  }
}

function syncFile(file: string): void {
  const fd = openSync(file, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
