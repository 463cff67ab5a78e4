/** The command line of `npm run test:faults`. */
import { parseArgs } from 'node:util';

export interface FaultArguments {
  /** Null: to be drawn. */
  readonly seed: number | null;
  /** Every row instead of the quick subset. */
  readonly all: boolean;
  /** Only these; empty for all of the selection. */
  readonly rows: readonly string[];
  /** Minutes of the nemesis; null for none of its own (it is a short row of the matrix). */
  readonly minutes: number | null;
  readonly json: boolean;
}

/** @throws Error that says what is wrong with the command line */
export function parseFaultArguments(args: readonly string[]): FaultArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      all: { type: 'boolean', default: false },
      row: { type: 'string', multiple: true, default: [] },
      minutes: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const seed = values.seed === undefined ? null : Number(values.seed);
  if (seed !== null && (!Number.isSafeInteger(seed) || seed < 0 || values.seed === '')) {
    throw new Error('--seed takes a whole number from 0 on');
  }
  const minutes = values.minutes === undefined ? null : Number(values.minutes);
  if (minutes !== null && !(minutes > 0)) throw new Error('--minutes takes a number above 0');
  const rows = values.row.flatMap((list) => list.split(',')).map((row) => row.trim());
  if (rows.includes('')) throw new Error('--row takes rows of the matrix: --row 7,8');
  if (minutes !== null && (values.all || rows.length > 0)) throw new Error('--minutes stands alone: it is row 45');
  return { seed, all: values.all, rows, minutes, json: values.json };
}

/**
 * Those of `known` that were asked for, in the order of the matrix: a number means all its variants.
 * @throws Error for one that there is not
 */
export function selectRows<T extends { row: string }>(known: readonly T[], wanted: readonly string[]): T[] {
  const fits = (row: string, want: string): boolean => row === want || row.replace(/[a-z]+$/, '') === want;
  for (const want of wanted) {
    if (!known.some(({ row }) => fits(row, want))) throw new Error(`the matrix has no row ${want}`);
  }
  return known.filter(({ row }) => wanted.some((want) => fits(row, want)));
}
