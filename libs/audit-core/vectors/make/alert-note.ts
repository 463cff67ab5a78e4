import { formatAlertText, openAlert, sha256, signAlert, signNote, type AlertNote } from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, DOMAIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';
import { noteCases, withLines } from './note-cases.js';

export type AlertInput = { message: Bytes };

const SOURCE = `${DOMAIN}/verifier/v1`;
const JSON_TEXT =
  '{"code":"entry.altered","ledger":"audit.example.com/main","index":4,"detail":"leaf \\u0034 differs — see \\"evidence\\""}';
const MESSAGE = signAlert(Buffer.from(JSON_TEXT), SOURCE, 1, at(5), CAST.alerts).toString();
const NOTE: AlertNote = { source: SOURCE, number: 1, time: at(5), digest: sha256(Buffer.from(JSON_TEXT)) };
const TEXT = formatAlertText(NOTE);

/** The alert keys of verifier v1 and of sealer s1 are known. */
export function readAlert({ message }: AlertInput, keyOf: Keys): unknown {
  return openAlert(bytesOf(message), [keyOf('sealer-alerts'), keyOf('alerts')]);
}

/** A message of any alert bytes and any note. */
function messageOf(json: string, note: string): string {
  return `{"alert":${json},"note":${JSON.stringify(note)}}`;
}

export function alertNoteVectors(): VectorFile<AlertInput> {
  const good = (name: string, json: string): Case<AlertInput> => {
    const message = signAlert(Buffer.from(json), SOURCE, 1, at(5), CAST.alerts).toString();
    return valid(name, { message }, () => readAlert({ message }, castKeys));
  };
  return {
    format: 'alert-note',
    specification: 'formats.md, "Messages between services" (audit.alerts); C2SP signed-note',
    how: 'Open `message` with the alert keys `alerts` (of verifier v1) and `sealer-alerts` (of sealer s1) known. `json` are the bytes of the alert.',
    keys: castOf('alerts', 'sealer-alerts', 'stranger', 'op2', 'v1'),
    cases: [
      good('an alert', JSON_TEXT),
      good('white space inside the alert', '{ "code" : "log.frozen",\n\t"since": null }'),
      good('an alert that quotes the shape of a message', '{"detail":{"note":"x"},"note":"— a b\\n"}'),
      good('an empty alert', '{}'),
      ...shapeCases(),
      ...noteCases(TEXT, [CAST.alerts], 'alert.lines')
        .filter(({ name }) => !NOT_IN_JSON.includes(name))
        .map(({ note, ...vector }) => ({ ...vector, message: messageOf(JSON_TEXT, bytesOf(note).toString()) })),
      ...textChanges(),
    ],
  };
}

// These need a note of raw bytes; inside JSON they are cases of the shape.
const NOT_IN_JSON = ['not UTF-8', 'longer than an entry', 'CR LF'];

function shapeCases(): Case<AlertInput>[] {
  const bad = (name: string, message: Bytes, code: string, reason: string): Case<AlertInput> =>
    invalid(name, { message }, `alert.${code}`, reason);
  const note = signNote(TEXT, [CAST.alerts]);
  const twisted = `${JSON_TEXT},"alert":{"code":"none"}`;
  const ofBytes = (json: string): string =>
    messageOf(json, signNote(withLines(TEXT, { 5: sha256(Buffer.from(json)).toString('base64') }), [CAST.alerts]));
  return [
    bad('nothing', '', 'shape', 'not the one form'),
    bad('too large', [{ text: MESSAGE }, { text: ' ', times: 1_048_576 }], 'size', 'at most 1 MiB is read'),
    bad(
      'the same JSON, members in another order',
      `{"note":${JSON.stringify(note)},"alert":${JSON_TEXT}}`,
      'shape',
      'alert first',
    ),
    bad('white space before the alert', MESSAGE.replace(':', ': '), 'json', 'no white space outside the alert'),
    bad(
      'white space before the note',
      MESSAGE.replace(',"note":"everseal', ', "note":"everseal'),
      'shape',
      'no white space outside the alert',
    ),
    bad('a line feed at the end', `${MESSAGE}\n`, 'shape', 'nothing stands after the brace'),
    bad('a member more', MESSAGE.replace(/\}$/, ',"x":1}'), 'shape', 'two members'),
    bad(
      'an escaped letter in the note',
      MESSAGE.replace('"everseal/alert', '"\\u0065verseal/alert'),
      'shape',
      'no escape but the line feed',
    ),
    bad('the dash as an escape', MESSAGE.replace('\\n— ', '\\n\\u2014 '), 'shape', 'no escape but the line feed'),
    bad('raw line feeds in the note', MESSAGE.replace(/alert\/v1\\n/, 'alert/v1\n'), 'shape', 'no JSON string'),
    bad(
      'carriage returns in the note',
      messageOf(JSON_TEXT, note.replaceAll('\n', '\r\n')),
      'shape',
      'no escape but the line feed',
    ),
    bad('a note of 2,049 bytes', messageOf(JSON_TEXT, 'x'.repeat(2_049)), 'shape', 'no alert note is that long'),
    bad('no note', `{"alert":${JSON_TEXT}}`, 'shape', 'two members'),
    bad('an alert that is not closed', ofBytes('{"code":"x"'), 'json', 'a JSON object by itself'),
    bad(
      'a second alert hidden in the first',
      ofBytes(twisted),
      'json',
      'another parser would take the last member of that name',
    ),
    bad('a list', ofBytes('[1]'), 'json', 'a JSON object by itself'),
    bad('white space around the alert', ofBytes(' {}'), 'json', 'the range begins and ends with braces'),
    bad('no alert', ofBytes(''), 'json', 'a JSON object by itself'),
    bad(
      'another alert under the note',
      MESSAGE.replace('"index":4', '"index":5'),
      'digest',
      'the note signs the bytes',
    ),
    bad(
      'the same value in other bytes',
      MESSAGE.replace('\\u0034', '4'),
      'digest',
      'the note signs the bytes, not the value',
    ),
  ];
}

function textChanges(): Case<AlertInput>[] {
  const bad = (name: string, lines: Record<number, string | null>, code: string, reason: string): Case<AlertInput> =>
    invalid(name, { message: messageOf(JSON_TEXT, signNote(withLines(TEXT, lines), [CAST.alerts])) }, code, reason);
  return [
    bad('another kind', { 1: 'everseal/frame/v1' }, 'alert.kind', 'an alert says so in its first line'),
    bad('a line missing', { 5: null }, 'alert.lines', 'every line is there'),
    bad(
      'a source that is a key name',
      { 2: `${SOURCE}/alerts` },
      'alert.source',
      'a source is <domain>/<service>/<name>',
    ),
    bad('a source in upper case', { 2: `${DOMAIN}/Verifier/v1` }, 'alert.source', 'names are lower-case'),
    bad(
      "another source's name over this key",
      { 2: `${DOMAIN}/sealer/s1` },
      'note.line-key',
      'each source signs its own alerts',
    ),
    bad('number 0', { 3: '0' }, 'alert.number', 'alerts are numbered from 1'),
    bad('number with a leading zero', { 3: '01' }, 'alert.number', 'one spelling per number'),
    bad('time without milliseconds', { 4: '2026-01-31T09:00:05Z' }, 'alert.time', 'three decimals'),
    bad('digest in hexadecimal', { 5: NOTE.digest.toString('hex') }, 'alert.digest', 'hashes are base64'),
  ];
}
