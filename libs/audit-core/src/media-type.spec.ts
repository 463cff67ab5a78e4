import { describe, expect, it } from '@jest/globals';
import { parseMediaType } from './media-type.js';

describe('parseMediaType', () => {
  it.each<[string, string, string[]]>([
    ['application/json', 'application/json', []],
    ['Application/CloudEvents+JSON', 'application/cloudevents+json', []],
    [' application/json\t', 'application/json', []],
    ['application/json; charset=UTF-8', 'application/json', ['utf-8']],
    ['application/json;charset="utf-8"', 'application/json', ['utf-8']],
    ['application/json ; Charset=latin1 ;charset=utf-8', 'application/json', ['latin1', 'utf-8']],
    ['application/json; version=1; x="a\\"b;c"; charset=utf-8', 'application/json', ['utf-8']],
    ['application/json;', 'application/json', []],
    ['application/json; ;', 'application/json', []],
    ['application/json; charset="ut\\f-8"', 'application/json', ['utf-8']],
  ])('reads %j', (header, type, charsets) => {
    expect(parseMediaType(header)).toEqual({ type, charsets });
  });

  it.each([
    '',
    'json',
    'application/',
    '/json',
    'application/json, application/json',
    'application/json charset=utf-8',
    'application/json; charset',
    'application/json; charset=',
    'application/json; charset = utf-8',
    'application/json; charset="utf-8',
    'application/json; charset=utf-8"',
    'application/json; x=é',
    'application/json\r\nx: y',
    `application/json; x=${'a'.repeat(256)}`,
  ])('refuses %j', (header) => {
    expect(parseMediaType(header)).toBeNull();
  });
});
