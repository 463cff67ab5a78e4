/** The published table of grades is the code's, and the grades are an order. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { suiteName, suiteWeaknesses } from './cipher-suite.js';
import { GRADES, isBelow, worstOf } from './grade.js';
import { RULES } from './rules.js';

const document = readFileSync(new URL('../../../docs/operations/tls.md', import.meta.url), 'utf8');

describe('the grades', () => {
  it('stand in docs/operations/tls.md, every rule in its order', () => {
    const rows = RULES.map(({ id, atMost, what }) => `| \`${id}\` | ${atMost} | ${what} |`);
    const table = ['| finding | at most | when |', '| --- | --- | --- |', ...rows].join('\n');
    expect(document).toContain(table);
  });

  it('are the worst that any finding leaves', () => {
    expect(worstOf([])).toBe('A+');
    expect(worstOf(['A', 'B', 'A-'])).toBe('B');
    expect(worstOf(['T', 'A', 'F', 'M'])).toBe('F');
    expect(worstOf(['M', 'T'])).toBe('T');
    for (const [i, grade] of GRADES.entries()) {
      expect(GRADES.map((other) => isBelow(grade, other))).toEqual(GRADES.map((_, j) => i < j));
    }
  });
});

describe('what is weak about a suite', () => {
  it.each<[number, string[]]>([
    [0x1301, []],
    [0x1305, []],
    [0xc02f, []],
    [0xcca9, []],
    [0x009e, []],
    [0xc0ae, []],
    [0xc013, ['no-aead']],
    [0x009c, ['no-forward-secrecy']],
    [0x002f, ['no-forward-secrecy', 'no-aead']],
    [0xc005, ['no-forward-secrecy', 'no-aead']],
    [0x0005, ['rc4', 'no-forward-secrecy', 'no-aead']],
    [0xc012, ['short-block', 'no-aead']],
    [0x0003, ['export', 'rc4', 'no-forward-secrecy', 'no-aead']],
    [0xc010, ['null', 'no-aead']],
    [0xc019, ['anonymous', 'no-aead']],
    [0x00a6, ['anonymous']],
  ])('0x%s', (suite, weak) => {
    expect(suiteWeaknesses(suiteName(suite))).toEqual(weak);
  });
});
