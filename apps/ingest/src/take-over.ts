/**
 * Taking over a closed ledger: what was accepted for it and does not survive is framed anew in its successor, before the
 * successor accepts anything else (formats.md, "Successor"; decision 0119). A receipt is a promise, and the frames that it
 * speaks of cannot move: they name the closed origin in signed bytes. Their events can.
 *
 *   open    the successor's note, the closed spool, what survives: each checked
 *   run     plan → record it, synced → one frame for one frame, in their order → record that it is done, synced
 *
 * Each event keeps its bytes and its producer; origin, time of acceptance and frame are the successor's. Frame n of `frames`
 * becomes frame `behind + n` of the successor's lane, and nothing else is framed until all are: so after a crash the newest
 * frame in the successor's spool says how many are done, and no event is framed twice or left out. A frame counts from its
 * fdatasync on; that it then comes into the lane is the lane's own business (lane.ts), as with any frame.
 *
 * State: `#record` is null until `run` has planned or found the plan. The closed spool stays locked until `close`.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  equalHash,
  FormatError,
  openGenesis,
  openRestore,
  originOf,
  parseEventEntry,
  parseOrigin,
  parseSurvivingHeads,
  survivingHead,
  type SurvivingHead,
  type VerifierKey,
} from '@everseal/audit-core';
import type { Condition, Logger, StopProcess } from '@everseal/process';
import { ClosedSpool, type ClosedFrame } from './closed-spool.js';
import type { Commit } from './commit.js';
import type { IngestSettings } from './config.js';
import { envelopeBytes, type LaneName } from './frame-builder.js';
import type { FrameStore, HeldFrame } from './frame-store.js';
import type { Gate } from './gate.js';
import { PendingRequest, type SubmittedEvent } from './pending-request.js';
import { FRAME_OVERHEAD, type Spool } from './spool.js';
import { stop } from './stop.js';
import { countIn, numbersIn, planTakeOver } from './take-over-plan.js';
import { readTakenOver, readTakeOver, takeOverFile, writeTakeOver, type TakeOverRecord } from './take-over-record.js';

/** The settings of a ledger that continues a closed one. */
export type Continues = NonNullable<IngestSettings['ledgers'][number]['continues']>;

export type TakeOverOptions = {
  /** The successor's origin, and this ingester. */
  readonly name: LaneName;
  /** Undefined for a ledger that continues none. */
  readonly continues: Continues | undefined;
  /** Where the spools of both are, one folder a ledger. */
  readonly spoolDir: string;
  /** The successor's first key set, a note. */
  readonly genesisFile: string;
  /** The successor's: it stays shut until everything is taken over. */
  readonly gate: Pick<Gate, 'condition' | 'holdsBut'>;
};

/** A ledger that continues a closed one, with the folders of their spools. */
type Places = TakeOverOptions & {
  readonly continues: Continues;
  /** Origin of the closed ledger. */
  readonly closed: string;
  readonly directory: string;
  readonly closedDirectory: string;
};

