import { describe, expect, it } from '@jest/globals';
import { quoted } from './nats-config.js';

describe('quoted', () => {
  it.each([
    ['plain', '"plain"'],
    ['$HOME', '"$HOME"'],
    ['a"b', String.raw`"a\"b"`],
    [String.raw`C:\nats`, String.raw`"C:\\nats"`],
    ['# no comment', '"# no comment"'],
  ])('%j', (text, expected) => expect(quoted(text)).toBe(expected));

  it.each(['a\nb', 'a\u0000b', 'a\u007f'])('refuses %j', (text) => expect(() => quoted(text)).toThrow('control'));
});
