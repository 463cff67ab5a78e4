/** Every row of a table in the order of its key, read page by page; one that cannot be read is named and not skipped. */
import { saidOfValue } from './stored-value.js';

/**
 * @param read the rows whose key is larger than `after`, so many at most
 * @param keyOf of a row
 * @param unreadable told where reading ends, and of what; null is given then, and nothing after it
 */
export async function* everyRow<Row>(
  pageRows: number,
  read: (after: number, most: number) => Promise<Row[]>,
  keyOf: (row: Row) => number,
  unreadable: (behind: string, what: string) => void,
): AsyncGenerator<Row | null> {
  let after = Number.MIN_SAFE_INTEGER;
  for (let most = pageRows; ;) {
    const rows = await read(after, most).catch(saidOfValue);
    if (typeof rows !== 'string') {
      yield* rows;
      const last = rows.at(-1);
      if (last !== undefined) after = keyOf(last);
      if (rows.length < most) return;
    } else if (most > 1) {
      most = 1; // the others of this read are good, maybe
    } else {
      unreadable(after < 0 ? 'first' : `after size ${after}`, rows);
      yield null;
      return;
    }
  }
}
