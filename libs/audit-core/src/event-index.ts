/**
 * The event index (formats.md, "Event index (projection)"): a total function from the bytes of any event to one row, so
 * that anyone can re-derive the table and see whether it was altered.
 *
 * Bytes that are not one JSON object (RFC 8259, strict UTF-8), that repeat a member name anywhere, or that nest deeper
 * than 32 give a row of nulls. Else a column holds the first of its paths that holds a string, the empty string
 * included, with U+0000 and lone surrogates as U+FFFD (Postgres has neither) and then cut to 256 bytes of UTF-8 at a
 * code point. What ingest refuses besides, such as 1e400 or a member named `constructor`, does not matter here: the log
 * may hold what another ingester let in.
 */
import { eventIdentity } from './event-identity.js';
import { parseInstant } from './instant.js';
import { JsonPaths } from './json-paths.js';
import { JsonKind } from './json-node.js';
import type { JsonTape } from './json-tape.js';

/** What the index says about one event beside its place in the log; null where the event has no such string. */
export type EventIndexRow = {
  eventId: string | null;
  source: string | null;
  type: string | null;
  subject: string | null;
  actor: string | null;
  action: string | null;
  target: string | null;
  outcome: string | null;
  /** `time` in microseconds since 1970 UTC, see instant.ts. */
  occurred: bigint | null;
  /** 16 bytes over producer and the uncut source and id, see event-identity.ts; null when either is. */
  identity: Buffer | null;
};

/** Most bytes of UTF-8 in a column. */
export const MAX_COLUMN_BYTES = 256;

/** The paths of each column, in the order in which they are tried. */
const COLUMNS = {
  eventId: ['id'],
  source: ['source'],
  type: ['type'],
  subject: ['subject'],
  time: ['time'],
  actor: ['data.actor.id', 'data.actor.user.uid', 'data.actor.user.name', 'data.userIdentity.arn'],
  action: ['data.action', 'data.api.operation', 'data.eventName', 'type'],
  target: ['data.target.id', 'data.targets[0].id', 'data.resources[0].uid', 'data.resources[0].ARN', 'subject'],
  outcome: ['data.outcome', 'data.status', 'data.errorCode'],
} as const;

type Column = keyof typeof COLUMNS;
const PATHS = [...new Set<string>(Object.values(COLUMNS).flat())];
const FINDER = new JsonPaths(PATHS);
/** Per column the places of its paths in PATHS. */
const SLOTS = Object.fromEntries(
  Object.entries(COLUMNS).map(([column, paths]) => [column, paths.map((path) => PATHS.indexOf(path))]),
) as Record<Column, number[]>;
// Work space of one call: the string node at each path.
const found = new Int32Array(PATHS.length);

/**
 * The row of the event in bytes [start, end), for any bytes.
 * @param tape scanned over; what it held before is gone
 * @param producer as the entry's envelope names it
 */
export function indexEvent(
  tape: JsonTape,
  producer: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): EventIndexRow {
  const fault = tape.report(bytes, start, end);
  if (fault !== null || tape.repeatedName || tape.kind(0) !== JsonKind.object) return nullRow();
  FINDER.find(tape, found);
  const id = nodeOf('eventId');
  const source = nodeOf('source');
  const time = nodeOf('time');
  const named = id >= 0 && source >= 0;
  return {
    eventId: columnText(tape, id),
    source: columnText(tape, source),
    type: columnText(tape, nodeOf('type')),
    subject: columnText(tape, nodeOf('subject')),
    actor: columnText(tape, nodeOf('actor')),
    action: columnText(tape, nodeOf('action')),
    target: columnText(tape, nodeOf('target')),
    outcome: columnText(tape, nodeOf('outcome')),
    occurred: time < 0 ? null : parseInstant(tape.stringValue(time)),
    identity: named ? eventIdentity(producer, tape.stringValue(source), tape.stringValue(id)) : null,
  };
}

/** The string at the first of the column's paths that has one, or -1. */
function nodeOf(column: Column): number {
  for (const slot of SLOTS[column]) if (found[slot]! >= 0) return found[slot]!;
  return -1;
}

function nullRow(): EventIndexRow {
  return {
    eventId: null,
    source: null,
    type: null,
    subject: null,
    actor: null,
    action: null,
    target: null,
    outcome: null,
    occurred: null,
    identity: null,
  };
}

const UNSTORABLE = /[\0\p{Surrogate}]/gu;

function columnText(tape: JsonTape, node: number): string | null {
  if (node < 0) return null;
  const value = tape.stringValue(node);
  // Plain text has a byte a character and nothing to replace.
  return tape.isPlain(node) ? value.slice(0, MAX_COLUMN_BYTES) : cutToBytes(value.replace(UNSTORABLE, '\ufffd'));
}

/** The longest prefix of whole code points that fits a column; `value` has no lone surrogates. */
function cutToBytes(value: string): string {
  let size = 0;
  for (let i = 0; i < value.length;) {
    const point = value.codePointAt(i)!;
    size += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (size > MAX_COLUMN_BYTES) return value.slice(0, i);
    i += point < 0x10000 ? 1 : 2;
  }
  return value;
}
