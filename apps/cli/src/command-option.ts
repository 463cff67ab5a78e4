/** Options that several commands have, and the values they take. */
import { InvalidArgumentError } from 'commander';

export const JSON_OPTION = ['--json', 'one JSON object a line instead of tables'] as const;
export const LEDGER_OPTION = ['--ledger <name>', 'ledger', 'main'] as const;

/** A whole number in a range, for commander. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** The index of an entry, for commander. */
export function entryIndex(text: string): number {
  const index = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(index)) return index;
  throw new InvalidArgumentError('Give the index of an entry, 0 or more.');
}

/** A frame number, for commander. */
export function frameNumber(text: string): number {
  const number = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError('Give the number of a frame, 1 or more.');
}
