/**
 * Events on the local disk from before they are sent until their receipts are verified, so that they survive the producer.
 *
 *   <folder>/lock                     held by the process that has it open
 *   <folder>/<first ordinal>.outbox   events, and which of all are settled; format in outbox-record.ts
 *   <folder>/refused.ndjson           events that ingest will never take, and why: nobody is told twice, nothing is lost
 *
 * An event is synced before `append` resolves. That it is settled is only written: a crash that loses it sends the event once
 * more, with the same bytes, which counts once. Files go when everything in them and before them is settled.
 *
 * Events that are appended while a sync is under way share the next one.
 *
 * State: `files` in order, the last one is written to. After a sync has failed nobody can say what is on the disk of what was
 * written since: from then on nothing is appended (`outbox.failed`), and what was synced before stays.
 */
import { closeSync, fdatasync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { readFileSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { EversealError } from './everseal-error.js';
import { OutboxLock } from './outbox-lock.js';
import {
  APPEND_BYTES,
  APPEND_EVENTS,
  encodeEvents,
  encodeHeader,
  encodeSettled,
  OUTBOX_HEADER,
  OutboxDamaged,
  parseOutboxFile,
} from './outbox-record.js';

const syncData = promisify(fdatasync);

const MIB = 1024 * 1024;
const FILE_BYTES = 8 * MIB;
const NAME = /^(\d{15})\.outbox$/;

export interface OutboxLimits {
  /** Bytes of events that may wait. Their files may take twice as much. */
  readonly mostBytes: number;
  /** From this size on the next file is begun. */
  readonly fileBytes?: number;
}

/** An event that an earlier process left. */
export interface KeptEvent {
  readonly ordinal: number;
  readonly bytes: Buffer;
}

interface OutboxFile {
  readonly file: string;
  readonly first: number;
  /** Ordinal behind its last event. */
  next: number;
  size: number;
  /** Events in it that are not settled. */
  waiting: number;
}

interface Append {
  readonly bytes: Buffer;
  readonly resolve: (ordinal: number) => void;
  readonly reject: (error: EversealError) => void;
}

export class Outbox {
  private readonly sizes = new Map<number, number>();
  private waitingBytes = 0;
  private queue: Append[] = [];
  private queuedBytes = 0;
  private flushing: Promise<void> | null = null;
  private failure: EversealError | null = null;

  private constructor(
    private readonly folder: string,
    private readonly limits: Required<OutboxLimits>,
    private readonly lock: OutboxLock,
    private readonly files: OutboxFile[],
    private fd: number,
  ) {}

  /**
   * Opens the folder or makes it, and cuts what an interrupted append left.
   * @returns it, and the events that wait in it, oldest first
   * @throws EversealError outbox.locked, outbox.corrupt, outbox.failed
   */
  static async open(folder: string, limits: OutboxLimits): Promise<{ outbox: Outbox; kept: KeptEvent[] }> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = await OutboxLock.take(folder);
    try {
      const { files, kept } = readFolder(folder);
      const last = files.at(-1) ?? createFile(folder, 1);
      if (files.length === 0) files.push(last);
      const fd = openSync(last.file, 'r+');
      const outbox = new Outbox(folder, { fileBytes: FILE_BYTES, ...limits }, lock, files, fd);
      // What stands in the file but was cut off by the crash must not come back behind what is written next.
      ftruncateSync(fd, last.size);
      fsyncSync(fd);
      for (const { ordinal, bytes } of kept) outbox.count(ordinal, bytes.length);
      outbox.dropSettled();
      return { outbox, kept };
    } catch (cause) {
      lock.release();
      throw asOutboxError(folder, cause);
    }
  }

  /** How many events are not settled. */
  get waiting(): number {
    return this.sizes.size;
  }

  /**
   * Takes an event, durably.
   * @returns its ordinal, once it is synced
   * @throws EversealError outbox.full, outbox.failed: it was not taken
   */
  append(bytes: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.failure !== null) return reject(this.failure);
      if (this.isFull(bytes.length)) {
        const message = `the outbox ${this.folder} holds ${this.sizes.size} events without a receipt, as much as it may`;
        return reject(new EversealError('outbox.full', message));
      }
      this.queue.push({ bytes, resolve, reject });
      this.queuedBytes += bytes.length;
      this.flushing ??= this.flush();
    });
  }

  /** Notes that an event need not be sent any more. Not synced: see above. */
  settle(ordinal: number): void {
    const size = this.sizes.get(ordinal);
    if (size === undefined) return;
    this.sizes.delete(ordinal);
    this.waitingBytes -= size;
    const holder = this.files.findLast(({ first }) => first <= ordinal);
    if (holder !== undefined) holder.waiting -= 1;
    if (this.failure !== null) return;
    try {
      this.write(encodeSettled([ordinal]));
    } catch {
      return; // It is sent once more after the next start.
    }
    this.dropSettled();
  }

  /**
   * Keeps an event that will never be taken beside the others, synced, and settles it.
   * @throws system errors; then it still waits
   */
  refuse(ordinal: number, bytes: Buffer, why: { code: string; message: string; at: string }): void {
    const fd = openSync(path.join(this.folder, 'refused.ndjson'), 'a', 0o600);
    try {
      const line = Buffer.from(`${JSON.stringify({ ...why, event: bytes.toString() })}\n`);
      for (let at = 0; at < line.length;) at += writeSync(fd, line, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    this.settle(ordinal);
  }

  /** Lets go of the folder, after the appends that are under way. */
  async close(): Promise<void> {
    await this.flushing;
    this.failure ??= new EversealError('outbox.failed', `the outbox ${this.folder} is closed`);
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    this.lock.release();
  }

  private async flush(): Promise<void> {
    // What else is recorded in this turn comes along.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const batch = this.takeBatch();
      try {
        const first = await this.appendRecord(batch.map(({ bytes }) => bytes));
        batch.forEach(({ bytes, resolve }, i) => {
          this.count(first + i, bytes.length);
          resolve(first + i);
        });
      } catch (cause) {
        const error = asOutboxError(this.folder, cause);
        for (const { reject } of batch) reject(error);
      } finally {
        for (const { bytes } of batch) this.queuedBytes -= bytes.length;
      }
    }
    // In the same turn as the look at the queue: what is appended next begins a flush of its own.
    this.flushing = null;
  }

  private takeBatch(): Append[] {
    let bytes = 0;
    let length = 0;
    while (length < this.queue.length && length < APPEND_EVENTS && bytes < APPEND_BYTES) {
      bytes += this.queue[length++]!.bytes.length;
    }
    return this.queue.splice(0, length);
  }

  /** @returns the ordinal of the first event */
  private async appendRecord(events: readonly Buffer[]): Promise<number> {
    if (this.failure !== null) throw this.failure;
    // One without an event (its first append failed) has the name that the next one would get.
    if (this.active.size >= this.limits.fileBytes && this.active.next > this.active.first) this.rotate();
    const { active } = this;
    this.write(encodeEvents(events));
    const first = active.next;
    active.next += events.length;
    active.waiting += events.length;
    try {
      await syncData(this.fd);
    } catch (cause) {
      // Crash or not: the next start sends these if they did reach the disk. Nobody was told that they are kept.
      throw (this.failure = asOutboxError(this.folder, cause));
    }
    return first;
  }

  private get active(): OutboxFile {
    return this.files.at(-1) as OutboxFile;
  }

  /** Writes one record behind the others, into the page cache. @throws system errors; then the file is as before */
  private write(record: Buffer): void {
    const { active } = this;
    try {
      for (let at = 0; at < record.length;) {
        at += writeSync(this.fd, record, at, record.length - at, active.size + at);
      }
    } catch (cause) {
      try {
        ftruncateSync(this.fd, active.size);
      } catch {
        this.failure = asOutboxError(this.folder, cause);
      }
      throw cause;
    }
    active.size += record.length;
  }

  private rotate(): void {
    // What is settled in the old file must be on the disk no later than that the new one counts for more.
    fsyncSync(this.fd);
    const next = createFile(this.folder, this.active.next);
    const fd = openSync(next.file, 'r+');
    closeSync(this.fd);
    this.fd = fd;
    this.files.push(next);
    this.dropSettled();
  }

  /** Removes the oldest files that nothing in waits any more. The last one stays: it says how far ordinals have come. */
  private dropSettled(): void {
    while (this.files.length > 1 && this.files[0]!.waiting === 0) rmSync(this.files.shift()!.file);
  }

  private isFull(bytes: number): boolean {
    const { mostBytes, fileBytes } = this.limits;
    const onDisk = this.files.reduce((sum, { size }) => sum + size, 0);
    const coming = this.queuedBytes + bytes;
    return this.waitingBytes + coming > mostBytes || onDisk + coming > 2 * mostBytes + fileBytes;
  }

  private count(ordinal: number, bytes: number): void {
    this.sizes.set(ordinal, bytes);
    this.waitingBytes += bytes;
  }
}

