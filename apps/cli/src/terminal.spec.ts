import { describe, expect, it } from '@jest/globals';
import { formatAge, parseSince } from './durations.js';
import { parseMetrics } from './metrics-text.js';
import { counted, printable, Terminal } from './terminal.js';

function written(isTTY: boolean, allowColor: boolean): string {
  const texts: string[] = [];
  const out = { isTTY, write: (text: string) => void texts.push(text) };
  const terminal = new Terminal(out, out, allowColor);
  terminal.table(['a', 'b'], [['1', terminal.colors.red('x')]]);
  return texts.join('');
}

describe('the terminal', () => {
  it('draws tables and colours only for a person, and no colours against their wish', () => {
    expect(written(false, true)).toBe('a\tb\n1\tx\n');
    expect(written(true, true)).toContain('\u001b[31mx');
    expect(written(true, false)).toMatch(/^a\s+b\s*\n1\s+x\s*\n$/);
  });

  it('lets no text from outside move the cursor, recolour or hide', () => {
    expect(printable('é 漢 a\u001b[31mb\rc\u202ed\u2028\u0007')).toBe(
      'é 漢 a\\u{1b}[31mb\\u{d}c\\u{202e}d\\u{2028}\\u{7}',
    );
    expect([counted(1, 'event'), counted(2_000, 'entry', 'entries')]).toEqual(['1 event', '2,000 entries']);
  });
});

describe('times', () => {
  it('are short for people', () => {
    expect([-5, 900, 1_000, 119_000, 7_000_000, 90_000_000, 864_000_000].map(formatAge)).toEqual([
      'now',
      'now',
      '1 s',
      '119 s',
      '117 min',
      '25 h',
      '10 d',
    ]);
  });

  it('are read as a duration or as a time', () => {
    const now = Date.UTC(2026, 0, 2);
    expect(parseSince('1d', now)).toBe(Date.UTC(2026, 0, 1));
    expect(parseSince('2026-01-01T00:00:00Z', now)).toBe(Date.UTC(2026, 0, 1));
    for (const bad of ['', '1', 'd', '-1d', '1w', 'yesterday', '2026-13-01'])
      expect(() => parseSince(bad, now)).toThrow('--since');
  });
});

describe('metrics', () => {
  it('are read with their labels', () => {
    const text = '# HELP x y\nx{ledger="a\\"b",service="v"} 5\ny 1.5e3\nbroken{\n';
    expect(parseMetrics(text)).toEqual([
      { name: 'x', labels: { ledger: 'a"b', service: 'v' }, value: 5 },
      { name: 'y', labels: {}, value: 1500 },
    ]);
  });
});