/** What `run` needs of the successor's intake. */
export type TakeOverParts = {
  readonly spool: Spool;
  readonly frames: FrameStore;
  readonly commit: Commit;
  /** Keys that may have signed our frames. */
  readonly ownKeys: readonly VerifierKey[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** What there is to tell. */
export type TakeOverProgress = {
  readonly closed: string;
  readonly events: number;
  readonly framesLeft: number;
  readonly framesMissing: number;
};

/** More than a frame costs beside its entries, so that the spool's bound is never passed. */
const AROUND_ENTRIES = FRAME_OVERHEAD + 2_048;
/** Name of its condition at the gate. */
const CONDITION = 'take-over';
/** How often to look whether there is room. */
const LOOK_MS = 50;

export class TakeOver {
  #record: TakeOverRecord | null;
  readonly #condition: Condition;
  #events = 0;
  #taken = 0;

  private constructor(
    private readonly places: Places,
    record: TakeOverRecord | null,
    /** Null when everything is done. */
    private readonly source: { readonly spool: ClosedSpool; readonly head: SurvivingHead | null } | null,
  ) {
    this.#record = record;
    this.#condition = places.gate.condition(CONDITION, 'the closed ledger is not looked at yet');
    this.#events = record?.done?.events ?? 0;
    if (record?.done) this.#taken = countIn(record.frames);
  }

  /**
   * @returns null for a ledger that continues none
   * @throws StopProcess settings.ledgers, successor.note, spool.busy, spool.corrupt, spool.rolled-back
   */
  static open(options: TakeOverOptions): TakeOver | null {
    const { name, spoolDir, continues } = options;
    const { domain, ledger } = parseOrigin(name.origin);
    const directory = path.join(spoolDir, ledger);
    refuseTakenOver(directory);
    const record = readTakeOver(directory);
    if (continues === undefined) {
      if (record === null || record.done) return null;
      throw settings(`${name.origin} has begun to take over ${record.closed}: put continues back into its settings`);
    }
    const closed = originOf(domain, continues.ledger);
    const places = { ...options, continues, closed, directory, closedDirectory: path.join(spoolDir, continues.ledger) };
    if (record !== null && record.closed !== closed) {
      throw settings(`${name.origin} takes over ${record.closed}, not ${closed}: make continues agree`);
    }
    // Nothing of it is read any more.
    if (record?.done) return new TakeOver(places, record, null);
    const head = readHead(places);
    const spool = ClosedSpool.open(places.closedDirectory, { origin: closed, ingester: name.ingester });
    const unfinished = readTakeOver(places.closedDirectory);
    if (unfinished === null || unfinished.done) return new TakeOver(places, record, { spool, head });
    spool.close();
    throw settings(
      `${closed} itself has begun to take over ${unfinished.closed}: let it finish first, with ${continues.ledger} and its continues in the settings`,
    );
  }

  get progress(): TakeOverProgress {
    const { closed } = this.places;
    const { frames = [], missing = [] } = this.#record ?? {};
    const framesLeft = countIn(frames) - this.#taken;
    return { closed, events: this.#events, framesLeft, framesMissing: countIn(missing) };
  }

  /** Lets go of the closed spool. */
  close(): void {
    this.source?.spool.close();
  }

  /**
   * Resolves when everything is in the successor's lane and that is on record; early when `signal` is aborted.
   * @throws StopProcess spool.corrupt, spool.rolled-back
   */
  async run(parts: TakeOverParts): Promise<void> {
    const { logger, signal } = parts;
    if (this.source !== null) {
      const record = await this.begin(parts, this.source);
      await this.carryOn(parts, this.source.spool, record);
      if (signal.aborted) return;
      // Crash here: the next start counts, finds nothing left to frame, and records it.
      this.record({ ...record, done: { events: this.#events, last: parts.spool.newest } });
    }
    const { closed, events, framesMissing } = this.progress;
    if (framesMissing > 0) {
      logger.error(
        { missing: this.#record?.missing },
        `${framesMissing} frames of ${closed} are lost: what survives has not got them, and this spool let go of them when they were sealed`,
      );
    }
    logger.info({ events }, `${events} events of ${closed} are taken over`);
    this.#condition.ok();
  }

  /** Finds the plan, or makes it and records it before anything is framed. */
  private async begin(
    { spool, logger }: TakeOverParts,
    source: NonNullable<TakeOver['source']>,
  ): Promise<TakeOverRecord> {
    const { closed, closedDirectory, name } = this.places;
    const { spool: old, head } = source;
    const other = readTakenOver(closedDirectory);
    if (this.#record === null && other !== null) {
      throw stop(
        'spool.rolled-back',
        `${closedDirectory} was taken over by ${other.successor} already, and the spool of ${name.origin} knows nothing of it: an older copy was put back. Put the newest spool back`,
      );
    }
    await this.requireSameLog(old, head);
    const plan = (): TakeOverRecord => ({
      closed,
      successor: name.origin,
      ingester: name.ingester,
      behind: spool.newest.number,
      ...planTakeOver(old.newest.number, old.held, head),
      done: null,
    });
    // A plan that was made stays: what is done is counted by it.
    const record = this.#record ?? plan();
    this.record(record);
    logger.info(
      { frames: record.frames, missing: record.missing },
      `taking over ${countIn(record.frames)} frames of ${closed}`,
    );
    return record;
  }

  /** The newest frame that survives must be one that was built here. */
  private async requireSameLog(old: ClosedSpool, head: SurvivingHead | null): Promise<void> {
    if (head === null) return;
    const known = await old.hashOf(head.number);
    const isOther = known !== null && !equalHash(known, head.hash);
    if (head.number <= old.newest.number && !isOther) return;
    throw stop(
      'spool.rolled-back',
      `frame ${head.number} of ${this.places.closed} survives, and ${old.directory} ${isOther ? 'has another one of that number' : `ends with frame ${old.newest.number}`}: an older copy was put back. Put the newest spool back`,
    );
  }

  /** Frames what is left: two frames under way at most. */
  private async carryOn(parts: TakeOverParts, old: ClosedSpool, record: TakeOverRecord): Promise<void> {
    const { spool, commit, ownKeys, signal } = parts;
    const numbers = numbersIn(record.frames);
    const done = spool.newest.number - record.behind;
    await this.requireCounted(parts, old, record, done);
    for (const number of numbers.slice(0, done)) this.took(await old.read(number, ownKeys));
    let before: Promise<void> = Promise.resolve();
    let last: Promise<void> = Promise.resolve();
    for (const number of numbers.slice(done)) {
      const closed = await old.read(number, ownKeys);
      const requests = this.requestsOf(closed);
      const bytes = requests.reduce((sum, { entryBytes }) => sum + entryBytes, AROUND_ENTRIES);
      await this.room(parts, bytes);
      await before;
      if (signal.aborted) return;
      before = last;
      last = commit.frameWhole(requests, bytes).then(() => this.took(closed));
    }
    await before;
    await last;
  }

  /** The successor's newest frame must be the one that counting says it is. */
  private async requireCounted(
    { spool, frames, ownKeys }: TakeOverParts,
    old: ClosedSpool,
    record: TakeOverRecord,
    done: number,
  ): Promise<void> {
    if (done === 0) return;
    const number = numbersIn(record.frames)[done - 1];
    const newest = await frames.frame(spool.newest.number);
    const isIt = number !== undefined && newest !== null && sameEvents(await old.read(number, ownKeys), newest);
    if (isIt) return;
    throw stop(
      'spool.rolled-back',
      `the spool of ${record.successor} ends with frame ${spool.newest.number}, which does not hold the events of ${record.closed} that ${takeOverFile(this.places.directory)} puts there: put the newest copies of both spools back`,
    );
  }

  private took({ frame }: ClosedFrame): void {
    this.#taken += 1;
    this.#events += frame.count;
  }

  /** Everything is as it must be to accept requests, but for what waits for the take-over itself. */
  private get mayFrame(): boolean {
    return this.places.gate.holdsBut(CONDITION, 'window');
  }

  /** Waits until the frame may be built and the spool has room for it: its bound holds here, too. */
  private async room({ spool, commit, signal }: TakeOverParts, bytes: number): Promise<void> {
    const { closed } = this.places;
    const isFull = (): boolean => spool.bytes + commit.bytesUnderWay > 0 && spool.full(commit.bytesUnderWay + bytes);
    while (!signal.aborted) {
      const framed = `${this.#taken} of ${countIn(this.#record?.frames ?? [])} frames of ${closed} are taken over`;
      const waits = isFull() ? ': the spool is full until the successor seals' : '';
      this.#condition.fail(`${framed}${waits}`);
      if (this.mayFrame && spool.writable && waits === '') return;
      await pause(LOOK_MS);
    }
  }

  /** The frame's events as requests that nobody waits for: one for each run of events of one producer. */
  private requestsOf({ frame, message: { bytes, entries } }: ClosedFrame): PendingRequest[] {
    const runs: { producer: string; events: SubmittedEvent[] }[] = [];
    for (let i = 0; i < entries.count; i += 1) {
      const start = entries.start(i);
      const entry = parseEventEntry(bytes.subarray(start, entries.end(i)));
      if (!('event' in entry)) {
        throw stop(
          'spool.corrupt',
          `event ${i} of frame ${frame.number} of ${frame.origin} is a digest: nobody writes one`,
        );
      }
      // Who repeats it is found by its place in the frame (duplicates.ts, refill), not by this.
      const event = { start: start + entry.event.start, end: start + entry.event.end, id: '', source: '' };
      const run = runs.at(-1);
      if (run?.producer === entry.producer) run.events.push(event);
      else runs.push({ producer: entry.producer, events: [event] });
    }
    return runs.map(({ producer, events }) => this.requestOf(producer, bytes, events));
  }

  private requestOf(producer: string, body: Buffer, events: SubmittedEvent[]): PendingRequest {
    const envelope = envelopeBytes(this.places.name.origin, producer);
    const bytes = events.reduce((sum, { start, end }) => sum + envelope + end - start, 0);
    return new PendingRequest('', producer, body, events, bytes, Infinity);
  }

  private record(record: TakeOverRecord): void {
    writeTakeOver(this.places.directory, this.places.closedDirectory, record);
    this.#record = record;
  }
}

/** By the successor's note, which an operator signed: that it continues this ledger, and what of it survives. */
function readHead({ name, genesisFile, continues, closed }: Places): SurvivingHead | null {
  const { successorNoteFile, headsFile } = continues;
  try {
    const genesis = openGenesis(readFileSync(genesisFile), name.origin);
    const restore = openRestore(readFileSync(successorNoteFile), genesis, null);
    if (restore.closed !== closed) throw new FormatError('restore.closed', `it closes ${restore.closed}`);
    return survivingHead(restore, parseSurvivingHeads(readFileSync(headsFile)), name.ingester);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unreadable';
    throw stop(
      'successor.note',
      `${successorNoteFile} and ${headsFile} do not say what of ${closed} survives in ${name.origin} (${why}): put there what everseal restore --close wrote`,
      cause,
    );
  }
}

function sameEvents({ message }: ClosedFrame, newer: HeldFrame): boolean {
  const of = ({ bytes, entries }: ClosedFrame['message'], i: number): { producer: string; event: Buffer } => {
    const entry = bytes.subarray(entries.start(i), entries.end(i));
    const parsed = parseEventEntry(entry);
    const { start, end } = 'event' in parsed ? parsed.event : { start: 0, end: 0 };
    return { producer: parsed.producer, event: entry.subarray(start, end) };
  };
  const { count } = message.entries;
  if (newer.message.entries.count !== count) return false;
  for (let i = 0; i < count; i += 1) {
    const [a, b] = [of(message, i), of(newer.message, i)];
    if (a.producer !== b.producer || !a.event.equals(b.event)) return false;
  }
  return true;
}

/** Stops when the spool is one that nothing is to be appended to any more. */
function refuseTakenOver(directory: string): void {
  const record = readTakenOver(directory);
  if (record === null) return;
  throw settings(
    `${record.closed} is closed, and ${record.successor} took over what its spool holds: serve it no more`,
  );
}

function settings(problem: string): StopProcess {
  return stop('settings.ledgers', problem);
}
