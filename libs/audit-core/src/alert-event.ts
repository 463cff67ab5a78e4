/**
 * An alert as an event of the system ledger (formats.md, "System events"): a CloudEvent whose `data` is the alert message,
 * byte for byte, so that whoever finds it sealed can verify the note of the service that raised it.
 *
 *     {"specversion":"1.0","id":"alert-<key ID>-<number>","source":"everseal:<source>",
 *      "type":"io.everseal.alert.<raised|cleared>","subject":"<code>","time":"<time>",
 *      "datacontenttype":"application/json","data":{"alert":{…},"note":"…"}}
 *
 * on one line without white space. Source, number and time are the note's, state and code the alert's. The key ID is that
 * of the alert key: a service that lost its numbers goes on with a new key, and its events are not taken for the old ones.
 *
 * An alert that no ledger takes as an event (too large; text that two parsers read differently) goes in as its note
 * alone, `"data":{"alert":null,"note":"…"}`: the note commits to its bytes, which are in the stream ALERTS.
 *
 * One form only: the opener writes the event again from what it read, and refuses what does not come out the same.
 */
import { openAlert, openAlertNote, parseAlertText, splitAlert, type AlertNote } from './alert-note.js';
import { FormatError } from './format-error.js';
import type { VerifierKey } from './key.js';
import { MAX_EVENT_BYTES } from './limits.js';
import { isObject, parseJson } from './message-json.js';
import { parseNote } from './note.js';
import { quote } from './quote.js';
import { Refused } from './refused.js';
import { parseSubmission } from './submission.js';

/** What stands before the source of every system event; no producer may use it. */
export const SYSTEM_SOURCE = 'everseal:';

const STATES = ['raised', 'cleared'] as const;
export type AlertState = (typeof STATES)[number];

const TYPE = 'io.everseal.alert.';
const DATA = ',"data":';
/** A verdict code; of an unknown version, too. */
const CODE = /^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$/;

/** A sealed alert that verified. */
export type OpenedAlertEvent = AlertNote & {
  readonly state: AlertState;
  readonly code: string;
  /** The exact bytes that were signed for; null where only the note was sealed. */
  readonly json: Buffer | null;
};

/**
 * The event bytes of an alert message, as `signAlert` made it.
 * @throws FormatError `alert.*` for what is no alert message; `alert-event.type`, `alert-event.subject` for an alert that
 * does not say its state and code
 */
export function formatAlertEvent(message: Uint8Array): Buffer {
  const { json, note } = splitAlert(message);
  const head = formatHead(note, labelsOf(json));
  const event = eventOf(head, Buffer.from(message));
  return isTaken(event) ? event : eventOf(head, noteAlone(note));
}

/**
 * Opens a system event that is an alert.
 * @param keys alert keys of any sources; only the one of the source that the note names can have signed it
 * @throws FormatError `alert-event.size`, `alert-event.json` (not one JSON object), `alert-event.type`,
 * `alert-event.subject`, `alert-event.data`, `alert-event.canonical` (not the form that its own alert gives), `alert.*`
 * as `openAlert`; NoteError `note.*`
 */
export function openAlertEvent(event: Uint8Array, keys: readonly VerifierKey[]): OpenedAlertEvent {
  const said = read(event);
  const opened =
    said.message === null
      ? { ...openAlertNote(said.note, keys), json: null, ...said.labels }
      : withLabels(openAlert(said.message, keys));
  const head = formatHead(said.note, opened);
  const written = eventOf(head, said.message ?? noteAlone(said.note));
  if (!written.equals(event)) {
    throw new FormatError('alert-event.canonical', 'the event is not the form that its own alert is written in');
  }
  return opened;
}

type Labels = { readonly state: AlertState; readonly code: string };

function withLabels<A extends { json: Buffer }>(alert: A): A & Labels {
  return { ...alert, ...labelsOf(alert.json) };
}

/** State and code that an alert says of itself. */
function labelsOf(json: Buffer): Labels {
  const alert = parseJson(json) as Record<string, unknown>;
  return parseLabels(alert['state'], alert['code']);
}

function parseLabels(said: unknown, code: unknown): Labels {
  const state = STATES.find((one) => one === said);
  if (state === undefined) throw new FormatError('alert-event.type', `${shown(said)} is no state of an alert`);
  if (typeof code !== 'string' || !CODE.test(code)) {
    throw new FormatError('alert-event.subject', `${shown(code)} is no verdict code`);
  }
  return { state, code };
}

function shown(value: unknown): string {
  return typeof value === 'string' ? quote(value) : `a value of type ${typeof value}`;
}

function formatHead(note: string, { state, code }: Labels): string {
  const { text, signatures } = parseNote(note);
  const { source, number, time } = parseAlertText(text);
  const keyId = signatures[0]?.keyId.toString('hex');
  const attributes = {
    specversion: '1.0',
    id: `alert-${keyId}-${number}`,
    source: `${SYSTEM_SOURCE}${source}`,
    type: `${TYPE}${state}`,
    subject: code,
    time,
    datacontenttype: 'application/json',
  };
  return JSON.stringify(attributes).slice(0, -1) + DATA;
}

const eventOf = (head: string, data: Uint8Array): Buffer => Buffer.concat([Buffer.from(head), data, Buffer.from('}')]);

const noteAlone = (note: string): Buffer => Buffer.from(`{"alert":null,"note":${JSON.stringify(note)}}`);

/** Whether a ledger takes these bytes as an event, by the rules of ingest themselves. */
function isTaken(event: Buffer): boolean {
  try {
    parseSubmission(undefined, event);
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

/** Takes an event apart by value and by bytes; only writing it again shows that both agree. */
function read(event: Uint8Array): { message: Buffer | null; note: string; labels: Labels } {
  if (event.length > MAX_EVENT_BYTES) {
    throw new FormatError(
      'alert-event.size',
      `the event has ${event.length} bytes, at most ${MAX_EVENT_BYTES} are read`,
    );
  }
  const bytes = Buffer.from(event.buffer, event.byteOffset, event.length);
  const value = parseJson(bytes);
  if (!isObject(value)) throw new FormatError('alert-event.json', 'the event is not one JSON object in UTF-8');
  const { type, subject, data } = value;
  const labels = parseLabels(
    typeof type === 'string' && type.startsWith(TYPE) ? type.slice(TYPE.length) : type,
    subject,
  );
  if (!isObject(data) || typeof data['note'] !== 'string') {
    throw new FormatError('alert-event.data', 'the data of the event is not {"alert":…,"note":"…"}');
  }
  const start = bytes.indexOf(DATA) + DATA.length;
  const message = data['alert'] === null ? null : bytes.subarray(start, -1);
  return { message, note: data['note'], labels };
}
