/**
 * JSON answers of the NATS server, read by value: what is asked for must be there and of its type, anything else is
 * ignored. The server is trusted with these facts (a lying server is found by hashes, not here), so the checks are for
 * answers of another version or kind.
 */
import { MessagingError } from './messaging-error.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Largest server answer that is parsed; a STREAM.INFO is a few KiB. */
const MAX_BYTES = 1024 * 1024;

/** @throws MessagingError answer.malformed unless the bytes are one JSON object */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > MAX_BYTES) throw malformed(what, `it has ${bytes.length} bytes`);
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    if (isObject(value)) return value;
  } catch (cause) {
    throw malformed(what, 'it is no JSON', cause);
  }
  throw malformed(what, 'it is no JSON object');
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws MessagingError answer.malformed */
export function objectAt(object: JsonObject, name: string, what: string): JsonObject {
  const value = object[name];
  if (!isObject(value)) throw malformed(what, `"${name}" is no object`);
  return value;
}

/** @throws MessagingError answer.malformed */
export function textAt(object: JsonObject, name: string, what: string): string {
  const value = object[name];
  if (typeof value !== 'string') throw malformed(what, `"${name}" is no text`);
  return value;
}

/** A whole number from 0 to 2^53 − 1. @throws MessagingError answer.malformed */
export function countAt(object: JsonObject, name: string, what: string): number {
  const value = object[name];
  if (!isCount(value)) throw malformed(what, `"${name}" is no whole number`);
  return value;
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function malformed(what: string, why: string, cause?: unknown): MessagingError {
  return new MessagingError('answer.malformed', `${what} cannot be read: ${why}`, { cause });
}
