import { describe, expect, it } from '@jest/globals';
import { parseFaultArguments, selectRows } from './fault-arguments.js';

describe('the command line', () => {
  it('means the quick subset with a seed that is drawn, unless it says otherwise', () => {
    expect(parseFaultArguments([])).toEqual({ seed: null, all: false, rows: [], minutes: null, json: false });
    expect(parseFaultArguments(['--seed', '7', '--row', '7,8', '--row', '19'])).toMatchObject({
      seed: 7,
      rows: ['7', '8', '19'],
    });
    expect(parseFaultArguments(['--minutes', '0.5', '--json'])).toMatchObject({ minutes: 0.5, json: true });
    expect(parseFaultArguments(['--all'])).toMatchObject({ all: true });
  });

  it.each([
    [['--seed', 'x'], '--seed'],
    [['--seed', ''], '--seed'],
    [['--seed', '-1'], '--seed'],
    [['--minutes', '0'], '--minutes'],
    [['--minutes', '3', '--all'], 'stands alone'],
    [['--minutes', '3', '--row', '1'], 'stands alone'],
    [['--row', '7,'], '--row'],
    [['--rows', '7'], 'rows'],
    [['7'], '7'],
  ])('refuses %j', (args, why) => {
    expect(() => parseFaultArguments(args)).toThrow(why);
  });
});

describe('the selection', () => {
  const known = ['1', '11', '19', '19b', '20'].map((row) => ({ row }));
  const selected = (...wanted: string[]): string[] => selectRows(known, wanted).map(({ row }) => row);

  it('takes a number with its variants, in the order of the matrix', () => {
    expect(selected('19', '1')).toEqual(['1', '19', '19b']);
    expect(selected('19b')).toEqual(['19b']);
  });

  it('refuses a row that there is not', () => {
    expect(() => selected('9')).toThrow('no row 9');
    expect(() => selected('19c')).toThrow('no row 19c');
  });
});
