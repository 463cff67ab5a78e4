/**
 * One submit request (formats.md, "Receipt and refusal" and "Limits"): which exact bytes are its events, all or nothing.
 *
 * `Content-Type` decides what the body is; parameters are ignored but for charset, which has to be utf-8:
 * - `application/cloudevents+json`, also when there is none: one event, white space around it;
 * - `application/cloudevents-batch+json`: a JSON array of 1 to 512 events;
 * - `application/x-ndjson`: 1 to 512 lines, each one event. A line ends with LF or CR LF, after the last it may be left
 *   out. An empty line is refused, and so is any other CR: line readers that split there would count other events.
 *
 * An event is a JSON object of at most 61,440 bytes (which with any envelope is less than an entry's 65,535) that passes
 * JsonTape without a finding and is a CloudEvent (cloud-event.ts). Its bytes are [start, end) of the body: white space
 * around it trimmed, nothing inside touched. Numbers of any precision, text in any normal form and data of any size
 * are kept: the bytes are sealed, not our reading of them.
 *
 * The first thing that is wrong refuses the whole request, and `position` names the event. Codes:
 * - `request.too-large`  more bytes or events than the limits
 * - `request.malformed`  no known content type; not UTF-8, not JSON, not objects
 * - `event.invalid`      JSON that two parsers could read differently or that nests deeper than 32; no CloudEvent
 */
import { readCloudEvent } from './cloud-event.js';
import { FormatError } from './format-error.js';
import { CLOSE_ARRAY, COMMA, OPEN_ARRAY, skipSpace, skipSpaceBack } from './json-bytes.js';
import { isFinding, JsonError } from './json-error.js';
import { JsonKind } from './json-node.js';
import { JsonTape } from './json-tape.js';
import { MAX_EVENT_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS } from './limits.js';
import { parseMediaType } from './media-type.js';
import { quote } from './quote.js';
import { Refused } from './refused.js';

/** One event: its exact bytes are [start, end) of the request's body. */
export type SubmittedEvent = { start: number; end: number; id: string; source: string };

/** 1 to 512 events in the order of the request. */
export type Submission = { events: SubmittedEvent[] };

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const READERS = new Map<string, (body: Buffer) => SubmittedEvent[]>([
  ['application/cloudevents+json', readOne],
  ['application/cloudevents-batch+json', readBatch],
  ['application/x-ndjson', readLines],
]);

// Work space of one call.
const tape = new JsonTape();

/**
 * Reads a request. Two events with the same source and id are not looked for: that is the duplicate window's matter.
 * @param contentType the header as it came; empty counts as absent, as NATS clients answer so for a missing header
 * @throws Refused as above
 */
export function parseSubmission(contentType: string | undefined, body: Uint8Array): Submission {
  if (body.length > MAX_REQUEST_BYTES) {
    throw new Refused(
      'request.too-large',
      `the request has ${body.length} bytes, at most ${MAX_REQUEST_BYTES} are taken; send fewer events at a time`,
    );
  }
  const read = readerOf(contentType);
  return { events: read(Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.length)) };
}

function readerOf(contentType: string | undefined): (body: Buffer) => SubmittedEvent[] {
  if (contentType === undefined || contentType === '') return readOne;
  const mediaType = parseMediaType(contentType);
  const read = mediaType === null ? undefined : READERS.get(mediaType.type);
  if (mediaType === null || read === undefined) {
    const known = [...READERS.keys()].join(', ');
    throw new Refused('request.malformed', `content type ${quote(contentType)} is none of ${known}`);
  }
  if (mediaType.charsets.some((charset) => charset !== 'utf-8')) {
    throw new Refused('request.malformed', `content type ${quote(contentType)} is not utf-8, the one charset of JSON`);
  }
  return read;
}

function readOne(body: Buffer): SubmittedEvent[] {
  return [readWhole(body, 0, body.length, 0)];
}

