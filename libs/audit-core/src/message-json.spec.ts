import { describe, expect, it } from '@jest/globals';
import { outcome } from '../vectors/vector-file.js';
import { FormatError } from './format-error.js';
import { hashList, MessageReader } from './message-json.js';

const read = (text: string): MessageReader => MessageReader.parse('thing', Buffer.from(text), 1_000);

describe('message reader', () => {
  it('reads members by value and ignores unknown ones', () => {
    const message = read(
      '{"x":{}, "n" : 1e2,"t":"\\u0061","f":false,"null":null,"p":[[1,2]],"o":{"t":"in"},"l":[{"n":3}]}',
    );
    expect(message.count('n')).toBe(100);
    expect(message.text('t')).toBe('a');
    expect(message.flag('f')).toBe(false);
    expect(message.countOrNull('null')).toBeNull();
    expect(message.countOrNull('n')).toBe(100);
    expect(message.pairs('p')).toEqual([[1, 2]]);
    expect(message.object('o').text('t')).toBe('in');
    expect(message.objects('l').map((element) => element.count('n'))).toEqual([3]);
    expect([message.has('n'), message.has('toString')]).toEqual([true, false]);
  });

  it('names member and parent in the code', () => {
    expect(outcome(() => read('{}').text('t'))).toEqual({ code: 'thing.t' });
    expect(outcome(() => read('{"o":{"t":1}}').object('o').text('t'))).toEqual({ code: 'thing.o-t' });
    expect(outcome(() => read('{"l":[{}]}').objects('l')[0]?.count('n'))).toEqual({ code: 'thing.l-n' });
    const check = (): never => {
      throw new FormatError('name.name', 'not a name');
    };
    expect(outcome(() => read('{}').check('who', check))).toEqual({ code: 'thing.who' });
  });

  it.each([
    ['{"n":-1}', 'a negative number'],
    ['{"n":0.5}', 'a fraction'],
    ['{"n":9007199254740992}', '2^53'],
    ['{"n":1e400}', 'a number beyond double'],
    ['{"n":"1"}', 'text'],
    ['{"n":null}', 'null'],
    ['{"n":[1]}', 'a list'],
  ])('does not take %s for a count: %s', (text) => {
    expect(outcome(() => read(text).count('n'))).toEqual({ code: 'thing.n' });
  });

  it('takes the last of repeated members, as every JSON parser of the services does', () => {
    expect(read('{"n":1,"n":2}').count('n')).toBe(2);
  });

  it('bounds the message before it is parsed, and survives deep nesting', () => {
    expect(outcome(() => MessageReader.parse('thing', Buffer.alloc(1_001, '{'), 1_000))).toEqual({
      code: 'thing.size',
    });
    const deep = Buffer.from(`{"x":${'['.repeat(500_000)}${']'.repeat(500_000)}}`);
    expect(outcome(() => MessageReader.parse('thing', deep, 1_048_576).has('x'))).toEqual({ value: true });
  });

  it('writes lists of hashes that it reads', () => {
    const hashes = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(read(`{"h":${hashList(hashes)}}`).hashes('h', 2)).toEqual(hashes);
    expect(read(`{"h":${hashList([])}}`).hashes('h', 0)).toEqual([]);
    expect(outcome(() => read(`{"h":${hashList(hashes)}}`).hashes('h', 1))).toEqual({ code: 'thing.h' });
  });
});
