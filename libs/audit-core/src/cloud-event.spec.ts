import { describe, expect, it } from '@jest/globals';
import { readCloudEvent } from './cloud-event.js';
import { FormatError } from './format-error.js';
import { JsonTape } from './json-tape.js';

const tape = new JsonTape();
const event = { specversion: '1.0', id: 'e-1', source: '/billing', type: 'invoice.approved' };

/** What the check says of the event with some members set, `undefined` for removed; the submission vectors have more. */
function check(members: Record<string, unknown>): string {
  const bytes = Buffer.from(JSON.stringify({ ...event, ...members }));
  tape.scan(bytes, 0, bytes.length);
  try {
    const { id, source } = readCloudEvent(tape);
    return `${id} ${source}`;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.code;
  }
}

describe('readCloudEvent', () => {
  it('yields id and source of a CloudEvent', () => {
    expect(check({})).toBe('e-1 /billing');
    expect(check({ time: '2026-11-23T10:15:30Z', subject: 's', dataschema: 'd', trace: 'é', n: -1, ok: true })).toBe(
      'e-1 /billing',
    );
    expect(check({ id: '😀'.repeat(64), subject: null, data: { id: 'other', anyThing: [1.5, '\0'] } })).toBe(
      `${'😀'.repeat(64)} /billing`,
    );
  });

  it.each<[string, Record<string, unknown>]>([
    ['missing', { id: undefined }],
    ['missing', { type: null }],
    ['text', { source: 7 }],
    ['text', { subject: {} }],
    ['length', { id: '' }],
    ['length', { id: 'x'.repeat(65) }],
    ['length', { id: 'é'.repeat(65) }],
    ['length', { source: 's'.repeat(1_025) }],
    ['length', { datacontenttype: '' }],
    ['characters', { id: 'a\u0000' }],
    ['characters', { subject: 'two\nlines' }],
    ['characters', { type: '\u007f' }],
    ['characters', { dataschema: '\u0085' }],
    ['characters', { source: '\ufdd0' }],
    ['characters', { trace: '\u{1fffe}' }],
    ['specversion', { specversion: '0.3' }],
    ['time', { time: '2026-11-23' }],
    ['time', { time: '2016-12-31T23:59:60Z' }],
    ['extension-name', { traceParent: 'x' }],
    ['extension-name', { '': 'x' }],
    ['extension-value', { n: 2 ** 31 }],
    ['extension-value', { n: 0.5 }],
    ['extension-value', { list: [] }],
    ['data', { data: null, data_base64: '' }],
    ['data-base64', { data_base64: 1 }],
  ])('refuses with cloud-event.%s: %j', (code, members) => {
    expect(check(members)).toBe(`cloud-event.${code}`);
  });
});
