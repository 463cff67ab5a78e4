/**
 * Runs `COPY (…) TO STDOUT (FORMAT binary)` and gives its rows chunk by chunk, as the socket delivers them; a slow reader
 * slows the server down. Leaving the loop early closes the connection, which is the only way to end a COPY.
 */
import type { Pool } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { asStoreError } from '../store-error.js';
import { takeConnection } from '../transaction.js';
import { CopyRowParser, type CopyRow } from './row-parser.js';

/**
 * @param query a SELECT without parameters (COPY takes none): callers put in numbers only
 * @param mostFieldBytes a longer field ends the reading with an error
 * @param doing for error messages
 * @throws StoreError
 */
export async function* copyOut(
  pool: Pool,
  query: string,
  mostFieldBytes: number,
  doing: string,
): AsyncGenerator<CopyRow[]> {
  const { client, giveBack } = await takeConnection(pool, doing);
  let failed = true;
  try {
    const parser = new CopyRowParser(mostFieldBytes);
    const chunks = client.query(copyTo(`COPY (${query}) TO STDOUT (FORMAT binary)`));
    for await (const chunk of chunks) {
      const rows = parser.push(chunk as Buffer);
      if (rows.length > 0) yield rows;
    }
    parser.end();
    failed = false;
  } catch (error) {
    throw asStoreError(error, doing);
  } finally {
    giveBack(failed);
  }
}

/** A number that is safe inside SQL text. */
export function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer below 2^53`);
  return String(value);
}