function readBatch(body: Buffer): SubmittedEvent[] {
  const events: SubmittedEvent[] = [];
  let at = skipSpace(body, 0, body.length);
  if (body[at] !== OPEN_ARRAY) throw malformed('the body does not start with [; a batch is a JSON array of events');
  if (body[skipSpace(body, at + 1, body.length)] === CLOSE_ARRAY) throw malformed('the batch holds no event');
  do {
    const event = readFirst(body, skipSpace(body, at + 1, body.length), nextPosition(events));
    events.push(event);
    at = skipSpace(body, event.end, body.length);
  } while (body[at] === COMMA);
  if (body[at] !== CLOSE_ARRAY) {
    throw malformed(`neither a comma nor the end of the batch follows event ${events.length - 1} at byte ${at}`);
  }
  const rest = skipSpace(body, at + 1, body.length);
  if (rest < body.length) throw malformed(`bytes follow the batch at byte ${rest}`);
  return events;
}

function readLines(body: Buffer): SubmittedEvent[] {
  const events: SubmittedEvent[] = [];
  let nextReturn = indexOf(body, CARRIAGE_RETURN, 0);
  for (let start = 0; start < body.length || start === 0;) {
    const position = nextPosition(events);
    const lineEnd = indexOf(body, LINE_FEED, start);
    const end = nextReturn === lineEnd - 1 && lineEnd < body.length ? nextReturn : lineEnd;
    if (nextReturn < end) throw malformed(`a CR stands inside event ${position} at byte ${nextReturn}`, position);
    if (nextReturn < lineEnd) nextReturn = indexOf(body, CARRIAGE_RETURN, lineEnd);
    events.push(readWhole(body, start, end, position));
    start = lineEnd + 1;
  }
  return events;
}

/** Where the byte comes next, or the body's length. */
function indexOf(body: Buffer, byte: number, from: number): number {
  const at = body.indexOf(byte, from);
  return at < 0 ? body.length : at;
}

function nextPosition(events: readonly SubmittedEvent[]): number {
  if (events.length < MAX_REQUEST_EVENTS) return events.length;
  throw new Refused(
    'request.too-large',
    `the request holds more than ${MAX_REQUEST_EVENTS} events; send fewer at a time`,
  );
}

/** The event that [from, to) is, white space around it. */
function readWhole(body: Buffer, from: number, to: number, position: number): SubmittedEvent {
  const start = skipSpace(body, from, to);
  const end = skipSpaceBack(body, start, to);
  if (start === end) throw malformed(`there is no event ${position}, the place for it is empty`, position);
  if (end - start > MAX_EVENT_BYTES) throw tooLarge(position);
  try {
    tape.scan(body, start, end);
  } catch (error) {
    throw refusalOf(error, position);
  }
  return eventOnTape(position);
}

/** The event that starts at `start` and is followed by others. */
function readFirst(body: Buffer, start: number, position: number): SubmittedEvent {
  // No further than an event may reach, so that the size is bounded before the work.
  const end = Math.min(body.length, start + MAX_EVENT_BYTES);
  try {
    tape.scanNext(body, start, end);
  } catch (error) {
    const isCut = error instanceof JsonError && error.code === 'json.end' && end < body.length;
    throw isCut ? tooLarge(position) : refusalOf(error, position);
  }
  return eventOnTape(position);
}

function eventOnTape(position: number): SubmittedEvent {
  if (tape.kind(0) !== JsonKind.object) throw malformed(`event ${position} is not a JSON object`, position);
  try {
    const { id, source } = readCloudEvent(tape);
    return { start: tape.startOf(0), end: tape.endOf(0), id, source };
  } catch (error) {
    throw refusalOf(error, position);
  }
}

function malformed(message: string, position: number | null = null): Refused {
  return new Refused('request.malformed', message, position);
}

function tooLarge(position: number): Refused {
  const message = `event ${position} has more than ${MAX_EVENT_BYTES} bytes; carry what is large elsewhere and its hash here`;
  return new Refused('request.too-large', message, position);
}

/** What the checks of one event threw, as the answer to the request; a bug of ours stays what it is. */
function refusalOf(error: unknown, position: number): unknown {
  if (!(error instanceof FormatError)) return error;
  const isReadable = !(error instanceof JsonError) || isFinding(error.code) || error.code === 'json.depth';
  const code = isReadable ? 'event.invalid' : 'request.malformed';
  return new Refused(code, `event ${position}: ${error.message}`, position, { cause: error });
}
