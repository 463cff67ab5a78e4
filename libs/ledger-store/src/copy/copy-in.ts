/**
 * Runs `COPY … FROM STDIN (FORMAT binary)` inside a transaction, from rows that are encoded into one buffer which is
 * sent and used again.
 *
 * The buffer is free for the next rows when write's callback comes: it is larger than any socket's high-water mark, so
 * the stream answers only after its 'drain', when the kernel (or TLS) has taken the bytes. The last part may be smaller;
 * after it nothing is written before the COPY is over.
 */
import type { PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { finished } from 'node:stream/promises';

const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
const TRAILER_BYTES = 2;

export const COPY_BUFFER_BYTES = 262_144;

/**
 * @param statement COPY … FROM STDIN (FORMAT binary)
 * @param buffer COPY_BUFFER_BYTES of the caller's, in use until this returns
 * @param mostRowBytes no row is longer
 * @param encode writes one row into `buffer` at an offset, returns the offset after it
 * @param beforePart awaited before every part but the last; must not reject
 * @returns rows the server counted
 */
export async function copyIn<Row>(
  client: PoolClient,
  statement: string,
  buffer: Buffer,
  mostRowBytes: number,
  rows: Iterable<Row>,
  encode: (at: number, row: Row) => number,
  beforePart?: () => Promise<void>,
): Promise<number> {
  const stream = client.query(copyFrom(statement));
  const done = finished(stream);
  // A failure of the stream rejects `done`, which is awaited at the end; until then it must not count as unhandled.
  done.catch(() => {});
  const send = (bytes: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  try {
    let at = HEADER.copy(buffer);
    for (const row of rows) {
      if (at + mostRowBytes > buffer.length) {
        await beforePart?.();
        await Promise.race([send(buffer.subarray(0, at)), done]);
        at = 0;
      }
      at = encode(at, row);
    }
    if (at + TRAILER_BYTES > buffer.length) {
      await Promise.race([send(buffer.subarray(0, at)), done]);
      at = 0;
    }
    stream.end(buffer.subarray(0, buffer.writeInt16BE(-1, at)));
  } catch (error) {
    // CopyFail: the server drops the rows. Its own error is the cause when it was the first to fail.
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
    await done.catch(() => {});
    throw error;
  }
  await done;
  return stream.rowCount;
}