/** Reads everything, oldest file first. @throws OutboxDamaged */
function readFolder(folder: string): { files: OutboxFile[]; kept: KeptEvent[] } {
  const names = readdirSync(folder)
    .filter((name) => NAME.test(name))
    .sort();
  const files: OutboxFile[] = [];
  const waiting = new Map<number, Buffer>();
  for (const [i, name] of names.entries()) {
    const file = path.join(folder, name);
    const bytes = readFileSync(file);
    if (bytes.length < OUTBOX_HEADER && i === names.length - 1) {
      rmSync(file); // A crash while it was made: nothing was ever in it.
      continue;
    }
    const before = files.at(-1);
    const content = parseNamed(name, bytes);
    if (before !== undefined && before.next !== content.first) throw new OutboxDamaged(`${name} does not follow`);
    if (content.end < bytes.length && i < names.length - 1) throw new OutboxDamaged(`${name} is cut, and not the last`);
    const read: OutboxFile = { file, first: content.first, next: content.first, size: content.end, waiting: 0 };
    for (const record of content.records) {
      if ('settled' in record) for (const ordinal of record.settled) waiting.delete(ordinal);
      else for (const event of record.events) waiting.set(read.next++, event);
    }
    files.push(read);
  }
  const kept = [...waiting].map(([ordinal, bytes]) => ({ ordinal, bytes: Buffer.from(bytes) }));
  for (const { ordinal } of kept) files.findLast(({ first }) => first <= ordinal)!.waiting += 1;
  return { files, kept };
}

