import { formatAlertEvent, openAlertEvent, signAlert } from '@everseal/audit-core';
import { at, CAST, castKeys, castOf, DOMAIN } from '../cast.js';
import { bytesOf, invalid, valid, type Bytes, type Case, type Keys, type VectorFile } from '../vector-file.js';

export type AlertEventInput = { event: Bytes };

const SOURCE = `${DOMAIN}/verifier/v1`;
const RAISED =
  '{"source":"audit.example.com/verifier/v1","number":1,"time":"2026-01-31T09:00:05.000Z","code":"entry.altered",' +
  '"state":"raised","ledger":"audit.example.com/main","detail":"leaf \\u0034 differs"}';
const CLEARED =
  '{"source":"audit.example.com/verifier/v1","number":1,"time":"2026-01-31T09:00:05.000Z","code":"log.rolled-back",' +
  '"state":"cleared","clears":1}';

const messageOf = (json: string): Buffer => signAlert(Buffer.from(json), SOURCE, 1, at(5), CAST.alerts);
const eventOf = (json: string): string => formatAlertEvent(messageOf(json)).toString();
const EVENT = eventOf(RAISED);
const NOTE = (JSON.parse(messageOf(RAISED).toString()) as { note: string }).note;

/** The alert keys of verifier v1 and of sealer s1 are known. */
export function readAlertEvent({ event }: AlertEventInput, keyOf: Keys): unknown {
  return openAlertEvent(bytesOf(event), [keyOf('sealer-alerts'), keyOf('alerts')]);
}

export function alertEventVectors(): VectorFile<AlertEventInput> {
  const good = (name: string, event: string): Case<AlertEventInput> =>
    valid(name, { event }, () => readAlertEvent({ event }, castKeys));
  return {
    format: 'alert-event',
    specification: 'formats.md, "System events"; CloudEvents 1.0',
    how: 'Open `event` with the alert keys `alerts` (of verifier v1) and `sealer-alerts` (of sealer s1) known. `json` are the bytes of the alert, null where only its note is there.',
    keys: castOf('alerts', 'sealer-alerts', 'stranger'),
    cases: [
      good('an alert that was raised', EVENT),
      good('an alert that was cleared', eventOf(CLEARED)),
      good(
        'the note alone, of an alert with a lone surrogate',
        eventOf(RAISED.replace('\\u0034', '\\ud800')),
      ),
      ...badCases(),
    ],
  };
}

function badCases(): Case<AlertEventInput>[] {
  const bad = (name: string, event: Bytes, code: string, reason: string): Case<AlertEventInput> =>
    invalid(name, { event }, code, reason);
  const form = (name: string, event: string, reason: string): Case<AlertEventInput> =>
    bad(name, event, 'alert-event.canonical', reason);
  return [
    bad('nothing', '', 'alert-event.json', 'not one JSON object'),
    bad('too large', [{ text: EVENT }, { text: ' ', times: 61_440 }], 'alert-event.size', 'no event is so large'),
    bad('a list', `[${EVENT}]`, 'alert-event.json', 'not one JSON object'),
    bad('another type', EVENT.replace('io.everseal.alert.raised', 'invoice.paid'), 'alert-event.type', 'no alert'),
    bad('no code', EVENT.replace('"subject":"entry.altered"', '"subject":""'), 'alert-event.subject', 'no code'),
    bad('data that is text', `${EVENT.slice(0, EVENT.indexOf('"data":'))}"data":"x"}`, 'alert-event.data', 'no alert'),
    form('raised as cleared', EVENT.replace('alert.raised', 'alert.cleared'), 'the alert says what it is'),
    form('another code', EVENT.replace('"subject":"entry.altered"', '"subject":"log.forked"'), 'the alert says it'),
    form('the number of another', EVENT.replace('-1"', '-2"'), 'the note says which number it is'),
    form('another source', EVENT.replace('everseal:audit', 'https:audit'), 'the note says who raised it'),
    form('another time', EVENT.replace('"time":"2026-01-31T09:00:05.000Z","data', '"time":"2026-01-31T09:00:06.000Z","data'), 'the note says when'), // prettier-ignore
    form('white space after a colon', EVENT.replace('"id":', '"id": '), 'one form only'),
    form('an extension more', EVENT.replace('"data":', '"x":1,"data":'), 'one form only'),
    form(
      'the note alone although the alert is small, under another code',
      EVENT.slice(0, EVENT.indexOf('"data":'))
        .replace('entry.altered', 'log.forked')
        .concat(`"data":{"alert":null, "note":${JSON.stringify(NOTE)}}}`),
      'one form only',
    ),
    bad('another alert under the note', EVENT.replace('leaf', 'reef'), 'alert.digest', 'the note signs the bytes'),
    bad(
      'signed by nobody known',
      formatAlertEvent(messageOf(RAISED)).toString().replace(/8kfnH/, '8kfnI'),
      'note.line-key',
      'the key ID is another',
    ),
  ];
}
