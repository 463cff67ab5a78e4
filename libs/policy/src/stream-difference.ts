/**
 * Compares a stream as the server describes it with what the policy calls for.
 *
 * Strict in both directions: a field that is expected must be equal, and a field that is not expected must be absent or
 * at rest (false, zero, empty). So an option that a newer server invents and somebody turned on is a difference too.
 * Metadata: `_nats.*` belongs to the server and is not compared; the epoch must be there; other keys must not.
 */
import { EPOCH_KEY, type ExpectedStream } from './streams.js';

/** A stream's config as it came in a STREAM.INFO answer; read by value, nothing about it is trusted. */
export type ActualStream = Readonly<Record<string, unknown>>;

export interface StreamDifference {
  /** Field of the stream's config, `metadata.epoch` for the epoch. */
  field: string;
  /** As JSON; `undefined` when the field should not be there. */
  expected: string | undefined;
  /** As JSON; `undefined` when the server has none. */
  actual: string | undefined;
}

/** At least 16 characters, so that nobody sets one by hand that repeats. */
const EPOCH = /^[A-Za-z0-9_-]{16,64}$/;

/** Every difference, expected fields first; empty when the stream is as it should be. */
export function compareStream(expected: ExpectedStream, actual: ActualStream): StreamDifference[] {
  const { metadata, ...rest } = actual;
  const wanted: ActualStream = expected;
  const fields = new Set([...Object.keys(wanted), ...Object.keys(rest)]);
  const differing = [...fields].flatMap((field) => difference(field, wanted[field], rest[field]));
  return [...differing, ...metadataDifferences(metadata)];
}

/** The epoch a stream was provisioned with, null when it carries none that provisioning could have set. */
export function epochOf(actual: ActualStream): string | null {
  const epoch = entriesOf(actual['metadata']).find(([key]) => key === EPOCH_KEY)?.[1];
  return typeof epoch === 'string' && EPOCH.test(epoch) ? epoch : null;
}

function difference(field: string, expected: unknown, actual: unknown): StreamDifference[] {
  if (expected === undefined ? isAtRest(actual) : sameJson(expected, actual)) return [];
  return [{ field, expected: toJson(expected), actual: toJson(actual) }];
}

function metadataDifferences(metadata: unknown): StreamDifference[] {
  const epoch = epochOf({ metadata });
  const missing: StreamDifference[] =
    epoch === null
      ? [{ field: `metadata.${EPOCH_KEY}`, expected: '"<set by provisioning>"', actual: toJson(undefined) }]
      : [];
  const foreign = entriesOf(metadata)
    .filter(([key]) => key !== EPOCH_KEY && !key.startsWith('_nats.'))
    .map(([key, value]) => ({ field: `metadata.${key}`, expected: undefined, actual: toJson(value) }));
  return [...missing, ...foreign];
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** Absent, false, zero, empty text, or a list or object of nothing but such. */
function isAtRest(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true;
  return typeof value === 'object' && Object.values(value).every(isAtRest);
}

/** Config values are scalars and short lists of strings, so their JSON decides; key order plays no part. */
function sameJson(a: unknown, b: unknown): boolean {
  return toJson(a) === toJson(b);
}

function toJson(value: unknown): string | undefined {
  return JSON.stringify(value);
}
