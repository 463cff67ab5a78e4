/**
 * The open debts of one ingester as they are announced. How many ranges they are is up to the ingester, and an announcement has
 * to find room in one message: so the ranges that are many are announced as fewer that cover them. Who keeps a frame because of
 * such a range keeps one that is sealed already, until the others are.
 *
 * @param ranges ascending
 * @param most ranges that are announced, 1 or more
 */
export function announcedDebts(
  ranges: readonly (readonly [number, number])[],
  most: number,
): (readonly [number, number])[] {
  if (ranges.length <= most) return [...ranges];
  const [first] = ranges[most - 1]!;
  const [, last] = ranges.at(-1)!;
  return [...ranges.slice(0, most - 1), [first, last]];
}
