/**
 * The envelope of a CloudEvent 1.0 in JSON (CloudEvents 1.0.2: spec.md "Context Attributes" and "Type System",
 * formats/json-format.md), checked on a tape. Bytes and order are never touched, `data` is never looked into.
 *
 * - specversion is "1.0"; id, source and type are strings, not empty; subject, dataschema and datacontenttype are
 *   strings, not empty, where they are given; time is an instant (instant.ts);
 * - every other member is an extension: its name is of a-z and 0-9, its value a string, a boolean or a 32-bit integer;
 * - an attribute that is null counts as absent (json-format.md section 2.2);
 * - `data` is any JSON, or `data_base64` a string, not both.
 *
 * The strings are CloudEvents Strings: no control character (U+0000 and line breaks with them), no code point that is
 * no character. Inside `data` all of JSON may stand. Ours, not CloudEvents': an id has at most 64 characters, so that
 * its index column is never cut; a source or type at most 1,024; a time in a leap second is refused, because readers
 * disagree where it lies. A character is a Unicode code point.
 */
import { FormatError } from './format-error.js';
import { parseInstant } from './instant.js';
import { JsonKind } from './json-node.js';
import type { JsonTape } from './json-tape.js';
import { MemberNames } from './member-names.js';
import { quote } from './quote.js';

/** What ingest decides by: may this producer send for this source, and was this id there before? */
export type CloudEvent = { id: string; source: string };

export const MAX_ID_CHARACTERS = 64;
export const MAX_SOURCE_CHARACTERS = 1_024;

/** The context attributes of the specification; `most` in characters. */
const ATTRIBUTES = [
  { name: 'specversion', required: true, most: Infinity },
  { name: 'id', required: true, most: MAX_ID_CHARACTERS },
  { name: 'source', required: true, most: MAX_SOURCE_CHARACTERS },
  { name: 'type', required: true, most: MAX_SOURCE_CHARACTERS },
  { name: 'time', required: false, most: Infinity },
  { name: 'subject', required: false, most: Infinity },
  { name: 'dataschema', required: false, most: Infinity },
  { name: 'datacontenttype', required: false, most: Infinity },
] as const;
const [SPECVERSION, ID, SOURCE, , TIME] = [0, 1, 2, 3, 4] as const;
const DATA = ATTRIBUTES.length;
const DATA_BASE64 = DATA + 1;
const MEMBERS = new MemberNames([...ATTRIBUTES.map(({ name }) => name), 'data', 'data_base64']);

const EXTENSION_NAME = /^[a-z0-9]+$/;
const INTEGER = /^-?[0-9]+$/;
const NOT_A_CHARACTER = /[\p{Control}\p{Surrogate}\p{Noncharacter_Code_Point}]/u;

// Work space of one call: the value of each known member, -1 for none.
const found = new Int32Array(MEMBERS.size);

/**
 * Checks the event that `tape` holds, an object at node 0.
 * @throws FormatError
 * - `cloud-event.missing`          a required attribute is absent or null
 * - `cloud-event.text`             an attribute is not a string
 * - `cloud-event.length`           an attribute is empty or too long
 * - `cloud-event.characters`       an attribute holds a control character or what is no character
 * - `cloud-event.specversion`      specversion is not "1.0"
 * - `cloud-event.time`             time is no instant
 * - `cloud-event.extension-name`   a member's name is not of a-z and 0-9
 * - `cloud-event.extension-value`  an extension is an array, an object, or a number but no 32-bit integer
 * - `cloud-event.data`             data and data_base64 stand together
 * - `cloud-event.data-base64`      data_base64 is not a string
 */
export function readCloudEvent(tape: JsonTape): CloudEvent {
  found.fill(-1);
  for (let name = tape.firstName(0); name >= 0; name = tape.nextName(0, name)) {
    const member = tape.nameIndex(name, MEMBERS);
    if (member >= 0) found[member] = tape.valueOf(name);
    else checkExtension(tape, name);
  }
  for (let i = 0; i < ATTRIBUTES.length; i++) {
    const { name, required, most } = ATTRIBUTES[i]!;
    // json-format.md section 2.2: null is how an unset attribute may be written.
    if (found[i]! >= 0 && tape.kind(found[i]!) === JsonKind.null) found[i] = -1;
    if (found[i]! >= 0) checkText(tape, name, found[i]!, most);
    else if (required) refuse('missing', `${name} is missing; CloudEvents 1.0 requires it`);
  }
  if (tape.stringValue(found[SPECVERSION]!) !== '1.0') refuse('specversion', 'specversion is not "1.0"');
  if (found[TIME]! >= 0 && parseInstant(tape.stringValue(found[TIME]!)) === null) {
    refuse('time', 'time is no RFC 3339 time of the years 0001 to 9999, such as 2026-01-31T09:30:00.250Z');
  }
  checkData(tape);
  return { id: tape.stringValue(found[ID]!), source: tape.stringValue(found[SOURCE]!) };
}

/** A CloudEvents String of 1 to `most` characters. */
function checkText(tape: JsonTape, name: string, node: number, most: number): void {
  if (tape.kind(node) !== JsonKind.string) refuse('text', `${name} is not a string`);
  let characters = tape.endOf(node) - tape.startOf(node) - 2;
  if (!tape.isPlain(node)) {
    const value = tape.stringValue(node);
    if (NOT_A_CHARACTER.test(value)) {
      refuse('characters', `${name} holds a control character or an unassignable one; only data may hold those`);
    }
    characters = Array.from(value).length;
  }
  if (characters === 0) refuse('length', `${name} is empty; leave it out or give it a value`);
  if (characters > most) refuse('length', `${name} has ${characters} characters, at most ${most} are taken`);
}

function checkExtension(tape: JsonTape, nameNode: number): void {
  const name = tape.nameText(nameNode);
  if (!EXTENSION_NAME.test(name)) {
    refuse('extension-name', `${quote(name)} is no attribute name; an extension is named with a-z and 0-9, see data`);
  }
  const node = tape.valueOf(nameNode);
  const kind = tape.kind(node);
  if (kind === JsonKind.string) {
    if (!tape.isPlain(node) && NOT_A_CHARACTER.test(tape.stringValue(node))) {
      refuse('characters', `${name} holds a control character or an unassignable one; only data may hold those`);
    }
  } else if (kind === JsonKind.number) {
    const text = tape.rawText(node);
    if (!INTEGER.test(text) || Number(text) !== (Number(text) | 0)) {
      refuse('extension-value', `${quote(name)} is a number, but no integer of 32 bits; carry it as a string`);
    }
  } else if (kind === JsonKind.object || kind === JsonKind.array) {
    refuse(
      'extension-value',
      `${quote(name)} is an ${kind === JsonKind.object ? 'object' : 'array'}; put it into data`,
    );
  }
}

function checkData(tape: JsonTape): void {
  const base64 = found[DATA_BASE64]!;
  if (base64 < 0) return;
  if (found[DATA]! >= 0) refuse('data', 'data and data_base64 stand together; send one of them');
  if (tape.kind(base64) !== JsonKind.string) refuse('data-base64', 'data_base64 is not a string');
}

function refuse(check: string, message: string): never {
  throw new FormatError(`cloud-event.${check}`, message);
}
