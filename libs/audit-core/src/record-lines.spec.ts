import { describe, expect, it } from '@jest/globals';
import { CAST } from '../vectors/cast.js';
import { outcome } from '../vectors/vector-file.js';
import { FormatError } from './format-error.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';

const of = (text: string): RecordLines => new RecordLines('thing', 'everseal/thing/v1', text);

describe('record lines', () => {
  it('hand out the values in order', () => {
    const lines = of(formatRecord('everseal/thing/v1', ['one', 'two 2', '3']));
    expect(lines.nextText('first', () => null)).toBe('one');
    expect(lines.nextIf('three ', 'second', String)).toBeNull();
    expect(lines.nextIf('two ', 'second', String)).toBe('2');
    expect(outcome(() => lines.end())).toEqual({ code: 'thing.lines' });
    expect(lines.next('third', Number)).toBe(3);
    expect(lines.nextIf('', 'fourth', String)).toBeNull();
    lines.end();
  });

  it('give every failure the code of its field, and keep the cause', () => {
    const fail = (): never => {
      throw new FormatError('number.syntax', 'not a number');
    };
    const error = (): unknown => of('everseal/thing/v1\nx\n').next('size', fail);
    expect(outcome(error)).toEqual({ code: 'thing.size' });
    expect(error).toThrow(expect.objectContaining({ cause: expect.objectContaining({ code: 'number.syntax' }) }));
    const bug = (): never => {
      throw new TypeError('a bug');
    };
    expect(() => of('everseal/thing/v1\nx\n').next('size', bug)).toThrow(TypeError);
  });

  it('refuse another kind, a missing line feed and a missing line', () => {
    expect(outcome(() => of('everseal/other/v1\n'))).toEqual({ code: 'thing.kind' });
    expect(outcome(() => of('everseal/thing/v1'))).toEqual({ code: 'thing.lines' });
    expect(outcome(() => of(''))).toEqual({ code: 'thing.kind' });
    expect(outcome(() => of('everseal/thing/v1\n').next('size', String))).toEqual({ code: 'thing.lines' });
  });

  it('refuse what is not written as it is read, and signers of another name', () => {
    requireCanonical('thing', 'a', 'a');
    expect(outcome(() => requireCanonical('thing', 'a', 'A'))).toEqual({ code: 'thing.canonical' });
    requireSigner(CAST.a, CAST.a.name);
    expect(() => requireSigner(CAST.a, CAST.b.name)).toThrow(RangeError);
  });
});
