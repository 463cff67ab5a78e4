/**
 * A row of the event index, and its form in binary COPY. encodeIndexRow writes straight into the writer's buffer:
 * making a value per column would cost more than the columns themselves.
 *
 * A text is at most 256 bytes of UTF-8 without U+0000 (formats: Event index); a longer one here is a bug of the caller,
 * and would break the indexes. Times are microseconds since 1970; Postgres counts from 2000.
 */
import { readInt8, type CopyRow } from './row-parser.js';
import { StoreError } from '../store-error.js';

export interface IndexRow {
  position: number;
  /** Microseconds since 1970-01-01 UTC. */
  accepted: bigint;
  occurred: bigint | null;
  /** At least 8 bytes, the first 8 are stored; reading gives 8. */
  identity: Buffer | null;
  /** Position of the event that this one repeats. */
  duplicateOf: number | null;
  producer: string;
  eventId: string | null;
  source: string | null;
  type: string | null;
  subject: string | null;
  actor: string | null;
  action: string | null;
  target: string | null;
  outcome: string | null;
}

/** Columns in the order of the encoding. */
export const INDEX_COLUMNS =
  'ledger_id, position, accepted, occurred, identity, duplicate_of, producer, event_id, source, type, subject, actor, ' +
  'action, target, outcome';
const COLUMN_COUNT = 15;

export const IDENTITY_BYTES = 8;
const MAX_TEXT_BYTES = 256;

/**
 * Room that a row needs: count, 15 lengths, ledger_id, 5 integers, 9 texts, and what a text that is too long takes before
 * it is refused (3 bytes a UTF-16 unit; a shorter buffer would cut it without a word).
 */
export const MAX_INDEX_ROW_BYTES = 2 + COLUMN_COUNT * 4 + 2 + 5 * 8 + 9 * MAX_TEXT_BYTES + 2 * MAX_TEXT_BYTES;

/** Microseconds from 1970 to 2000. */
const POSTGRES_EPOCH = 946_684_800_000_000n;

/**
 * @param into the buffer as a DataView, whose accessors the compiler turns into single instructions; Buffer's methods
 *   for the same took five times as long (measured)
 * @param start offset with at least MAX_INDEX_ROW_BYTES after it
 * @returns the offset after the row
 * @throws RangeError for a text that is too long or has U+0000, an identity that is too short
 */
export function encodeIndexRow(into: DataView, start: number, ledgerId: number, row: IndexRow): number {
  into.setInt16(start, COLUMN_COUNT);
  into.setInt32(start + 2, 2);
  into.setInt16(start + 6, ledgerId);
  let at = writeInt8(into, start + 8, row.position);
  at = writeTime(into, at, row.accepted);
  at = writeTime(into, at, row.occurred);
  at = writeIdentity(into, at, row.identity);
  at = writeInt8(into, at, row.duplicateOf);
  at = writeText(into, at, row.producer);
  at = writeText(into, at, row.eventId);
  at = writeText(into, at, row.source);
  at = writeText(into, at, row.type);
  at = writeText(into, at, row.subject);
  at = writeText(into, at, row.actor);
  at = writeText(into, at, row.action);
  at = writeText(into, at, row.target);
  return writeText(into, at, row.outcome);
}

function writeNull(into: DataView, at: number): number {
  into.setInt32(at, -1);
  return at + 4;
}

function writeInt8(into: DataView, at: number, value: number | null): number {
  if (value === null) return writeNull(into, at);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a position`);
  into.setInt32(at, 8);
  into.setUint32(at + 4, Math.floor(value / 2 ** 32));
  into.setUint32(at + 8, value % 2 ** 32);
  return at + 12;
}

function writeTime(into: DataView, at: number, value: bigint | null): number {
  if (value === null) return writeNull(into, at);
  into.setInt32(at, 8);
  into.setBigInt64(at + 4, value - POSTGRES_EPOCH);
  return at + 12;
}

function writeIdentity(into: DataView, at: number, value: Buffer | null): number {
  if (value === null) return writeNull(into, at);
  if (value.length < IDENTITY_BYTES) throw new RangeError(`an identity of ${value.length} bytes`);
  into.setInt32(at, IDENTITY_BYTES);
  for (let i = 0; i < IDENTITY_BYTES; i++) into.setUint8(at + 4 + i, value[i]!);
  return at + 4 + IDENTITY_BYTES;
}

/** Character by character while they are ASCII: for short texts a call into the runtime costs more than its work. */
function writeText(into: DataView, at: number, value: string | null): number {
  if (value === null) return writeNull(into, at);
  const length = value.length;
  // A text has at least as many UTF-8 bytes as UTF-16 units.
  if (length > MAX_TEXT_BYTES) throw new RangeError(`a text of ${length} characters, ${MAX_TEXT_BYTES} bytes allowed`);
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code >= 0x80) return writeUnicode(into, at, value);
    if (code === 0) throw new RangeError('a text with U+0000');
    into.setUint8(at + 4 + i, code);
  }
  into.setInt32(at, length);
  return at + 4 + length;
}

function writeUnicode(into: DataView, at: number, value: string): number {
  if (value.includes('\0')) throw new RangeError('a text with U+0000');
  const bytes = Buffer.from(into.buffer, into.byteOffset, into.byteLength).write(value, at + 4, 'utf8');
  if (bytes > MAX_TEXT_BYTES) throw new RangeError(`a text of ${bytes} bytes, ${MAX_TEXT_BYTES} allowed`);
  into.setInt32(at, bytes);
  return at + 4 + bytes;
}

/** @throws StoreError store.unexpected-value when a row is not of this shape (columns were changed) */
export function decodeIndexRow(row: CopyRow): IndexRow {
  const [ledgerId, position, accepted, occurred, identity, duplicateOf, producer, ...texts] = row;
  if (row.length !== COLUMN_COUNT || !ledgerId || !position || !accepted || !producer) {
    throw new StoreError('store.unexpected-value', 'an index row has a null where a value belongs');
  }
  const [eventId, source, type, subject, actor, action, target, outcome] = texts.map(
    (text) => text?.toString('utf8') ?? null,
  );
  return {
    position: readInt8(position),
    accepted: accepted.readBigInt64BE(0) + POSTGRES_EPOCH,
    occurred: occurred ? occurred.readBigInt64BE(0) + POSTGRES_EPOCH : null,
    identity: identity ? Buffer.from(identity) : null,
    duplicateOf: duplicateOf ? readInt8(duplicateOf) : null,
    producer: producer.toString('utf8'),
    eventId: eventId!,
    source: source!,
    type: type!,
    subject: subject!,
    actor: actor!,
    action: action!,
    target: target!,
    outcome: outcome!,
  };
}
