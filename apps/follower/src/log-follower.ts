/**
 * Follows one log of one engine over its files: lines become facts, facts of some seconds become events, events are handed over.
 *
 *   read ──▶ window of ten seconds (by the times in the log) ──▶ memory: position and events, synced ──▶ taken by the system ledger's outbox
 *
 * A window ends with a line of a later one, or when nothing came for longer than it lasts. Only then the position moves, so after a crash
 * an open window is read again. What the lines say follows from the lines alone: the same lines are the same events, whenever they are read.
 *
 * Written down besides: lines that are not of the engine's form, as a count, and a file that has become shorter.
 *
 * State: owned by the one loop that calls `look`.
 */
import { closeSync, openSync } from 'node:fs';
import { formatEngineEvent, formatTimestamp, type EngineEvent, type EngineFact } from '@everseal/audit-core';
import { RetryLater } from '@everseal/process';
import { FactWindow, slotOf, WINDOW_MS, type CountedFact } from './fact-window.js';
import { linesOf, type FileLine } from './file-lines.js';
import type { FilePlace, FollowerMemory } from './follower-memory.js';
import { factOf, type LineReading, type ReadLine } from './line-reading.js';
import { identify, LogFiles, type LogFile } from './log-files.js';

export interface LogFollowerOptions {
  /** `<domain>/follower/<name>` */
  readonly follower: string;
  /** Name of the log in the settings. */
  readonly log: string;
  /** First word of what is written down about the log itself: `nats`, `postgres`. */
  readonly engine: string;
  /** Path of its files; the last part may hold one `*`. */
  readonly files: string;
  readonly read: ReadLine;
  readonly memory: FollowerMemory;
  /** Takes an event for good; false when it cannot now. */
  readonly take: (event: Buffer) => boolean;
  /** A clock that nobody sets, milliseconds. */
  readonly steady: () => number;
}

/** Longer lines are passed over: a statement of a megabyte is somebody's data. */
const MOST_LINE_BYTES = 1_048_576;
/** Read in one look, so that no log holds up another, or the process. */
const MOST_LOOK_BYTES = 1_048_576;
/** A window that no later line ends is over after this time; what is written by then is in the file. */
const OVER_AFTER_MS = WINDOW_MS + 2_000;
/** Lines that tell nothing move the position on the disk only so often. */
const LEAST_STEP_BYTES = 1_048_576;

interface OpenFile {
  /** Where the next line begins. */
  next: number;
  /** Time of the line before it. */
  time: number;
  window: FactWindow | null;
  /** When its first line was read, by the steady clock. */
  since: number;
}

export class LogFollower {
  readonly name: string;
  /** Lines read, by what became of them. */
  readonly counts = { read: 0, unreadable: 0 };
  /** Bytes that were there at the last look and are not read. */
  behindBytes = 0;
  private readonly files: LogFiles;
  /** By identity. */
  private open = new Map<string, OpenFile>();

  constructor(private readonly options: LogFollowerOptions) {
    this.name = options.log;
    this.files = new LogFiles(options.files);
  }

  /**
   * Reads what is new, up to a bound, and hands over what is complete.
   * @returns true when there is more to read now
   * @throws RetryLater `follower.log` when there is nothing to read, `follower.outbox` when what was read finds no room
   */
  look(): boolean {
    this.handOver();
    const files = this.filesThere();
    const there = new Set(files.map(({ identity }) => identity));
    this.options.memory.forgetGone(this.options.log, there);
    let left = MOST_LOOK_BYTES;
    for (const file of files) left -= this.follow(file, left);
    this.closeWhatIsOver(there);
    this.behindBytes = files.reduce((sum, file) => sum + Math.max(0, file.bytes - this.openFile(file).next), 0);
    return left <= 0;
  }

  private filesThere(): LogFile[] {
    const { files: pattern, log } = this.options;
    let files: LogFile[];
    try {
      files = this.files.look();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RetryLater('follower.log', `the log ${log} cannot be read: ${reason}`, { cause });
    }
    if (files.length > 0) return files;
    throw new RetryLater('follower.log', `the log ${log} is not there: nothing is written to ${pattern}`);
  }

  /** @returns bytes read */
  private follow(file: LogFile, most: number): number {
    const open = this.openFile(file);
    if (file.bytes < open.next) this.wasCut(file, open);
    if (file.bytes === open.next || most <= 0) return 0;
    const lines = this.linesIn(file, open.next, most);
    for (const line of lines) this.note(file, open, line);
    if (open.window === null && open.next - this.position(file) >= LEAST_STEP_BYTES) this.commit(file, open, []);
    const last = lines.at(-1);
    return last === undefined ? 0 : last.end - lines[0]!.at;
  }

