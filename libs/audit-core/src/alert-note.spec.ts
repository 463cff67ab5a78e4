import { describe, expect, it } from '@jest/globals';
import { assert, integer, jsonValue, property } from 'fast-check';
import { at, CAST, DOMAIN } from '../vectors/cast.js';
import { readAlert, type AlertInput } from '../vectors/make/alert-note.js';
import { bytesOf, expected, keysOf, outcome, readVectors } from '../vectors/vector-file.js';
import { openAlert, signAlert } from './alert-note.js';

const file = readVectors<AlertInput>('alert-note');
const SOURCE = `${DOMAIN}/verifier/v1`;
const KEYS = [CAST.alerts.verifier];
const sign = (json: string): Buffer => signAlert(Buffer.from(json), SOURCE, 7, at(5), CAST.alerts);

describe('alert', () => {
  it.each(file.cases)('vector: $name', (vector) => {
    expect(outcome(() => readAlert(vector, keysOf(file)))).toEqual(expected(vector));
  });

  it('gives back the exact bytes of any JSON object, and any JSON parser reads the same', () => {
    assert(
      property(jsonValue(), integer({ min: 0, max: 3 }), (value, indent) => {
        const json = JSON.stringify({ code: 'log.frozen', value }, null, indent);
        const message = sign(json);
        expect(openAlert(message, KEYS).json.toString()).toBe(json);
        const parsed = JSON.parse(message.toString()) as { alert: unknown; note: string };
        expect(parsed.alert).toEqual(JSON.parse(json));
        expect(Object.keys(parsed)).toEqual(['alert', 'note']);
      }),
    );
  });

  it('is one alert for every reader; control: JSON alone would read the hidden one', () => {
    const hidden = file.cases.find(({ name }) => name === 'a second alert hidden in the first') as AlertInput;
    expect(outcome(() => openAlert(bytesOf(hidden.message), KEYS))).toEqual({ code: 'alert.json' });
    expect((JSON.parse(bytesOf(hidden.message).toString()) as { alert: unknown }).alert).toEqual({ code: 'none' });
  });

  it('is refused with any byte changed', () => {
    const message = sign('{"code":"entry.altered","index":4}');
    expect(openAlert(message, KEYS)).toMatchObject({ source: SOURCE, number: 7, time: at(5) });
    for (let place = 0; place < message.length; place++) {
      const bit = 1 << (place % 8);
      message[place]! ^= bit;
      expect(outcome(() => openAlert(message, KEYS))).toHaveProperty('code');
      message[place]! ^= bit;
    }
  });

  it('is not signed when no reader would take it', () => {
    for (const json of ['', '[]', ' {}', '{} ', '{"a":1},"alert":{}', 'null', '{"a":"\\x"}']) {
      expect(outcome(() => sign(json))).toEqual({ code: 'alert.json' });
    }
    expect(outcome(() => signAlert(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), SOURCE, 1, at(5), CAST.alerts))).toEqual({ code: 'alert.json' }); // prettier-ignore
    expect(() => signAlert(Buffer.from('{}'), `${DOMAIN}/sealer/s1`, 1, at(5), CAST.alerts)).toThrow(RangeError);
    expect(outcome(() => signAlert(Buffer.from('{}'), SOURCE, 0, at(5), CAST.alerts))).toEqual({
      code: 'alert.number',
    });
  });
});
