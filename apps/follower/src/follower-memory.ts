/**
 * How far each file of each log was read, and the events that were made last: <stateDir>/follower.json, replaced whole and synced.
 *
 * Both are written together, before an event is handed over. Whoever crashes in between hands the same bytes over again, which the outbox
 * knows; whoever crashes before reads the same lines again. So every line is counted once.
 *
 * When the file is lost everything that still stands in the logs is read again: the events are the same, ids included, and a ledger counts
 * them once.
 */
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile, StopProcess } from '@everseal/process';
import { z } from 'zod';

/** Files that are not there any more and whose place is still known, a log: longer than any rotation keeps one. */
const MOST_GONE = 256;

const place = z.strictObject({
  log: z.string(),
  file: z.string().regex(/^[0-9a-f]{32}$/),
  /** Bytes that are done with. */
  position: z.int().min(0),
  /** Time of the last line before it, milliseconds since 1970. */
  time: z.int(),
});
const remembered = z.strictObject({ version: z.literal(1), places: z.array(place), pending: z.array(z.string()) });

export type FilePlace = z.output<typeof place>;

export class FollowerMemory {
  /** By log and file, the one that was written longest ago first. */
  private readonly places: Map<string, FilePlace>;
  private waiting: Buffer[];

  private constructor(
    private readonly file: string,
    { places, pending }: Omit<z.output<typeof remembered>, 'version'>,
  ) {
    this.places = new Map(places.map((one) => [keyOf(one), one]));
    this.waiting = pending.map((event) => Buffer.from(event));
  }

  /** @throws StopProcess `follower.memory` for a file that it has not written */
  static open(file: string): FollowerMemory {
    if (!existsSync(file)) return new FollowerMemory(file, { places: [], pending: [] });
    try {
      return new FollowerMemory(file, remembered.parse(JSON.parse(readFileSync(file, 'utf8'))));
    } catch (cause) {
      const message = `${file} cannot be read: remove it, and the logs are read again from their beginnings, which counts nothing twice`;
      throw new StopProcess('follower.memory', message, { cause });
    }
  }

  /** Null for a file that was never read. */
  placeOf(log: string, file: string): FilePlace | null {
    return this.places.get(keyOf({ log, file })) ?? null;
  }

  /** Events that may not have been handed over, in order. */
  get pending(): readonly Buffer[] {
    return this.waiting;
  }

  /**
   * The lines before `position` are these events; durable when it returns.
   * @throws Error when the events of before were not handed over; system errors of the disk, then nothing is changed
   */
  record(done: FilePlace, events: readonly Buffer[]): void {
    if (this.waiting.length > 0) throw new Error('there are events that were not handed over');
    const places = new Map(this.places);
    places.delete(keyOf(done));
    places.set(keyOf(done), done);
    this.write([...places.values()], events);
    this.places.delete(keyOf(done));
    this.places.set(keyOf(done), done);
    this.waiting = [...events];
  }

  /** All that waited is on its way. */
  handedOver(): void {
    this.waiting = [];
  }

  /** Forgets the oldest of a log's files that are there no more. Takes effect on the disk with the next `record`. */
  forgetGone(log: string, there: ReadonlySet<string>): void {
    const gone = [...this.places.values()].filter((one) => one.log === log && !there.has(one.file));
    for (const one of gone.slice(0, Math.max(0, gone.length - MOST_GONE))) this.places.delete(keyOf(one));
  }

  private write(places: readonly FilePlace[], events: readonly Buffer[]): void {
    const pending = events.map((event) => event.toString());
    replaceFile(this.file, JSON.stringify({ version: 1, places, pending }));
  }
}

const keyOf = ({ log, file }: Pick<FilePlace, 'log' | 'file'>): string => `${log} ${file}`;