  private openFile({ identity, modified }: LogFile): OpenFile {
    const known = this.open.get(identity);
    if (known !== undefined) return known;
    const place = this.options.memory.placeOf(this.options.log, identity);
    const opened = { next: place?.position ?? 0, time: place?.time ?? Math.floor(modified), window: null, since: 0 };
    this.open.set(identity, opened);
    return opened;
  }

  /** Nothing when the file was rotated away, or begun anew, while it was read: the next look finds where it is. */
  private linesIn(file: LogFile, from: number, most: number): FileLine[] {
    const lines: FileLine[] = [];
    let fd: number;
    try {
      fd = openSync(file.path, 'r');
    } catch {
      return [];
    }
    try {
      if (identify(fd, file.path)?.identity !== file.identity) return [];
      for (const line of linesOf(fd, from, MOST_LINE_BYTES)) {
        lines.push(line);
        if (line.end - from >= most) break;
      }
      return identify(fd, file.path)?.identity === file.identity ? lines : [];
    } finally {
      closeSync(fd);
    }
  }

  private note(file: LogFile, open: OpenFile, line: FileLine): void {
    const reading = this.readingOf(line, open.time);
    if (open.window !== null && slotOf(reading.time) > open.window.slot) this.close(file, open);
    if (reading.fact !== null) {
      if (open.window === null) open.since = this.options.steady();
      open.window ??= new FactWindow(reading.time);
      open.window.note(reading.fact, reading.time, line.at);
    }
    open.next = line.end;
    open.time = reading.time;
  }

  /** @param time of the line before, for one that says none */
  private readingOf({ bytes }: FileLine, time: number): LineReading {
    const { read, engine } = this.options;
    const reading = bytes === null ? null : read(bytes.toString('utf8'));
    this.counts[reading === null ? 'unreadable' : 'read']++;
    if (reading !== null) return reading;
    const reason = bytes === null ? `longer than ${MOST_LINE_BYTES} bytes` : 'not of the form of this log';
    return {
      time,
      fact: factOf({ action: `${engine}.unreadable`, target: this.options.log, outcome: 'failed', reason }),
    };
  }

  private closeWhatIsOver(there: ReadonlySet<string>): void {
    for (const [identity, open] of this.open) {
      const isOver = open.window !== null && this.options.steady() - open.since >= OVER_AFTER_MS;
      if (isOver) this.close({ identity }, open);
      if (open.window === null && !there.has(identity)) this.open.delete(identity);
    }
  }

  private close(file: Pick<LogFile, 'identity'>, open: OpenFile): void {
    const counted = open.window?.counted() ?? [];
    this.commit(
      file,
      open,
      counted.map((fact) => this.eventOf(file, fact)),
    );
  }

  private commit({ identity }: Pick<LogFile, 'identity'>, open: OpenFile, events: readonly Buffer[]): void {
    this.handOver();
    // Crash before: the lines are read again. Crash behind: these very bytes are handed over by the next start.
    const place: FilePlace = { log: this.options.log, file: identity, position: open.next, time: open.time };
    this.options.memory.record(place, events);
    open.window = null;
    this.handOver();
  }

  private handOver(): void {
    const { memory, take } = this.options;
    for (const event of memory.pending) {
      if (!take(event)) throw new RetryLater('follower.outbox', 'the outbox of the system ledger takes nothing now');
    }
    memory.handedOver();
  }

  /** Somebody took away what was read before; who only rotates a log does so at most when it is written to while he copies it. */
  private wasCut(file: LogFile, open: OpenFile): void {
    this.close(file, open);
    const { engine, log } = this.options;
    const action = `${engine}.cut`;
    const reason = `${open.next} bytes were read, ${file.bytes} are there`;
    const fact: EngineFact = factOf({ action, target: log, outcome: 'failed', reason });
    const [time, from, to] = [open.time, file.bytes, open.next];
    open.next = file.bytes;
    this.commit(file, open, [this.eventOf(file, { ...fact, count: 1, first: time, last: time, from, to })]);
  }

  private eventOf({ identity }: Pick<LogFile, 'identity'>, fact: CountedFact): Buffer {
    const { follower, log } = this.options;
    const times = { first: formatTimestamp(fact.first), last: formatTimestamp(fact.last) };
    const event: EngineEvent = { ...fact, ...times, follower, log, file: identity };
    return formatEngineEvent(event);
  }

  private position({ identity }: LogFile): number {
    return this.options.memory.placeOf(this.options.log, identity)?.position ?? 0;
  }
}
