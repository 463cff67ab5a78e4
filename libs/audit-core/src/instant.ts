/**
 * A point in time as producers write it: RFC 3339 section 5.6 with any offset and any number of decimals, read to
 * microseconds since 1970 in UTC. (The log's own times, UTC with three decimals, are timestamp.ts.)
 *
 *     2026-11-23T10:15:30.123456+01:00      T and Z in either case; -00:00 is UTC
 *
 * No instant: a date that the (proleptic Gregorian) calendar does not have, hour 24, second 60 (a leap second, which
 * readers map to different instants), and what lies outside the years 0001 to 9999 once it is in UTC. Decimals after
 * the sixth are dropped, not rounded: rounding could leave the year 9999.
 */

const SHAPE =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const FIRST_SECOND = -62_135_596_800; // 0001-01-01T00:00:00Z
const LAST_SECOND = 253_402_300_799; // 9999-12-31T23:59:59Z
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
const DAYS_IN_400_YEARS = 146_097;

/** Microseconds since 1970-01-01T00:00:00Z, a bigint because most of those years exceed 2^53 of them; else null. */
export function parseInstant(text: string): bigint | null {
  if (!SHAPE.test(text)) return null;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  if (day > DAYS_IN_MONTH[month - 1]! && !(month === 2 && day === 29 && isLeap(year))) return null;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999; 400 years later the calendar is the same.
  const midnight = Date.UTC(year + 400, month - 1, day) / 1000 - DAYS_IN_400_YEARS * 86_400;
  const local = midnight + digits(text, 11, 13) * 3600 + digits(text, 14, 16) * 60 + digits(text, 17, 19);
  const seconds = local - offsetSeconds(text);
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) return null;
  return BigInt(seconds) * 1_000_000n + BigInt(microseconds(text));
}

function offsetSeconds(text: string): number {
  const sign = text.at(-6);
  if (sign !== '+' && sign !== '-') return 0;
  const seconds =
    digits(text, text.length - 5, text.length - 3) * 3600 + digits(text, text.length - 2, text.length) * 60;
  return sign === '+' ? seconds : -seconds;
}

function microseconds(text: string): number {
  if (text.charAt(19) !== '.') return 0;
  let value = 0;
  let at = 20;
  for (let place = 0; place < 6; place++) value = value * 10 + (isDigit(text, at) ? digits(text, at, ++at) : 0);
  return value;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function isDigit(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0x30 && unit <= 0x39;
}

/** The number that the ASCII digits [from, to) spell. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + text.charCodeAt(i) - 0x30;
  return value;
}
