/**
 * The forms in which events come, told apart by their first bytes:
 *
 *   event       one CloudEvent, a JSON object
 *   batch       a JSON array of CloudEvents
 *   ndjson      one CloudEvent a line; empty lines are skipped
 *   cloudtrail  an object whose first member is "Records", an array: a CloudTrail log file
 *
 * Slicing finds where each value begins and ends and takes those bytes as they are; nothing is parsed into objects and
 * written again. Whether a slice is an event that may be sent is another question (check-events.ts).
 */
import { JsonError, JsonTape } from '@everseal/audit-core';
import { InputError } from './input-error.js';

export const INPUT_FORMATS = ['event', 'batch', 'ndjson', 'cloudtrail'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/** The largest single value that is looked at; an event has at most 61,440 bytes. */
const MOST_VALUE_BYTES = 1024 * 1024;
const LINE_FEED = 0x0a;
const COMMA = ','.charCodeAt(0);
const COLON = ':'.charCodeAt(0);
const OPEN_ARRAY = '['.charCodeAt(0);
const CLOSE_ARRAY = ']'.charCodeAt(0);
const OPEN_OBJECT = '{'.charCodeAt(0);
const CLOSE_OBJECT = '}'.charCodeAt(0);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);
const RECORDS = 'Records';

const tape = new JsonTape();

export function detectFormat(bytes: Buffer): InputFormat {
  const start = skipSpace(bytes, 0);
  if (bytes[start] === OPEN_ARRAY) return 'batch';
  if (bytes[start] !== OPEN_OBJECT) return 'event';
  if (recordsAt(bytes, start) !== null) return 'cloudtrail';
  const firstLine = bytes.indexOf(LINE_FEED, start);
  const hasMore = firstLine >= 0 && skipSpace(bytes, firstLine) < bytes.length;
  try {
    return skipSpace(bytes, valueEnd(bytes, start, '-', 0)) < bytes.length ? 'ndjson' : 'event';
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return hasMore && bytes.toString('latin1', start, firstLine).trimEnd().endsWith('}') ? 'ndjson' : 'event';
  }
}

/**
 * The exact bytes of every value in order, as views of `bytes`.
 * @param file its name, for messages
 * @throws InputError
 */
export function sliceValues(bytes: Buffer, format: InputFormat, file: string): Buffer[] {
  if (format === 'ndjson') return sliceLines(bytes);
  const start = skipSpace(bytes, 0);
  if (format === 'event') return [sliceOne(bytes, start, file)];
  if (format === 'batch') return sliceArray(bytes, start, bytes.length, file).values;
  const array = recordsAt(bytes, start);
  if (array === null) throw new InputError(file, null, 'a CloudTrail file starts with {"Records":[; this one does not');
  const { values, end } = sliceArray(bytes, array, bytes.length, file);
  const close = skipSpace(bytes, end);
  if (bytes[close] !== CLOSE_OBJECT || skipSpace(bytes, close + 1) < bytes.length) {
    throw new InputError(file, null, `after "Records" only a closing brace may follow (byte ${close})`);
  }
  return values;
}

function sliceOne(bytes: Buffer, start: number, file: string): Buffer {
  if (bytes[start] !== OPEN_OBJECT) {
    throw new InputError(file, null, 'it holds no event: give a JSON object, an array of them, or one a line');
  }
  const end = valueEnd(bytes, start, file, 0);
  const rest = skipSpace(bytes, end);
  if (rest < bytes.length) throw new InputError(file, null, `more follows the event, at byte ${rest}`);
  return bytes.subarray(start, end);
}

function sliceLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const feed = bytes.indexOf(LINE_FEED, start);
    const lineEnd = feed < 0 ? bytes.length : feed;
    const from = Math.min(skipSpace(bytes, start), lineEnd);
    let to = lineEnd;
    while (to > from && SPACE.has(bytes[to - 1]!)) to--;
    if (to > from) lines.push(bytes.subarray(from, to));
    start = lineEnd + 1;
  }
  return lines;
}

/** The elements of the array that starts at `start`, and the position after it. */
function sliceArray(bytes: Buffer, start: number, length: number, file: string): { values: Buffer[]; end: number } {
  if (bytes[start] !== OPEN_ARRAY) throw new InputError(file, null, `an array should start at byte ${start}`);
  const values: Buffer[] = [];
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE_ARRAY) return { values, end: at + 1 };
  for (;;) {
    const from = skipSpace(bytes, at);
    const to = valueEnd(bytes, from, file, values.length);
    values.push(bytes.subarray(from, to));
    at = skipSpace(bytes, to);
    if (bytes[at] === CLOSE_ARRAY) return { values, end: at + 1 };
    if (bytes[at] !== COMMA || at >= length) {
      const what = `neither a comma nor the end of the array follows it, at byte ${at}`;
      throw new InputError(file, values.length - 1, what);
    }
    at += 1;
  }
}

/** Where the array of "Records" starts; null when that is not the first member of the object at `start`. */
function recordsAt(bytes: Buffer, start: number): number | null {
  if (bytes[start] !== OPEN_OBJECT) return null;
  const name = skipSpace(bytes, start + 1);
  const end = name + RECORDS.length + 2;
  if (bytes.toString('latin1', name, end) !== `"${RECORDS}"`) return null;
  const colon = skipSpace(bytes, end);
  if (bytes[colon] !== COLON) return null;
  const array = skipSpace(bytes, colon + 1);
  return bytes[array] === OPEN_ARRAY ? array : null;
}

/**
 * Where the value at `start` ends. What two parsers could read differently (a name twice, for example) is let pass here:
 * the check of the event names it, with all others of its kind.
 */
function valueEnd(bytes: Buffer, start: number, file: string, position: number): number {
  const limit = Math.min(bytes.length, start + MOST_VALUE_BYTES);
  try {
    return tape.scanNext(bytes, start, limit);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    if (error.code === tape.finding) return tape.endOf(0);
    const isCut = error.code === 'json.end' && limit < bytes.length;
    throw new InputError(file, position, isCut ? `it has more than ${MOST_VALUE_BYTES} bytes` : error.message, {
      cause: error,
    });
  }
}

function skipSpace(bytes: Buffer, at: number): number {
  let i = at;
  while (i < bytes.length && SPACE.has(bytes[i]!)) i++;
  return i;
}
