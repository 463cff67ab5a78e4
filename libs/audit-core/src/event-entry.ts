/**
 * An event as log entry (formats.md, "Event"): the producer's bytes, verbatim, inside a fixed envelope.
 *
 *     {"ledger":"<origin>","producer":"<producer>","accepted":"<time>","event":<the producer's bytes>}
 *
 * The envelope is matched byte by byte and not read as JSON: one spelling, no white space, no other member. The event's
 * bytes are opaque here, 1 to 61,440 of them; whether they are good JSON is not asked, so nothing in an event can hold
 * up sealing. Nothing re-serialises them: `encodeEventEntry` copies, `parseEventEntry` points.
 *
 * Reserved form that readers take from the start: `"digest":"<base64 of 32 bytes>"` in place of `"event":…`, where the
 * bytes and their salt are kept beside the log and can be erased.
 */
import { decodeBase64 } from './base64.js';
import { FormatError } from './format-error.js';
import type { Hash } from './hash.js';
import { MAX_EVENT_BYTES } from './limits.js';
import { parseName, parseOrigin } from './names.js';
import { MOST_ENTRY_BYTES } from './note.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

interface Envelope {
  readonly origin: string;
  readonly producer: string;
  /** That of the frame which carries the event. */
  readonly accepted: Timestamp;
}

/** The producer's bytes are [start, end) of the entry, or the entry holds their salted digest only. */
export type EventEntry = Envelope & ({ readonly event: { start: number; end: number } } | { readonly digest: Hash });

const LEDGER = Buffer.from('{"ledger":"');
const PRODUCER = Buffer.from('","producer":"');
const ACCEPTED = Buffer.from('","accepted":"');
const EVENT = Buffer.from('","event":');
const DIGEST = Buffer.from('","digest":"');
const END = Buffer.from('}');
const DIGEST_END = Buffer.from('"}');
const DIGEST_CHARACTERS = 44;
const QUOTE = 0x22;

/**
 * The bytes of an event entry up to and with `"event":`; the same for all events of one producer in one frame.
 * @throws FormatError `event-entry.origin`, `event-entry.producer`, `event-entry.accepted`
 */
export function eventPrefix(origin: string, producer: string, accepted: Timestamp): Buffer {
  valueOf('origin', parseOrigin, origin);
  valueOf('producer', parseName, producer);
  valueOf('accepted', parseTimestamp, accepted);
  return Buffer.from(`${LEDGER}${origin}${PRODUCER}${producer}${ACCEPTED}${accepted}${EVENT}`, 'latin1');
}

/**
 * The log entry of one event.
 * @param prefix from `eventPrefix`
 * @param event the producer's bytes, 1 to 61,440
 * @throws FormatError `event-entry.event-size`
 */
export function encodeEventEntry(prefix: Uint8Array, event: Uint8Array): Buffer {
  checkEventSize(event.length);
  const entry = Buffer.allocUnsafe(prefix.length + event.length + END.length);
  entry.set(prefix, 0);
  entry.set(event, prefix.length);
  entry.set(END, prefix.length + event.length);
  return entry;
}

/**
 * Reads the envelope of an event entry.
 * @throws FormatError
 * - `event-entry.size`      longer than a log entry may be
 * - `event-entry.envelope`  a byte of the envelope's fixed text differs or is missing
 * - `event-entry.origin`, `event-entry.producer`, `event-entry.accepted`  that value is not one
 * - `event-entry.event-size`  no event bytes, or more than 61,440
 * - `event-entry.digest`    not canonical base64 of 32 bytes
 */
