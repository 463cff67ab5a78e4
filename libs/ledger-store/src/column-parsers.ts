/**
 * How columns become JavaScript values in this library's pools. Given to each pool as its own set: the driver's global
 * parsers stay as they are for whoever else uses it.
 *
 *   int8         number, refused when beyond 2^53 − 1
 *   int2, int4   number
 *   bytea        Buffer
 *   timestamptz  Timestamp text, `2026-01-31T09:30:00.250Z`; finer than a millisecond is refused
 *
 * The rest is as the driver has it. Sessions run with TimeZone UTC and DateStyle ISO, so that Postgres writes times as
 * `2026-01-31 09:30:00.25+00`.
 */
import { types, type CustomTypesConfig } from 'pg';
import type { Timestamp } from '@everseal/audit-core';
import { UnreadableValue } from './store-error.js';

const INT8 = 20;
const TIMESTAMPTZ = 1184;

/** @throws UnreadableValue store.unsafe-integer */
export function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new UnreadableValue('store.unsafe-integer', `the database holds ${text} where a number below 2^53 belongs`);
  }
  return value;
}

const TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?\+00$/;

/** @throws UnreadableValue store.unexpected-value for infinity, years beyond 9999 or BC, and parts of a millisecond */
export function parseTimestamptz(text: string): Timestamp {
  const match = TIME.exec(text);
  if (!match) {
    throw new UnreadableValue(
      'store.unexpected-value',
      `the database holds the time ${text} where whole milliseconds belong`,
    );
  }
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(3, '0')}Z`;
}

export const columnParsers: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary' && oid === INT8) return parseInt8;
    if (format !== 'binary' && oid === TIMESTAMPTZ) return parseTimestamptz;
    return types.getTypeParser(oid, format ?? 'text');
  },
};
