/**
 * Reads a spool's directory at start and proves that it is whole: every record intact, numbers dense, each frame's
 * `previous` the hash of the frame before, and nothing missing that the state file knows of. Whatever does not fit stops
 * the process: a spool that went back would give one frame number two contents.
 *
 * One thing is repaired: the newest record, when an interrupted write left it incomplete. It was never published (that
 * happens after its fdatasync only), so no receipt speaks of it.
 */
import { closeSync, existsSync, fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { equalHash, ZERO_HASH, type Hash } from '@everseal/audit-core';
import { codeOf, replaceFile } from '@everseal/process';
import { RECORD_HEADER, scanSegment, SegmentDamaged } from './segment.js';
import { formatSpoolState, parseSpoolState, type FrameId, type SpoolState } from './spool-state.js';
import { stop } from './stop.js';

/** What the spool needs to know of a frame. */
export type InspectedFrame = { number: number; previous: Hash; hash: Hash; acceptedMs: number };

/** Throws for bytes that are no frame message of this origin and ingester. */
export type InspectFrame = (message: Buffer) => InspectedFrame;

/** A segment and where its frames are; frame `first + i` stands at `offsets[i]`. */
export type HeldSegment = {
  file: string;
  first: number;
  /** Bytes of the file. */
  size: number;
  /** Where the next record goes. */
  end: number;
  offsets: number[];
  /** When each was accepted, ms since 1970. */
  accepted: number[];
};

type ReadSegment = HeldSegment & { bytes: Buffer; torn: boolean };

export type RecoveredSpool = {
  newest: FrameId;
  covered: FrameId;
  /** Oldest first; only the last one can be empty. */
  segments: HeldSegment[];
  /** Number of the next segment file. */
  ordinal: number;
};

const SEGMENT_NAME = /^[0-9]{12}\.segment$/;

/** @throws StopProcess spool.corrupt, spool.rolled-back */
export function recoverSpool(
  directory: string,
  origin: string,
  ingester: string,
  inspect: InspectFrame,
): RecoveredSpool {
  const names = segmentNames(directory);
  const state = readState(directory, origin, ingester, names.length === 0);
  const chain = new Chain(state, directory);
  const all = names.map((name) => readSegment(path.join(directory, name), inspect, chain));
  chain.end();
  const segments = settle(all);
  const ordinal = Number(names.at(-1)?.slice(0, 12) ?? 0) + 1;
  return { newest: chain.last ?? state.newest, covered: state.covered, segments, ordinal };
}

/**
 * The same proof of a spool that nobody appends to any more, without a change of any file: an incomplete newest record is
 * passed over where it stands. There must be a state file.
 * @throws StopProcess spool.corrupt, spool.rolled-back
 */
export function surveySpool(
  directory: string,
  origin: string,
  ingester: string,
  inspect: InspectFrame,
): Omit<RecoveredSpool, 'ordinal'> {
  const state = knownState(directory, origin, ingester);
  const chain = new Chain(state, directory);
  const segments = segmentNames(directory).map((name) => held(readSegment(path.join(directory, name), inspect, chain)));
  chain.end();
  return { newest: chain.last ?? state.newest, covered: state.covered, segments };
}

function segmentNames(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => SEGMENT_NAME.test(name))
    .sort();
}

function held({ file, first, size, end, offsets, accepted }: ReadSegment): HeldSegment {
  return { file, first, size, end, offsets, accepted };
}

const stateFile = (directory: string): string => path.join(directory, 'state');

function readState(directory: string, origin: string, ingester: string, noSegments: boolean): SpoolState {
  const file = stateFile(directory);
  if (!existsSync(file)) {
    if (!noSegments) {
      throw stop(
        'spool.rolled-back',
        `spool ${directory} has frames but no state file: restore the directory as a whole`,
      );
    }
    const none = { number: 0, hash: ZERO_HASH };
    const fresh: SpoolState = { origin, ingester, newest: none, covered: none };
    // Written before the first frame, so that from now on a missing file means loss.
    replaceFile(file, formatSpoolState(fresh));
    return fresh;
  }
  return knownState(directory, origin, ingester);
}

function knownState(directory: string, origin: string, ingester: string): SpoolState {
  const file = stateFile(directory);
  const state = parseSpoolState(readFileSync(file), file);
  if (state.origin !== origin || state.ingester !== ingester) {
    throw stop(
      'spool.corrupt',
      `spool ${directory} belongs to ingester ${state.ingester} of ${state.origin}, this is ${ingester} of ${origin}: set the right directory`,
    );
  }
  return state;
}

/** The frames in order, checked against each other and against the state file. */
class Chain {
  first: FrameId | null = null;
  last: FrameId | null = null;
  /** A record was incomplete: nothing may follow it. */
  isTorn = false;

  constructor(
    private readonly state: SpoolState,
    private readonly directory: string,
  ) {}