export function parseEventEntry(entry: Uint8Array): EventEntry {
  if (entry.length > MOST_ENTRY_BYTES) {
    throw new FormatError('event-entry.size', `the entry has ${entry.length} bytes, at most ${MOST_ENTRY_BYTES} go in`);
  }
  const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.length);
  const origin = readValue(bytes, 0, LEDGER);
  const producer = readValue(bytes, origin.end, PRODUCER);
  const accepted = readValue(bytes, producer.end, ACCEPTED);
  valueOf('origin', parseOrigin, origin.text);
  valueOf('producer', parseName, producer.text);
  valueOf('accepted', parseTimestamp, accepted.text);
  const envelope = { origin: origin.text, producer: producer.text, accepted: accepted.text };
  if (holds(bytes, accepted.end, DIGEST)) return { ...envelope, digest: readDigest(bytes, accepted.end) };

  const start = expect(bytes, accepted.end, EVENT);
  const end = bytes.length - END.length;
  // Also where the entry ends with its prefix, so that start lies behind end.
  checkEventSize(end - start);
  expect(bytes, end, END);
  return { ...envelope, event: { start, end } };
}

/**
 * A test for the entries of one frame: true when bytes [start, end) are an event entry with this origin and time, in
 * the form with event bytes. It makes no objects and no strings, which is what a frame of 512 events needs; what it
 * turns down, `parseEventEntry` names (or takes: the digest form).
 */
export function eventEntryTest(
  origin: string,
  accepted: Timestamp,
): (bytes: Buffer, start: number, end: number) => boolean {
  const before = Buffer.from(`${LEDGER}${origin}${PRODUCER}`, 'latin1');
  const after = Buffer.from(`${ACCEPTED}${accepted}${EVENT}`, 'latin1');
  return (bytes, start, end) => {
    if (bytes[end - 1] !== END[0]) return false;
    const producer = start + before.length;
    if (producer > end || before.compare(bytes, start, producer) !== 0) return false;
    const producerEnd = endOfName(bytes, producer, end);
    const event = producerEnd + after.length;
    const size = end - END.length - event;
    if (producerEnd < 0 || size < 1 || size > MAX_EVENT_BYTES) return false;
    return after.compare(bytes, producerEnd, event) === 0;
  };
}

/** Where the name that starts at `start` ends, or -1 when none stands there (names.ts has the grammar). */
function endOfName(bytes: Buffer, start: number, end: number): number {
  const last = Math.min(end, start + 63);
  let at = start;
  while (at < last && isNameByte(bytes[at] as number)) at++;
  return at === start || bytes[start] === 0x2d ? -1 : at;
}

function isNameByte(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;
}

/** The text between `label` at `at` and the next quotation mark. Latin-1, so that no two byte forms give one text. */
function readValue(bytes: Buffer, at: number, label: Buffer): { text: string; end: number } {
  const start = expect(bytes, at, label);
  const end = bytes.indexOf(QUOTE, start);
  if (end < 0) throw new FormatError('event-entry.envelope', `the value at byte ${start} of the entry does not end`);
  return { text: bytes.toString('latin1', start, end), end };
}

function readDigest(bytes: Buffer, at: number): Hash {
  const start = at + DIGEST.length;
  const end = start + DIGEST_CHARACTERS;
  const digest = valueOf('digest', (text) => decodeBase64(text, 32), bytes.toString('latin1', start, end));
  if (expect(bytes, end, DIGEST_END) !== bytes.length) {
    throw new FormatError('event-entry.envelope', `the entry goes on after its end at byte ${end + DIGEST_END.length}`);
  }
  return digest;
}

/** The place after `literal`, which must stand at `at`. */
function expect(bytes: Buffer, at: number, literal: Buffer): number {
  if (!holds(bytes, at, literal)) {
    throw new FormatError('event-entry.envelope', `byte ${at} of the entry does not begin ${literal.toString()}`);
  }
  return at + literal.length;
}

function holds(bytes: Buffer, at: number, literal: Buffer): boolean {
  const end = at + literal.length;
  return end <= bytes.length && literal.compare(bytes, at, end) === 0;
}

function checkEventSize(size: number): void {
  if (size < 1 || size > MAX_EVENT_BYTES) {
    throw new FormatError('event-entry.event-size', `an event has 1 to ${MAX_EVENT_BYTES} bytes, not ${size}`);
  }
}

function valueOf<T>(field: string, parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`event-entry.${field}`, `the entry's ${field}: ${cause.message}`, { cause });
  }
}
