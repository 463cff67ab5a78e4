/**
 * The bytes of an outbox file: a header, then records one behind the other, nothing behind the last.
 *
 *     file    = "everseal/outbox\n" ‖ u32 version 1 ‖ u48 ordinal of its first event ‖ u32 CRC-32 of the 26 bytes before
 *     record  = u32 length ‖ u32 ~length ‖ u32 CRC-32 of the payload ‖ payload                  (integers big-endian)
 *     payload = "E" ‖ (u32 length ‖ the exact bytes of an event)+        events, numbered on from the ones before
 *             | "S" ‖ u48 ordinal+                                       events that need not be sent any more
 *
 * One append is one record, synced before the next, so a crash leaves at most one record incomplete, the last. Its length
 * stands there twice, so that a damaged length cannot hide what is behind it. A bad record that another one follows, or
 * that is larger than any append, is damage and not a crash: then nothing is cut.
 */
import { crc32 } from 'node:zlib';

export const OUTBOX_HEADER = 30;
const RECORD_HEADER = 12;
/** An append is cut at these; one event more may be over it. */
export const APPEND_EVENTS = 1_024;
export const APPEND_BYTES = 1_048_576;
const MOST_PAYLOAD = 2 * APPEND_BYTES;
const MAGIC = Buffer.from('everseal/outbox\n', 'latin1');
const EVENTS = 0x45;
const SETTLED = 0x53;

export type OutboxRecord = { readonly events: readonly Buffer[] } | { readonly settled: readonly number[] };

/** Why a file cannot be read; nothing about it was changed. */
export class OutboxDamaged extends Error {}

export function encodeHeader(first: number): Buffer {
  const header = Buffer.alloc(OUTBOX_HEADER);
  MAGIC.copy(header);
  header.writeUInt32BE(1, 16);
  header.writeUIntBE(first, 20, 6);
  header.writeUInt32BE(crc32(header.subarray(0, 26)), 26);
  return header;
}

export function encodeEvents(events: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [Buffer.of(EVENTS)];
  for (const event of events) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(event.length);
    parts.push(length, event);
  }
  return encodeRecord(Buffer.concat(parts));
}

export function encodeSettled(ordinals: readonly number[]): Buffer {
  const payload = Buffer.alloc(1 + 6 * ordinals.length);
  payload[0] = SETTLED;
  ordinals.forEach((ordinal, i) => payload.writeUIntBE(ordinal, 1 + 6 * i, 6));
  return encodeRecord(payload);
}

function encodeRecord(payload: Buffer): Buffer {
  const header = Buffer.alloc(RECORD_HEADER);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(~payload.length >>> 0, 4);
  header.writeUInt32BE(crc32(payload), 8);
  return Buffer.concat([header, payload]);
}

/** What a file holds; `end` is where its last whole record ends, less than its length when an append was interrupted. */
export interface OutboxContent {
  readonly first: number;
  readonly records: readonly OutboxRecord[];
  readonly end: number;
}

/** @throws OutboxDamaged */
export function parseOutboxFile(file: Buffer): OutboxContent {
  const header = file.subarray(0, OUTBOX_HEADER);
  if (header.length < OUTBOX_HEADER || !header.equals(encodeHeader(header.readUIntBE(20, 6)))) {
    throw new OutboxDamaged('it does not begin as an outbox file of version 1');
  }
  const records: OutboxRecord[] = [];
  let at = OUTBOX_HEADER;
  while (at < file.length) {
    const payload = payloadAt(file, at);
    if (payload === null) break;
    records.push(parsePayload(payload, at));
    at += RECORD_HEADER + payload.length;
  }
  if (at < file.length) requireTorn(file, at);
  return { first: header.readUIntBE(20, 6), records, end: at };
}

/** The payload of the whole record at `at`; null when there is none. */
function payloadAt(file: Buffer, at: number): Buffer | null {
  const start = at + RECORD_HEADER;
  if (start > file.length) return null;
  const length = file.readUInt32BE(at);
  if (length === 0 || length > MOST_PAYLOAD || file.readUInt32BE(at + 4) !== ~length >>> 0) return null;
  if (start + length > file.length) return null;
  const payload = file.subarray(start, start + length);
  return crc32(payload) === file.readUInt32BE(at + 8) ? payload : null;
}

function parsePayload(payload: Buffer, at: number): OutboxRecord {
  const rest = payload.subarray(1);
  if (payload[0] === SETTLED && rest.length > 0 && rest.length % 6 === 0) {
    return { settled: Array.from({ length: rest.length / 6 }, (_, i) => rest.readUIntBE(6 * i, 6)) };
  }
  const events: Buffer[] = [];
  for (let i = 0; payload[0] === EVENTS && i + 4 <= rest.length;) {
    const end = i + 4 + rest.readUInt32BE(i);
    if (end > rest.length) break;
    events.push(rest.subarray(i + 4, end));
    i = end;
    if (i === rest.length) return { events };
  }
  throw new OutboxDamaged(`the record at byte ${at} is whole, and none that this version knows`);
}

/** An interrupted append leaves less than one record, and nothing behind it. */
function requireTorn(file: Buffer, at: number): void {
  const left = file.length - at;
  const damaged = new OutboxDamaged(
    `the record at byte ${at} is damaged, and not in the way an interrupted append leaves it`,
  );
  if (left > RECORD_HEADER + MOST_PAYLOAD) throw damaged;
  for (let i = at + 1; i + RECORD_HEADER < file.length; i += 1) if (payloadAt(file, i) !== null) throw damaged;
}
