/**
 * Times in signed text: RFC 3339 in UTC with exactly three decimals and `Z`, years 0001 to 9999, for example
 * `2026-01-31T09:30:00.250Z`. The fixed width makes the order of the strings the order of the times, so a time is kept
 * as its string and compared with `<`. A day that is not in the calendar, hour 24 and second 60 are refused.
 */
import { FormatError } from './format-error.js';
import { quote } from './quote.js';

/** A time as its text; the order of two texts is the order of the two times. */
export type Timestamp = string;

const SHAPE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;
const FIRST = -62_135_596_800_000; // 0001-01-01T00:00:00.000Z
const LAST = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z

/** `msSinceEpoch`: whole milliseconds since 1970-01-01 UTC. Throws RangeError (a bug of the caller) outside the years. */
export function formatTimestamp(msSinceEpoch: number): Timestamp {
  if (!Number.isInteger(msSinceEpoch) || msSinceEpoch < FIRST || msSinceEpoch > LAST) {
    throw new RangeError(`${msSinceEpoch} ms is not a whole millisecond of the years 0001 to 9999`);
  }
  return new Date(msSinceEpoch).toISOString();
}

/** Returns milliseconds since 1970-01-01 UTC. Throws FormatError `timestamp.syntax` or `timestamp.calendar`. */
export function parseTimestamp(text: string): number {
  if (!SHAPE.test(text)) {
    throw new FormatError('timestamp.syntax', `${quote(text)} is not a time like 2026-01-31T09:30:00.250Z`);
  }
  const ms = Date.parse(text);
  if (!(ms >= FIRST && ms <= LAST) || new Date(ms).toISOString() !== text) {
    throw new FormatError('timestamp.calendar', `${quote(text)} is not a time of the calendar, years 0001 to 9999`);
  }
  return ms;
}
