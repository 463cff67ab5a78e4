import { describe, expect, it } from '@jest/globals';
import { at, CAST, DOMAIN } from '../vectors/cast.js';
import { readAlertEvent, type AlertEventInput } from '../vectors/make/alert-event.js';
import { expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { formatAlertEvent, openAlertEvent } from './alert-event.js';
import { signAlert } from './alert-note.js';
import { MAX_EVENT_BYTES } from './limits.js';
import { parseSubmission } from './submission.js';

const file = readVectors<AlertEventInput>('alert-event');
const SOURCE = `${DOMAIN}/verifier/v1`;
const KEYS = [CAST.alerts.verifier];

function message(alert: object, number = 7): Buffer {
  return signAlert(Buffer.from(JSON.stringify(alert)), SOURCE, number, at(5), CAST.alerts);
}

const ALERT = { code: 'entry.altered', state: 'raised', detail: 'x' };

describe('an alert as an event', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readAlertEvent(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('is one that ingest takes, with the message in it byte for byte', () => {
    const sent = message(ALERT);
    const event = formatAlertEvent(sent);
    const id = `alert-${CAST.alerts.verifier.idHex}-7`;
    expect(parseSubmission(undefined, event).events).toMatchObject([{ id, source: `everseal:${SOURCE}` }]);
    expect(event.includes(sent)).toBe(true);
    expect(openAlertEvent(event, KEYS)).toMatchObject({
      source: SOURCE,
      number: 7,
      state: 'raised',
      code: 'entry.altered',
      json: Buffer.from(JSON.stringify(ALERT)),
    });
  });

  it.each([
    ['larger than an event may be', { ...ALERT, evidence: { message: 'x'.repeat(MAX_EVENT_BYTES) } }],
    ['that two parsers read differently', { ...ALERT, first: { eventId: '\ud800' } }],
    ['nested too deep', { ...ALERT, evidence: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown }],
  ])('is its note alone for one %s; control: with it ingest refuses', (_what, alert) => {
    const sent = message(alert);
    const event = formatAlertEvent(sent);
    expect(parseSubmission(undefined, event).events).toHaveLength(1);
    const { json, digest, ...opened } = openAlertEvent(event, KEYS);
    expect(json).toBeNull();
    expect(opened).toMatchObject({ source: SOURCE, number: 7, state: 'raised', code: 'entry.altered' });
    expect(digest).toHaveLength(32);
    const whole = Buffer.from(event.toString().replace(/"data":.*$/s, '"data":')).toString() + sent.toString() + '}';
    expect(() => parseSubmission(undefined, Buffer.from(whole))).toThrow();
  });

  it('has another id under another key, so that numbers which begin again are not taken for the old ones', () => {
    const other = signAlert(Buffer.from(JSON.stringify(ALERT)), `${DOMAIN}/sealer/s1`, 7, at(5), CAST['sealer-alerts']);
    const idOf = (event: Buffer): unknown => (JSON.parse(event.toString()) as { id: string }).id;
    expect(idOf(formatAlertEvent(other))).not.toBe(idOf(formatAlertEvent(message(ALERT))));
  });

  it('is refused with any byte changed', () => {
    const event = formatAlertEvent(message(ALERT));
    for (let place = 0; place < event.length; place++) {
      const bit = 1 << (place % 8);
      event[place]! ^= bit;
      expect(outcome(() => openAlertEvent(event, KEYS))).toHaveProperty('code');
      event[place]! ^= bit;
    }
  });

  it('is not made of what is no alert', () => {
    expect(outcome(() => formatAlertEvent(message({ code: 'entry.altered' })))).toEqual({ code: 'alert-event.type' });
    expect(outcome(() => formatAlertEvent(message({ state: 'raised' })))).toEqual({ code: 'alert-event.subject' });
    expect(outcome(() => formatAlertEvent(Buffer.from('{}')))).toEqual({ code: 'alert.shape' });
  });
});