function parseNamed(name: string, bytes: Buffer): ReturnType<typeof parseOutboxFile> {
  try {
    const content = parseOutboxFile(bytes);
    if (content.first === Number(NAME.exec(name)?.[1])) return content;
  } catch (cause) {
    if (!(cause instanceof OutboxDamaged)) throw cause;
    throw new OutboxDamaged(`${name}: ${cause.message}`, { cause });
  }
  throw new OutboxDamaged(`${name} has another name than it was made with`);
}

/** It and its name are durable when this returns. */
function createFile(folder: string, first: number): OutboxFile {
  const file = path.join(folder, `${String(first).padStart(15, '0')}.outbox`);
  const fd = openSync(file, 'wx', 0o600);
  try {
    writeSync(fd, encodeHeader(first));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const parent = openSync(folder, 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
  return { file, first, next: first, size: OUTBOX_HEADER, waiting: 0 };
}

function asOutboxError(folder: string, cause: unknown): EversealError {
  if (cause instanceof EversealError) return cause;
  if (cause instanceof OutboxDamaged) {
    const message = `the outbox ${folder} is damaged: ${cause.message}. Nothing was changed: put the folder aside, and look at what it holds`;
    return new EversealError('outbox.corrupt', message, { cause });
  }
  return new EversealError(
    'outbox.failed',
    `the outbox ${folder} cannot be written (${String(cause)}): look at its disk`,
    {
      cause,
    },
  );
}
