/** The little of DER (ITU-T X.690) that is read: one value after the other, strictly. Writing is audit-core's. */
import { DER_TAG } from '@everseal/audit-core';
import { ByteReader, Malformed } from './byte-reader.js';

export interface DerValue {
  tag: number;
  content: Buffer;
}

/** Every value in `bytes`, one after the other. @throws Malformed */
export function readDer(bytes: Buffer): DerValue[] {
  const reader = new ByteReader(bytes);
  const values: DerValue[] = [];
  while (reader.left > 0) values.push(readValue(reader));
  return values;
}

/** The values inside the only value of `bytes`, which is a sequence. @throws Malformed */
export function readSequence(bytes: Buffer): DerValue[] {
  const [only, ...more] = readDer(bytes);
  if (only?.tag !== DER_TAG.sequence || more.length > 0) throw new Malformed('not one sequence');
  return readDer(only.content);
}

function readValue(reader: ByteReader): DerValue {
  const tag = reader.number(1);
  if ((tag & 0x1f) === 0x1f) throw new Malformed('a tag of more than one byte');
  const first = reader.number(1);
  if (first < 0x80) return { tag, content: reader.take(first) };
  const size = first & 0x7f;
  if (size !== 1 && size !== 2 && size !== 3) throw new Malformed('a length of no sensible size');
  return { tag, content: reader.take(reader.number(size)) };
}

/** An object identifier in dots. @throws Malformed */
export function readOid({ tag, content }: DerValue): string {
  if (tag !== DER_TAG.objectIdentifier || content.length === 0) throw new Malformed('not an object identifier');
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    if (value > 2 ** 40) throw new Malformed('an object identifier of no sensible size');
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) === 0) {
      parts.push(value);
      value = 0;
    }
  }
  const [head = 0, ...rest] = parts;
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - first * 40, ...rest].join('.');
}

/** Milliseconds since the epoch, of UTCTime or GeneralizedTime in the one form that RFC 5280 §4.1.2.5 allows. @throws Malformed */
export function readTime({ tag, content }: DerValue): number {
  const text = content.toString('latin1');
  const match = (tag === DER_TAG.utcTime ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text);
  if (match === null || (tag !== DER_TAG.utcTime && tag !== DER_TAG.generalizedTime)) throw new Malformed('not a time');
  const [, years = '', rest = ''] = match;
  const year = tag === DER_TAG.utcTime ? (Number(years) < 50 ? 2000 : 1900) + Number(years) : Number(years);
  const [month, day, hour, minute, second] = rest.match(/\d\d/g)!.map(Number);
  const time = Date.UTC(year, month! - 1, day, hour, minute, second);
  if (Number.isNaN(time)) throw new Malformed('not a time');
  return time;
}
