import { describe, expect, it } from '@jest/globals';
import { array, assert, constantFrom, json, property, tuple } from 'fast-check';
import { InputError } from './input-error.js';
import { detectFormat, sliceValues, type InputFormat } from './input-format.js';

const ONE = '{"specversion":"1.0","id":"1","big":90071992547409931234.50,"text":"\\u00e9 \\/ é"}';
const SPACE = constantFrom('', ' ', '\n', '\r\n\t', '   ');

function slices(text: string, format: InputFormat = detectFormat(Buffer.from(text))): string[] {
  return sliceValues(Buffer.from(text), format, 'in.json').map((slice) => slice.toString());
}

describe('the form of a file', () => {
  it.each<[string, InputFormat, string]>([
    ['one event', 'event', `  ${ONE}\n`],
    ['one event over many lines', 'event', '{\n  "id": "1"\n}\n'],
    ['an array', 'batch', ` [${ONE}]`],
    ['lines', 'ndjson', `${ONE}\n${ONE}\n`],
    ['lines, the first broken', 'ndjson', `{"id":}\n${ONE}\n`],
    ['a CloudTrail file', 'cloudtrail', `{ "Records" : [ ] }`],
    ['an event that carries "Records"', 'event', '{"id":"1","data":{"Records":[]}}'],
    ['an event with another "Records"', 'event', '{"Records":1}'],
    ['neither object nor array', 'event', 'hello'],
  ])('%s', (_, format, text) => {
    expect(detectFormat(Buffer.from(text))).toBe(format);
  });
});

describe('slices', () => {
  it('are the exact bytes, whatever space stands around them', () => {
    assert(
      property(array(tuple(json({ maxDepth: 3 }), SPACE, SPACE), { minLength: 1, maxLength: 20 }), (items) => {
        const values = items.map(([value]) => value);
        const body = items.map(([value, before, after]) => `${before}${value}${after}`).join(',');
        expect(slices(`[${body}]`, 'batch')).toEqual(values);
        expect(slices(`{"Records":[${body}]}`, 'cloudtrail')).toEqual(values);
        expect(slices(`${values.join(' \r\n \n')}\n`, 'ndjson')).toEqual(values);
      }),
    );
  });

  it('keep numbers, escapes and the order of members as they were written', () => {
    expect(slices(`[${ONE} , ${ONE}]`)).toEqual([ONE, ONE]);
  });

  it('let a member that stands twice pass: that is for the check of the event to name', () => {
    expect(slices('[{"a":1,"a":2},{"b":1}]')).toEqual(['{"a":1,"a":2}', '{"b":1}']);
  });

  it.each([
    ['nothing', '', 'holds no event'],
    ['no JSON', 'hello', 'holds no event'],
    ['a second value', `${ONE} ${ONE}`, 'more follows the event'],
  ])('of one event: %s is refused', (_, text, message) => {
    expect(() => slices(text, 'event')).toThrow(message);
  });

  it.each([
    ['an array cut short', '[{"a":1},{"b"', /event 1 of in\.json: the text ends/],
    ['no comma', '[{} {}]', /event 0 of in\.json: neither a comma/],
    ['something else than JSON', '[{},nope]', /event 1 of in\.json/],
  ])('of an array: %s is refused and placed', (_, text, message) => {
    expect(() => slices(text)).toThrow(message);
    expect(() => slices(text)).toThrow(InputError);
  });

  it('of a CloudTrail file: anything after the records is refused', () => {
    expect(() => slices('{"Records":[{}],"more":1}')).toThrow('only a closing brace');
    expect(() => slices('[{}]', 'cloudtrail')).toThrow('starts with {"Records":[');
  });

  it('of more than 1 MiB are not looked at further', () => {
    expect(() => slices(`[{"a":"${'x'.repeat(1024 * 1024)}"}]`)).toThrow('more than 1048576 bytes');
  });
});
