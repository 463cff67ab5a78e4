/**
 * The events that a service has for the system ledger, in order, on its disk until they are settled and for a while after.
 *
 *   <folder>/<n>.events.ndjson      the exact bytes of an event a line
 *   <folder>/<n>.outcomes.ndjson    a line each for the first of them: the receipt as it came, or a refusal
 *
 * What waits are the events behind the last outcome; nothing else says where sending stands, so the two cannot disagree.
 * An event is synced before `put` returns, an outcome before the next event is sent. A crash between an answer and its
 * line sends that event once more, with the same bytes, which ingest answers with the same receipt.
 *
 * When everything is settled and the files are large a new pair begins, and the pair before the last is removed: an event
 * and its receipt are kept for as long as at least so much has come after it.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { sha256 } from '@everseal/audit-core';
import { LineFile } from './line-file.js';

const MIB = 1024 * 1024;
/** A pair is followed by a new one from this size on. */
const PAIR_BYTES = 8 * MIB;
/** What may wait; all of it is in memory, too. An alert has some KiB: this is days of the worst flapping. */
const MOST_WAITING_BYTES = 64 * MIB;

const EVENTS = /^(\d{1,15})\.events\.ndjson$/;

export type Put = 'taken' | 'known' | 'full';

export interface OutboxLimits {
  pairBytes?: number;
  waitingBytes?: number;
}

export class Outbox {
  private readonly pairBytes: number;
  private readonly mostWaiting: number;
  private waitingBytes = 0;

  private constructor(
    private readonly folder: string,
    private pair: Pair,
    limits: OutboxLimits,
  ) {
    this.pairBytes = limits.pairBytes ?? PAIR_BYTES;
    this.mostWaiting = limits.waitingBytes ?? MOST_WAITING_BYTES;
    this.waitingBytes = sizeOf(pair.waiting);
  }

  /** Opens the folder or makes it. Files that cannot belong together stay where they are, and a new pair begins. */
  static open(folder: string, limits: OutboxLimits = {}): Outbox {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const newest = Math.max(0, ...pairsIn(folder));
    const pair = openPair(folder, Math.max(1, newest));
    if (pair !== null) return new Outbox(folder, pair, limits);
    return new Outbox(folder, openPair(folder, newest + 1) as Pair, limits);
  }

  /** How many events are not settled. */
  get waiting(): number {
    return this.pair.waiting.length;
  }

  /** The oldest event that is not settled; null when there is none. */
  get first(): Buffer | null {
    return this.pair.waiting[0] ?? null;
  }

  /** Whether the same bytes were taken before, as far back as the files go. */
  knows(event: Buffer): boolean {
    return this.pair.known.has(digestOf(event));
  }

  /**
   * Takes an event, durably.
   * @param event its exact bytes, on one line
   * @returns `known` when the same bytes were taken before (whoever crashed after the first time asks again), `full` when
   * too much waits: then it was not taken
   * @throws system errors; then it was not taken
   */
  put(event: Buffer): Put {
    if (event.includes(0x0a)) throw new RangeError('an event of the outbox is one line');
    const digest = digestOf(event);
    if (this.pair.known.has(digest)) return 'known';
    if (this.waitingBytes + event.length > this.mostWaiting) return 'full';
    if (this.waiting === 0 && this.pair.events.size >= this.pairBytes) this.turnOver();
    this.pair.events.append(event);
    this.pair.known.add(digest);
    this.pair.waiting.push(event);
    this.waitingBytes += event.length;
    return 'taken';
  }

  /** Notes what became of the oldest event. @param outcome JSON on one line: its receipt, or why it is not sealed */
  settle(outcome: Buffer): void {
    const [event] = this.pair.waiting;
    if (event === undefined) throw new RangeError('nothing waits');
    // Crash here: the event is sent once more after the restart, with the same bytes.
    this.pair.outcomes.append(outcome);
    this.pair.waiting.shift();
    this.waitingBytes -= event.length;
  }

  close(): void {
    this.pair.events.close();
    this.pair.outcomes.close();
  }

  private turnOver(): void {
    const { number } = this.pair;
    // Crash here or later: the highest number counts, and all below it is settled.
    const next = openPair(this.folder, number + 1) as Pair;
    this.close();
    this.pair = next;
    for (const old of pairsIn(this.folder).filter((one) => one < number)) {
      for (const kind of ['events', 'outcomes'] as const) rmSync(fileOf(this.folder, old, kind), { force: true });
    }
  }
}

type Pair = {
  readonly number: number;
  readonly events: LineFile;
  readonly outcomes: LineFile;
  readonly waiting: Buffer[];
  /** Digests of everything in the file, in base64. */
  readonly known: Set<string>;
};

/** Null when there are more outcomes than events: somebody else wrote or cut one of the files. */
function openPair(folder: string, number: number): Pair | null {
  const events = LineFile.open(fileOf(folder, number, 'events'));
  const outcomes = LineFile.open(fileOf(folder, number, 'outcomes'));
  if (outcomes.lines.length > events.lines.length) {
    events.file.close();
    outcomes.file.close();
    return null;
  }
  return {
    number,
    events: events.file,
    outcomes: outcomes.file,
    waiting: events.lines.slice(outcomes.lines.length),
    known: new Set(events.lines.map(digestOf)),
  };
}

const fileOf = (folder: string, number: number, kind: 'events' | 'outcomes'): string =>
  path.join(folder, `${number}.${kind}.ndjson`);

const digestOf = (event: Buffer): string => sha256(event).toString('base64');

const sizeOf = (events: readonly Buffer[]): number => events.reduce((sum, { length }) => sum + length, 0);

function pairsIn(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const number = EVENTS.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}
