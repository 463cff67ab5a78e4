/** Figures of a bench run: value, unit, and the floor that the project promises; as a table for people, as JSON lines for scripts. */

export interface Figure {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** What the value must reach (or must not exceed, where less is better); null for a baseline. */
  readonly floor: number | null;
  readonly better: 'more' | 'less';
}

export function isMet({ value, floor, better }: Figure): boolean {
  if (floor === null) return true;
  return better === 'more' ? value >= floor : value <= floor;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that `share` of all values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}

export function asJson(figure: Figure): string {
  const { figure: name, value, unit, floor } = figure;
  return JSON.stringify({ figure: name, value: rounded(value), unit, floor, met: isMet(figure) });
}

/** The table of README.md. */
export function asMarkdown(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(HEAD),
    line(['---', '--:', '---', '---', '---']),
    ...figures.map((figure) => line(cellsOf(figure))),
  ].join('\n');
}

const HEAD = ['figure', 'value', 'unit', 'floor', ''];

function cellsOf(figure: Figure): string[] {
  return [
    figure.figure,
    String(rounded(figure.value)),
    figure.unit,
    figure.floor === null ? '' : `${figure.better === 'more' ? '≥' : '≤'} ${figure.floor}`,
    figure.floor === null ? '' : isMet(figure) ? 'met' : 'NOT MET',
  ];
}

export function asTable(figures: readonly Figure[]): string {
  const rows = figures.map(cellsOf);
  const widths = HEAD.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 1 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}
