/**
 * Rows of Postgres' binary COPY, from chunks as they come from the socket:
 *
 *   header   11 bytes "PGCOPY\n\xff\r\n\0", u32 flags (0), u32 length of an extension (skipped)
 *   row      i16 number of fields, then each as i32 length and that many bytes; length −1: null
 *   trailer  i16 −1
 *
 * (PostgreSQL documentation, COPY, "Binary Format".) A field inside one chunk is a view of it; a field over several
 * chunks is copied once into a buffer of its own. So memory is a chunk and the largest field, whatever the table's size.
 */
import { StoreError } from '../store-error.js';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const HEADER_BYTES = 19;
const NONE: Buffer = Buffer.alloc(0);

/** One row; null for SQL null. Fields are views, for good: a chunk's memory is not written again, and held by what is kept of it. */
export type CopyRow = (Buffer | null)[];

export class CopyRowParser {
  /** Bytes of a header, count or length that the last chunk cut in two. */
  private carry = NONE;
  private row: CopyRow = [];
  private state: 'header' | 'row' | 'field' | 'done' = 'header';
  private fieldsLeft = 0;
  /** A field that is being put together, and how much of it is there. */
  private partial: Buffer | null = null;
  private filled = 0;

  /** @param mostFieldBytes a longer field is refused before memory is taken for it */
  constructor(private readonly mostFieldBytes: number) {}

  /** @throws StoreError store.unexpected-value when the bytes are no binary COPY, or a field is too long */
  push(chunk: Buffer): CopyRow[] {
    const rows: CopyRow[] = [];
    let bytes = this.carry.length === 0 ? chunk : Buffer.concat([this.carry, chunk]);
    this.carry = NONE;
    while (bytes.length > 0 && this.state !== 'done') {
      const used = this.step(bytes);
      if (used === 0) {
        this.carry = bytes;
        break;
      }
      bytes = bytes.subarray(used);
      if (this.state === 'field' && this.fieldsLeft === 0) {
        rows.push(this.row);
        this.row = [];
        this.state = 'row';
      }
    }
    return rows;
  }

  /** @throws StoreError store.unexpected-value unless the trailer was seen */
  end(): void {
    if (this.state !== 'done') throw new StoreError('store.unexpected-value', 'a COPY ended in the middle');
  }

  /** Consumes one part and returns its length; 0 when it is not all there yet. */
  private step(bytes: Buffer): number {
    switch (this.state) {
      case 'header':
        return this.readHeader(bytes);
      case 'row':
        return this.readFieldCount(bytes);
      case 'field':
        return this.partial ? this.fillField(bytes) : this.readField(bytes);
      case 'done':
        return bytes.length;
    }
  }

  private readHeader(bytes: Buffer): number {
    if (bytes.length < HEADER_BYTES) return 0;
    if (!bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE) || bytes.readUInt32BE(11) !== 0) {
      throw new StoreError('store.unexpected-value', 'this is not a binary COPY without OIDs');
    }
    const end = HEADER_BYTES + bytes.readUInt32BE(15);
    if (bytes.length < end) return 0;
    this.state = 'row';
    return end;
  }

  private readFieldCount(bytes: Buffer): number {
    if (bytes.length < 2) return 0;
    const count = bytes.readInt16BE(0);
    this.state = count === -1 ? 'done' : 'field';
    this.fieldsLeft = count;
    return 2;
  }

  private readField(bytes: Buffer): number {
    if (bytes.length < 4) return 0;
    const length = bytes.readInt32BE(0);
    if (length > this.mostFieldBytes) {
      throw new StoreError('store.unexpected-value', `a field of ${length} bytes, ${this.mostFieldBytes} allowed`);
    }
    if (length <= 0) {
      this.row.push(length === 0 ? NONE : null);
      this.fieldsLeft--;
      return 4;
    }
    if (bytes.length >= 4 + length) {
      this.row.push(bytes.subarray(4, 4 + length));
      this.fieldsLeft--;
      return 4 + length;
    }
    this.partial = Buffer.allocUnsafeSlow(length);
    this.filled = bytes.copy(this.partial, 0, 4);
    return bytes.length;
  }

  private fillField(bytes: Buffer): number {
    const field = this.partial!;
    const used = bytes.copy(field, this.filled);
    this.filled += used;
    if (this.filled === field.length) {
      this.row.push(field);
      this.partial = null;
      this.fieldsLeft--;
    }
    return used;
  }
}

/** A bigint column of binary COPY as a number. @throws StoreError store.unsafe-integer */
export function readInt8(field: Buffer): number {
  const value = field.readInt32BE(0) * 2 ** 32 + field.readUInt32BE(4);
  if (!Number.isSafeInteger(value)) {
    throw new StoreError(
      'store.unsafe-integer',
      `the database holds ${field.readBigInt64BE(0)} where a number below 2^53 belongs`,
    );
  }
  return value;
}
