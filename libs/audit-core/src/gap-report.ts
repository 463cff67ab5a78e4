/**
 * What a sealer says of lanes that wait and of gap records (formats.md "Gaps", `audit.gaps.<ledger>.<sealer>`). The
 * request is JSON, `{}` or `{"order":"<signed order>"}`; the answer, read by value:
 *
 *     {"lanes":[{"ingester":"a","first":4,"last":6,"since":"<time>","due":"<time>","asked":3},…],
 *      "gaps":[{"ingester":"a","first":4,"last":6,"cause":"lost","index":n,"open":[[4,5]]},…],"more":0}
 *
 * Nothing of it is signed: it is the sealer's word. The gap records themselves are entries of the log.
 */
import { FormatError } from './format-error.js';
import { GAP_CAUSES, type GapCause } from './gap.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { MessageReader } from './message-json.js';
import { parseName } from './names.js';
import { MOST_ENTRY_BYTES } from './note.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

/** A lane that waits for frames. */
export type WaitingLane = {
  readonly ingester: string;
  /** The frames that are missing. */
  readonly first: number;
  readonly last: number;
  /** When the frame behind them was accepted; null when none is held that could end a gap. */
  readonly since: Timestamp | null;
  /** From when on a gap record is sealed by itself, once the ingester was asked; null with `since`. */
  readonly due: Timestamp | null;
  /** How often this sealer has asked for the first of them. */
  readonly asked: number;
};

/** A gap record of the log. */
export type SealedGap = {
  readonly ingester: string;
  readonly first: number;
  readonly last: number;
  readonly cause: GapCause;
  /** Index of the record. */
  readonly index: number;
  /** Ranges of its frames that can still come, ascending: none once the debt is paid, or when there is none. */
  readonly open: readonly (readonly [number, number])[];
};

export type GapReport = {
  readonly lanes: readonly WaitingLane[];
  readonly gaps: readonly SealedGap[];
  /** Older gaps that are left out. */
  readonly more: number;
};

/** The request: a list, or an order to carry out before it. */
export function formatGapRequest(order: string | null): Buffer {
  return Buffer.from(JSON.stringify(order === null ? {} : { order }));
}

/** @returns the order, not opened; null without. @throws FormatError `gaps-request.size`, `…-json`, `gaps-request.order` */
export function parseGapRequest(bytes: Uint8Array): string | null {
  const members = MessageReader.parse('gaps-request', bytes, 2 * MOST_ENTRY_BYTES);
  return members.has('order') ? members.text('order') : null;
}

/** The bytes of a report. @throws FormatError `gaps.*` when no reader would take it */
export function formatGapReport({ lanes, gaps, more }: GapReport): Buffer {
  const bytes = Buffer.from(JSON.stringify({ lanes, gaps, more }));
  parseGapReport(bytes);
  return bytes;
}

/** @throws FormatError `gaps.size`, `gaps.json`, or the code of the member that is missing or wrong */
export function parseGapReport(bytes: Uint8Array): GapReport {
  const members = MessageReader.parse('gaps', bytes, MAX_MESSAGE_BYTES);
  return {
    lanes: members.objects('lanes').map(readLane),
    gaps: members.objects('gaps').map(readGap),
    more: members.count('more'),
  };
}

function readLane(members: MessageReader): WaitingLane {
  return {
    ...readRange(members),
    since: readTime(members, 'since'),
    due: readTime(members, 'due'),
    asked: members.count('asked'),
  };
}

function readGap(members: MessageReader): SealedGap {
  const cause = members.check('cause', () => causeOf(members.text('cause')));
  return { ...readRange(members), cause, index: members.count('index'), open: members.pairs('open') };
}

function readRange(members: MessageReader): { ingester: string; first: number; last: number } {
  const ingester = members.text('ingester');
  members.check('ingester', () => parseName(ingester));
  const [first, last] = [members.count('first'), members.count('last')];
  if (first < 1 || last < first) members.fail('last', `is ${last}, of a range that begins at ${first}`);
  return { ingester, first, last };
}

function readTime(members: MessageReader, name: string): Timestamp | null {
  const time = members.textOrNull(name);
  if (time !== null) members.check(name, () => parseTimestamp(time));
  return time;
}

function causeOf(text: string): GapCause {
  const cause = GAP_CAUSES.find((known) => known === text);
  if (cause === undefined) throw new FormatError('gaps.cause', `it is none of ${GAP_CAUSES.join(', ')}`);
  return cause;
}
