/**
 * The spool: every frame this ingester built for one ledger, on its own disk, from before it is published until a cosigned
 * checkpoint covers it. It is what makes a receipt true when the broker loses what it acknowledged, the answer to resend,
 * and, by its bound, the backpressure.
 *
 *     <directory>/lock                       held for the life of the process
 *                 state                      spool-state.ts: newest and covered, for ever
 *                 <ordinal>.segment          segment.ts; frames dense over all segments, oldest first; the last one may be
 *                                            empty, made ready for when the one before is full
 *                 debts/<frame>.frame        debt-folder.ts
 *
 * Held are the frames first..newest; frames covered+1..newest are the ones that count: they are published when the lane is
 * resolved, and `bytes` and `oldestAccepted` speak of them. Older ones stay while they fit into `windowBytes` (they answer
 * repeated requests) and the newest frame's own segment always stays.
 *
 * Guards: one append at a time, one release at a time (each throws when called twice). After any failed write the spool
 * refuses everything: what an fdatasync error leaves on the disk is unknown, and asking again would answer "fine".
 */
import { closeSync, fdatasync, mkdirSync, openSync, rmSync, writevSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { replaceFile, StopProcess, syncFolder } from '@everseal/process';
import { DebtFolder } from './debt-folder.js';
import { DirectoryLock } from './directory-lock.js';
import { NextSegment } from './next-segment.js';
import { encodeRecordHeader, RECORD_HEADER, SEGMENT_HEADER, SegmentDamaged } from './segment.js';
import { messageLength, readRecord, recoverSpool, type HeldSegment, type InspectFrame } from './spool-recovery.js';
import { formatSpoolState, type FrameId } from './spool-state.js';
import { stop } from './stop.js';

const syncData = promisify(fdatasync);

/** Bytes a frame costs on top of its message: what the stream stores beside it. */
export const FRAME_OVERHEAD = 340;

export type SpoolOptions = {
  /** Created when missing, mode 0700. */
  directory: string;
  origin: string;
  ingester: string;
  /** Reads number, previous, hash and time out of a frame message, and refuses one of another lane. */
  inspect: InspectFrame;
  /** Bytes of frames not yet covered, each with FRAME_OVERHEAD, at which the spool is full. */
  bound: number;
  /** Bytes of covered frames that are kept to answer repeated requests. */
  windowBytes: number;
  /** Size of a segment file in bytes; at least that of the largest frame message. */
  segmentBytes: number;
};

/** First and last frame number, both included. */
export type FrameRange = readonly [first: number, last: number];

export class Spool {
  #newest: FrameId;
  #covered: FrameId;
  /** Oldest first; the last one is appended to. */
  readonly #segments: HeldSegment[];
  readonly #debts: DebtFolder;
  #fd = -1;
  #bytes = 0;
  #busy = false;
  #releasing = false;
  #failure: StopProcess | null = null;
  readonly #next: NextSegment;

  private constructor(
    private readonly options: SpoolOptions,
    private readonly lock: DirectoryLock,
  ) {
    const recovered = recoverSpool(options.directory, options.origin, options.ingester, options.inspect);
    this.#newest = recovered.newest;
    this.#covered = recovered.covered;
    this.#segments = recovered.segments;
    this.#debts = DebtFolder.open(path.join(options.directory, 'debts'));
    this.#next = new NextSegment(options.directory, options.segmentBytes, recovered.ordinal);
    const active = this.#segments.at(-1);
    if (active !== undefined) this.#fd = openSync(active.file, 'r+');
    for (let n = this.#covered.number + 1; n <= this.#newest.number; n += 1) this.#bytes += this.sizeOf(n);
  }

  /** @throws StopProcess spool.busy, spool.corrupt, spool.rolled-back */
  static open(options: SpoolOptions): Spool {
    const made = mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    // A folder that vanishes in a power cut takes its frames with it.
    if (made !== undefined) syncFolder(path.dirname(made));
    if (made !== undefined) syncFolder(path.dirname(options.directory));
    const lock = DirectoryLock.take(options.directory);
    try {
      return new Spool(options, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The newest frame ever built; number 0 and 32 zero bytes before the first. */
  get newest(): FrameId {
    return this.#newest;
  }

  /** The newest frame proven sealed. */
  get covered(): FrameId {
    return this.#covered;
  }

  /** Number of the oldest frame in the segments; newest + 1 when they hold none. */
  get first(): number {
    return this.#segments[0]?.first ?? this.#newest.number + 1;
  }

  /** Bytes that count for the bound. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest frame that is not covered was accepted (ms since 1970), null when all are covered. */
  get oldestAccepted(): number | null {
    const number = this.#covered.number + 1;
    return number > this.#newest.number ? null : this.acceptedOf(number);
  }

  /** When the newest frame was accepted (ms since 1970), null before the first. */
  get newestAccepted(): number | null {
    return this.#newest.number === 0 ? null : this.acceptedOf(this.#newest.number);
  }

  /** Would `bytes` more go over the bound? */
  full(bytes: number): boolean {
    return this.#bytes + bytes > this.options.bound;
  }

  /** False while the disk has no room for the next segment; the spool asks again by itself. */
  get writable(): boolean {
    return this.#failure === null && !this.#next.outOfSpace;
  }

  get debts(): ReadonlySet<number> {
    return this.#debts.numbers;
  }

  /**
   * Makes frame newest+1 durable. When it resolves the frame survives a power cut; when it rejects the process must stop
   * without answering anyone.
   * @throws StopProcess spool.failed
   */
  async append(id: FrameId, acceptedMs: number, message: Buffer): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#busy) throw new Error('one append at a time');
    if (id.number !== this.#newest.number + 1) throw new Error(`frame ${id.number} after ${this.#newest.number}`);
    this.#busy = true;
    try {
      const size = RECORD_HEADER + message.length;
      let active = this.#segments.at(-1);
      if (active === undefined || active.end + size > active.size) active = await this.rotate(id.number);
      const header = encodeRecordHeader(message);
      // Into the page cache at once, without a thread: the wait is in the sync alone.
      const written = writevSync(this.#fd, [header, message], active.end);
      if (written !== size) throw new Error(`${written} of ${size} bytes were written`);
      await syncData(this.#fd);
      active.offsets.push(active.end);
      active.accepted.push(acceptedMs);
      active.end += size;
      this.#newest = id;
      this.#bytes += message.length + FRAME_OVERHEAD;
      if (active.end > active.size / 2) this.#next.prepare();
    } catch (cause) {
      throw this.fail('a frame could not be written', cause);
    } finally {
      this.#busy = false;
    }
  }

  /** The frame message, byte for byte as appended, or null when the spool does not hold it any more. */
  async read(number: number): Promise<Buffer | null> {
    const segment = this.segmentOf(number);
    if (segment === undefined) return this.#debts.read(number);
    try {
      // Null: released while we were about to read.
      return (await readRecord(segment, number)) ?? this.#debts.read(number);
    } catch (error) {
      if (!(error instanceof SegmentDamaged)) throw error;
      throw this.fail(error.message, undefined, 'spool.corrupt');
    }
  }

  /**
   * The frames up to `covered` are sealed, proven by a cosigned checkpoint, but for those in `debts`: these are kept aside.
   * Nothing happens for a number below the one known. Deletes whole segments that the window does not want. The state file is
   * written only then, and at close: until then a start would find every frame, and learn again what is covered.
   */
  async release(covered: FrameId, debts: readonly FrameRange[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (covered.number < this.#covered.number) return;
    if (covered.number > this.#newest.number) throw new Error(`frame ${covered.number} is not built yet`);
    if (this.#releasing) throw new Error('one release at a time');
    this.#releasing = true;
    try {
      for (let n = this.#covered.number + 1; n <= covered.number; n += 1) this.#bytes -= this.sizeOf(n);
      this.#covered = covered;
      const owed = (number: number): boolean => debts.some(([first, last]) => first <= number && number <= last);
      for (const number of this.#debts.numbers) if (!owed(number)) this.#debts.drop(number);
      const doomed = this.doomedSegments();
      if (doomed.length === 0) return;
      // 1. What is owed goes aside before its segment does. Crash here: the segment is read first, the copy is made again.
      for (const segment of doomed) {
        for (let i = 0; i < segment.offsets.length; i += 1) {
          const number = segment.first + i;
          if (owed(number)) this.#debts.keep(number, (await this.read(number)) as Buffer);
        }
      }
      // 2. From here on a start knows that these frames are sealed, and does not miss them.
      this.writeState();
      // 3. Crash between two of these: the next release deletes the rest.
      for (const { file } of doomed) rmSync(file);
      this.#segments.splice(0, doomed.length);
    } catch (cause) {
      throw cause instanceof StopProcess ? cause : this.fail('covered frames could not be released', cause);
    } finally {
      this.#releasing = false;
    }
  }

  /** Lets go of the directory. Whoever appends or releases must have finished. */
  close(): void {
    if (this.#failure === null) this.writeState();
    this.#failure ??= stop('spool.failed', `spool ${this.options.directory} is closed`);
    this.#next.stop();
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.lock.release();
  }

  /** The next segment; its first frame is `first`. It and its name are durable already. */
  private async rotate(first: number): Promise<HeldSegment> {
    const file = await this.#next.take();
    const fd = openSync(file, 'r+');
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = fd;
    const segment = { file, first, size: this.options.segmentBytes, end: SEGMENT_HEADER, offsets: [], accepted: [] };
    this.#segments.push(segment);
    return segment;
  }

  /** The oldest segments that hold covered frames only and that the window does not want. */
  private doomedSegments(): HeldSegment[] {
    let kept = 0;
    for (const segment of this.#segments) kept += segment.size;
    const doomed: HeldSegment[] = [];
    for (let i = 0; i + 1 < this.#segments.length; i += 1) {
      const [oldest, second] = this.#segments.slice(i, i + 2) as [HeldSegment, HeldSegment];
      if (second.first - 1 > this.#covered.number || kept - oldest.size < this.options.windowBytes) break;
      doomed.push(oldest);
      kept -= oldest.size;
    }
    return doomed;
  }

  private segmentOf(number: number): HeldSegment | undefined {
    if (number > this.#newest.number) return undefined;
    return this.#segments.findLast((segment) => segment.first <= number);
  }

  private acceptedOf(number: number): number | null {
    const segment = this.segmentOf(number);
    return segment?.accepted[number - segment.first] ?? null;
  }

  /** Bytes of a held frame as the bound counts them. */
  private sizeOf(number: number): number {
    const segment = this.segmentOf(number);
    if (segment === undefined) throw new Error(`frame ${number} is not in the segments`);
    return messageLength(segment, number) + FRAME_OVERHEAD;
  }

  private writeState(): void {
    const { directory, origin, ingester } = this.options;
    const state = { origin, ingester, newest: this.#newest, covered: this.#covered };
    replaceFile(path.join(directory, 'state'), formatSpoolState(state));
  }

  private fail(what: string, cause: unknown, code: 'spool.failed' | 'spool.corrupt' = 'spool.failed'): StopProcess {
    if (cause instanceof StopProcess) return cause;
    const reason = cause instanceof Error ? ` (${cause.message})` : '';
    this.#failure = stop(
      code,
      `spool ${this.options.directory}: ${what}${reason}. Nothing that was not on the disk has been answered; check the disk, then start again`,
      cause,
    );
    return this.#failure;
  }
}
