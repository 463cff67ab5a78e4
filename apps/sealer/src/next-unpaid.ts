/**
 * Which frame of an open debt is asked for next: from the newest down, because the frame behind a debt names the last one
 * in it by its hash, that one the one before, and so on. A number that brought nothing is passed over until all the others
 * had their turn, so that one frame which is gone for good does not keep the others out.
 *
 * @param unpaid ranges of numbers, ascending
 * @param below the number that was asked for last; Infinity at first
 * @returns the largest unpaid number below it, else the largest of all; null when nothing is owed
 */
export function nextUnpaid(unpaid: readonly (readonly [number, number])[], below: number): number | null {
  const [first, last] = unpaid.findLast(([from]) => from < below) ?? unpaid.at(-1) ?? [0, 0];
  if (last === 0) return null;
  return first < below ? Math.min(last, below - 1) : last;
}
