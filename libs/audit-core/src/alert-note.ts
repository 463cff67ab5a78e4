/**
 * Alerts as messages (formats.md, "Messages between services", `audit.alerts.<code>`): JSON for people and programs,
 * and beside it a note that signs its exact bytes.
 *
 *     {"alert":{…},"note":"<signed note>"}
 *
 * with the note's text, signed by one key named `<source>/alerts`:
 *
 *     everseal/alert/v1
 *     <source: <domain>/<service>/<name>>
 *     <number: 1, 2, 3 … dense per source, so that a missing alert shows>
 *     <time>
 *     <base64 of SHA-256 over the alert member's bytes>
 *
 * What is hashed is a byte range, so unlike other JSON messages this one has a single shape: the two members in this
 * order, no white space outside the alert, the note with no escape but `\n`. The opener finds the range by bytes and
 * never re-serialises; the range must be a JSON object by itself, so that no parser of the whole reads another alert.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import { equalHash, HASH_BYTES, sha256, type Hash } from './hash.js';
import type { SigningKey, VerifierKey } from './key.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { isObject, parseJson } from './message-json.js';
import { alertKeyName } from './names.js';
import { openEntryNote, parseNote, signNote } from './note.js';
import { quote } from './quote.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

const KIND = 'everseal/alert/v1';
const HEAD = Buffer.from('{"alert":');
const MIDDLE = Buffer.from(',"note":"');
const TAIL = Buffer.from('"}');
// Seven short lines; the bound keeps the search for the note's start away from large alerts.
const MOST_NOTE_BYTES = 2_048;
const QUOTE = 0x22;

/** What an alert note says. */
export type AlertNote = {
  /** `<domain>/<service>/<name>`, whose alert key signs. */
  readonly source: string;
  /** From 1, dense per source. */
  readonly number: number;
  readonly time: Timestamp;
  /** SHA-256 of the alert's JSON bytes. */
  readonly digest: Hash;
};

/** An alert that verified: `json` are the exact bytes that were signed for, one JSON object. */
export type OpenedAlert = AlertNote & { readonly json: Buffer };

/** The signed text of an alert note. */
export function formatAlertText(alert: AlertNote): string {
  return formatRecord(KIND, [alert.source, formatDecimal(alert.number), alert.time, encodeBase64(alert.digest)]);
}

/** @throws FormatError `alert.kind`, `alert.lines`, `alert.source`, `alert.number`, `alert.time`, `alert.digest` */
export function parseAlertText(text: string): AlertNote {
  const lines = new RecordLines('alert', KIND, text);
  const alert: AlertNote = {
    source: lines.nextText('source', alertKeyOf),
    number: lines.next('number', parseDecimal),
    time: lines.nextText('time', parseTimestamp),
    digest: lines.next('digest', (line) => decodeBase64(line, HASH_BYTES)),
  };
  lines.end();
  if (alert.number < 1) throw new FormatError('alert.number', 'alerts are numbered from 1');
  requireCanonical('alert', text, formatAlertText(alert));
  return alert;
}

/** The name of the key that signs the alerts of a source. */
function alertKeyOf(source: string): string {
  const [domain, service, name, ...rest] = source.split('/');
  if (domain === undefined || service === undefined || name === undefined || rest.length > 0) {
    throw new FormatError('name.source', `${quote(source)} is not <domain>/<service>/<name>`);
  }
  return alertKeyName(domain, service, name);
}

/**
 * The message bytes of an alert.
 * @param json the alert, one JSON object without white space around it; signed as it is
 * @param source `<domain>/<service>/<name>` of the one that raises it
 * @param number from 1, dense per source
 * @throws FormatError `alert.*` for what no reader would take; RangeError for the key of another source
 */
export function signAlert(json: Uint8Array, source: string, number: number, time: Timestamp, key: SigningKey): Buffer {
  const text = formatAlertText({ source, number, time, digest: sha256(json) });
  parseAlertText(text);
  requireSigner(key, alertKeyOf(source));
  const note = Buffer.from(JSON.stringify(signNote(text, [key])).slice(1, -1));
  const message = Buffer.concat([HEAD, json, MIDDLE, note, TAIL]);
  splitAlert(message);
  return message;
}

/**
 * Opens an alert message.
 * @param keys alert keys of any sources; only the one of the source that the note names can have signed it
 * @throws FormatError `alert.size` (above 1 MiB), `alert.shape` (not the one form of the message), `alert.json` (the
 * alert is not one JSON object), `alert.digest` (the note is for another alert), `alert.*` as `parseAlertText`;
 * NoteError `note.*`
 */
export function openAlert(message: Uint8Array, keys: readonly VerifierKey[]): OpenedAlert {
  const { json, note } = splitAlert(message);
  const alert = openAlertNote(note, keys);
  if (!equalHash(alert.digest, sha256(json))) {
    throw new FormatError(
      'alert.digest',
      `the note of alert ${alert.number} is for other bytes than the ones beside it`,
    );
  }
  return { ...alert, json };
}

/**
 * Opens the note of an alert alone: its source said so of the bytes with that hash.
 * @throws FormatError as `parseAlertText`; NoteError `note.*`
 */
export function openAlertNote(note: string, keys: readonly VerifierKey[]): AlertNote {
  const alert = parseAlertText(parseNote(note).text);
  const signer = alertKeyOf(alert.source);
  openEntryNote(note, [keys.filter((key) => key.name === signer)]);
  return alert;
}

/**
 * The two members of a message, nothing verified: the alert's bytes where they lie, and the note.
 * @throws FormatError `alert.size`, `alert.shape`, `alert.json`
 */
export function splitAlert(message: Uint8Array): { json: Buffer; note: string } {
  if (message.length > MAX_MESSAGE_BYTES) {
    throw new FormatError(
      'alert.size',
      `the message has ${message.length} bytes, at most ${MAX_MESSAGE_BYTES} are read`,
    );
  }
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const noteEnd = bytes.length - TAIL.length;
  // The note's text holds no quotation mark, so the last one before its end opens it. Whatever the alert holds comes
  // before that; a quotation mark inside the note would only move this place and break the shape.
  const noteStart = bytes.lastIndexOf(QUOTE, noteEnd - 1) + 1;
  const jsonEnd = noteStart - MIDDLE.length;
  if (jsonEnd < HEAD.length || noteEnd - noteStart > MOST_NOTE_BYTES) throw shapeError();
  const fixed = [bytes.subarray(0, HEAD.length), bytes.subarray(jsonEnd, noteStart), bytes.subarray(noteEnd)];
  if (!Buffer.concat(fixed).equals(Buffer.concat([HEAD, MIDDLE, TAIL]))) throw shapeError();

  const note = bytes.toString('utf8', noteStart, noteEnd).replaceAll('\\n', '\n');
  if (!Buffer.from(JSON.stringify(note).slice(1, -1)).equals(bytes.subarray(noteStart, noteEnd))) throw shapeError();
  const json = bytes.subarray(HEAD.length, jsonEnd);
  if (!isJsonObject(json)) throw new FormatError('alert.json', 'the alert is not one JSON object without space around');
  return { json, note };
}

function isJsonObject(json: Buffer): boolean {
  return json[0] === 0x7b && json.at(-1) === 0x7d && isObject(parseJson(json));
}

function shapeError(): FormatError {
  return new FormatError('alert.shape', 'the message is not {"alert":{…},"note":"…"} in exactly this form');
}