  /** @returns why the frame cannot follow, or null */
  problem(frame: InspectedFrame): string | null {
    const { last } = this;
    if (this.isTorn) return `frame ${frame.number} follows a record that is incomplete`;
    if (last !== null && frame.number !== last.number + 1) return `frame ${frame.number} follows frame ${last.number}`;
    if (last !== null && !equalHash(frame.previous, last.hash))
      return `frame ${frame.number} does not continue the chain`;
    for (const known of [this.state.newest, this.state.covered]) {
      if (known.number === frame.number && !equalHash(known.hash, frame.hash)) {
        return `frame ${frame.number} has another hash than the state file says`;
      }
      if (known.number === frame.number - 1 && !equalHash(known.hash, frame.previous)) {
        return `frame ${frame.number} does not continue the frame ${known.number} of the state file`;
      }
    }
    return null;
  }

  add(frame: InspectedFrame): void {
    this.last = { number: frame.number, hash: frame.hash };
    this.first ??= this.last;
  }

  /** Nothing that the state file knows of may be missing at either end. */
  end(): void {
    const { newest, covered } = this.state;
    const last = this.last?.number ?? 0;
    const first = this.first?.number ?? 1;
    if (last < newest.number || (last > covered.number && first > covered.number + 1)) {
      throw stop(
        'spool.rolled-back',
        `spool ${this.directory} holds frames ${first} to ${last}, but ${newest.number} was built and only ${covered.number} is sealed: ` +
          'files are missing or an older copy was put back. Restore the newest copy of the whole directory, or give this instance a new name and key',
      );
    }
  }
}

function readSegment(file: string, inspect: InspectFrame, chain: Chain): ReadSegment {
  const bytes = readFileSync(file);
  const first = (chain.last?.number ?? 0) + 1;
  const segment: ReadSegment = {
    file,
    first,
    size: bytes.length,
    end: 0,
    offsets: [],
    accepted: [],
    bytes,
    torn: false,
  };
  try {
    const { end, torn } = scanSegment(bytes, (message, offset) => {
      const frame = inspectAt(inspect, message, offset);
      const problem = chain.problem(frame);
      if (problem !== null) throw new SegmentDamaged(offset, problem);
      if (segment.offsets.length === 0) segment.first = frame.number;
      chain.add(frame);
      segment.offsets.push(offset);
      segment.accepted.push(frame.acceptedMs);
    });
    segment.end = end;
    segment.torn = torn;
    chain.isTorn ||= torn;
    return segment;
  } catch (cause) {
    if (!(cause instanceof SegmentDamaged)) throw cause;
    throw stop(
      'spool.corrupt',
      `${file}, byte ${cause.offset}: ${cause.message}. Do not cut or delete it: restore the file, or give this instance a new name and key`,
      cause,
    );
  }
}

function inspectAt(inspect: InspectFrame, message: Buffer, offset: number): InspectedFrame {
  try {
    return inspect(message);
  } catch (cause) {
    throw new SegmentDamaged(
      offset,
      `not a frame of this ingester: ${cause instanceof Error ? cause.message : 'unreadable'}`,
    );
  }
}

/**
 * Makes the end of the spool durable and gives the segments that stay.
 *
 * The newest record is written again, because after a kill it may stand in the page cache only (and after a failed fdatasync
 * the kernel believes it is clean); an incomplete one behind it is zeroed, so that what follows is never read together with
 * its rest. Segments behind it were made ready and not used: they are made anew when they are needed.
 */
function settle(all: ReadSegment[]): HeldSegment[] {
  const newest = all.findLastIndex(({ offsets, torn }) => torn || offsets.length > 0);
  for (const { file } of all.slice(newest + 1)) rmSync(file);
  const segment = all[newest];
  if (segment !== undefined) writeEnd(segment);
  return all.slice(0, newest + 1).map(held);
}

function writeEnd({ file, bytes, offsets, end, torn }: ReadSegment): void {
  if (torn) bytes.fill(0, end);
  const to = torn ? bytes.length : end;
  const fd = openSync(file, 'r+');
  try {
    for (let at = offsets.at(-1) ?? end; at < to;) at += writeSync(fd, bytes, at, to - at, at);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * The frame's message as it was appended, or null when its segment was deleted meanwhile.
 * @throws SegmentDamaged
 */
export async function readRecord(segment: HeldSegment, number: number): Promise<Buffer | null> {
  const offset = segment.offsets[number - segment.first] as number;
  const length = messageLength(segment, number);
  let file;
  try {
    file = await open(segment.file, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const record = Buffer.allocUnsafe(RECORD_HEADER + length);
    const { bytesRead } = await file.read(record, 0, record.length, offset);
    const message = record.subarray(RECORD_HEADER);
    if (bytesRead === record.length && crc32(message) === record.readUInt32BE(8)) return message;
    throw new SegmentDamaged(offset, `frame ${number} in ${segment.file} is damaged`);
  } finally {
    await file.close();
  }
}

/** Bytes of a held frame's message. */
export function messageLength(segment: HeldSegment, number: number): number {
  const index = number - segment.first;
  const start = segment.offsets[index];
  if (start === undefined) throw new Error(`frame ${number} is not in ${segment.file}`);
  return (segment.offsets[index + 1] ?? segment.end) - start - RECORD_HEADER;
}
