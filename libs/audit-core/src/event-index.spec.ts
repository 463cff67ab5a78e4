import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { indexEvent, type EventIndexRow } from './event-index.js';
import { jsonText, mutated, readSlowly } from './json.fixture.js';
import { JsonTape } from './json-tape.js';
import { parseSubmission } from './submission.js';

type Row = Record<keyof EventIndexRow, string | null>;
type Case = { name: string; producer: string; event?: string; base64?: string; row: Row };
const vectorFile = new URL('../vectors/event-index.json', import.meta.url);
const vectors = JSON.parse(readFileSync(vectorFile, 'utf8')) as { cases: Case[] };

/** A row in the form of the vectors. */
function plain(row: EventIndexRow): Row {
  return { ...row, occurred: row.occurred?.toString() ?? null, identity: row.identity?.toString('hex') ?? null };
}

// ---- the same function once more, slowly, from formats.md and with nothing of ours ----

const PATHS: Record<Exclude<keyof Row, 'identity'>, string> = {
  eventId: 'id',
  source: 'source',
  type: 'type',
  subject: 'subject',
  occurred: 'time',
  actor: 'data.actor.id data.actor.user.uid data.actor.user.name data.userIdentity.arn',
  action: 'data.action data.api.operation data.eventName type',
  target: 'data.target.id data.targets[0].id data.resources[0].uid data.resources[0].ARN subject',
  outcome: 'data.outcome data.status data.errorCode',
};

function slowRow(producer: string, bytes: Uint8Array): Row {
  const slow = readSlowly(bytes);
  const isEvent = slow !== null && !slow.repeatedName && slow.depth <= 32 && isPlainObject(slow.value);
  const first = (column: Exclude<keyof Row, 'identity'>): string | undefined =>
    isEvent
      ? PATHS[column]
          .split(' ')
          .map((p) => follow(slow.value, p))
          .find((v) => typeof v === 'string')
      : undefined;
  const [id, source, time] = [first('eventId'), first('source'), first('occurred')];
  const identity = createHash('sha256');
  for (const text of [producer, source ?? '', id ?? '']) identity.update(lengthPrefixed(text));
  return {
    ...(Object.fromEntries(Object.keys(PATHS).map((c) => [c, slowText(first(c as keyof typeof PATHS))])) as Row),
    occurred: time === undefined ? null : slowMicros(time),
    identity: id === undefined || source === undefined ? null : identity.digest('hex').slice(0, 32),
  };
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function follow(value: unknown, steps: string): string | undefined {
  let at: unknown = value;
  for (const step of steps.match(/[^.[\]]+/g)!) {
    const container = step === '0' ? Array.isArray(at) : isPlainObject(at);
    at = container && Object.hasOwn(at as object, step) ? (at as Record<string, unknown>)[step] : undefined;
  }
  return at as string | undefined;
}

function slowText(text: string | undefined): string | null {
  if (text === undefined) return null;
  const bytes = Buffer.from(text.replaceAll('\0', '\ufffd'));
  let cut = Math.min(bytes.length, 256);
  while (cut < bytes.length && bytes[cut]! >= 0x80 && bytes[cut]! < 0xc0) cut--;
  return bytes.toString('utf8', 0, cut);
}

function slowMicros(text: string): string | null {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/i.exec(text);
  if (parts === null) return null;
  const [, date, hour, minute, second, fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = parts;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return null;
  const midnight = new Date(`${date}T00:00:00.000Z`);
  if (Number.isNaN(midnight.getTime()) || !midnight.toISOString().startsWith(date!)) return null;
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -1 : 1);
  const seconds = Number(hour) * 3600 + (Number(minute) - zone) * 60 + Number(second);
  const utc = new Date(midnight.getTime() + seconds * 1000);
  if (!/^(?!0000)\d{4}-/.test(utc.toISOString())) return null;
  return (BigInt(utc.getTime()) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))).toString();
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Array.from(text).flatMap((character) => {
    const unit = character.charCodeAt(0);
    const isLone = character.length === 1 && unit >= 0xd800 && unit <= 0xdfff;
    return isLone ? [0xed, 0x80 + ((unit >> 6) & 0x3f), 0x80 + (unit & 0x3f)] : [...Buffer.from(character)];
  });
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, Buffer.from(bytes)]);
}

// ---- events that hit the paths ----

const NAMES = [...new Set(Object.values(PATHS).flatMap((paths) => paths.match(/[A-Za-z]+/g) ?? []))];
const LONG_TEXTS = ['a'.repeat(255), 'a'.repeat(300), `${'a'.repeat(255)}€`, 'é'.repeat(200), '😀'.repeat(70)];
const ODD_TEXTS = ['', 'u-1', '\0', 'a\0b', '\ud800', `${'€'.repeat(85)}\ud800`, '\ud83d\ude00\ude00', '\ufffd'];
const TIMES = [
  '2026-11-23T10:15:30.1234567Z',
  '2026-11-23t10:15:30-12:30',
  '2016-12-31T23:59:60Z',
  '0000-12-31T23:59:59-00:01',
  '9999-12-31T23:59:59.9999999Z',
  '9999-12-31T23:59:59-00:01',
  '2026-02-29T00:00:00Z',
  '0004-02-29T00:00:00.5+23:59',
];
const TEXTS = [...LONG_TEXTS, ...ODD_TEXTS, ...TIMES];

/** Objects in which some of the paths lead to something, in any order and spelling. */
const pathEvent = fc
  .tuple(
    fc.uniqueArray(fc.constantFrom(...new Set(Object.values(PATHS).join(' ').split(' '))), { minLength: 1 }),
    fc.array(
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...TEXTS) }, fc.constantFrom(0, null, true, [], {}, ['x'])),
      {
        minLength: 20,
        maxLength: 20,
      },
    ),
    fc.nat(6),
  )
  .map(([paths, values, escaped]) => {
    const event: Record<string, unknown> = {};
    for (const [i, steps] of paths.entries()) put(event, steps.replace('[0]', '.0').split('.'), values[i]);
    const text = JSON.stringify(event);
    // Every few names are spelled with an escape.
    let name = 0;
    const spelled = text.replace(/"([a-zA-Z])(?=[A-Za-z]*":)/g, (all, letter: string) =>
      name++ % 7 < escaped ? all : `"\\u00${letter.charCodeAt(0).toString(16)}`,
    );
    return Buffer.from(spelled);
  });

function put(into: Record<string, unknown>, steps: string[], value: unknown): void {
  const [step, ...rest] = steps;
  if (rest.length === 0) into[step!] = value;
  else if (rest[0] === '0') {
    const list = (into[step!] ??= [{}, { id: 'never' }]) as Record<string, unknown>[];
    put(list[0]!, rest.slice(1), value);
  } else put((into[step!] ??= {}) as Record<string, unknown>, rest, value);
}

describe('indexEvent', () => {
  const tape = new JsonTape();
  const index = (bytes: Uint8Array, producer = 'billing') => plain(indexEvent(tape, producer, bytes, 0, bytes.length));

  it.each(vectors.cases)('vector: $name', ({ producer, event, base64, row }) => {
    const bytes = base64 === undefined ? Buffer.from(event!) : Buffer.from(base64, 'base64');
    expect(index(bytes, producer)).toEqual(row);
    expect(slowRow(producer, bytes)).toEqual(row);
  });

  it('gives the row that the slow reading gives, for any bytes', () => {
    const texts = jsonText(NAMES, TEXTS).map((text) => Buffer.from(text));
    const bytes = fc.oneof(pathEvent, mutated(pathEvent), texts, mutated(texts), fc.uint8Array({ maxLength: 40 }));
    let rows = 0;
    fc.assert(
      fc.property(bytes, fc.constantFrom('billing', 'orders'), (event, producer) => {
        const row = index(event, producer);
        expect(row).toEqual(slowRow(producer, event));
        if (Object.values(row).some((column) => column !== null)) rows++;
      }),
      { numRuns: 2_000 },
    );
    expect(rows).toBeGreaterThan(300);
  });

  it('gives the same row wherever the event lies in a buffer', () => {
    fc.assert(
      fc.property(pathEvent, fc.uint8Array({ maxLength: 5 }), (event, around) => {
        const whole = Buffer.concat([around, event, around]);
        const row = indexEvent(tape, 'billing', whole, around.length, around.length + event.length);
        expect(plain(row)).toEqual(index(event));
      }),
      { numRuns: 200 },
    );
  });

  it('never writes what a text column of 256 bytes cannot take', () => {
    fc.assert(
      fc.property(pathEvent, (event) => {
        const { identity: _identity, occurred: _occurred, ...columns } = index(event);
        for (const column of Object.values(columns)) {
          if (column === null) continue;
          expect(Buffer.byteLength(column)).toBeLessThanOrEqual(256);
          expect(column).not.toContain('\0');
          expect(Buffer.from(column).toString()).toBe(column);
        }
      }),
      { numRuns: 300 },
    );
  });

  const folder = path.resolve(process.cwd(), '../shared/data/cloudtrail');
  (existsSync(folder) ? it : it.skip)('indexes real CloudTrail records as the slow reading does', () => {
    const records = readdirSync(folder, 'utf8')
      .filter((f) => f.endsWith('.json'))
      .flatMap((file) => {
        const { Records } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
          Records: Record<string, string>[];
        };
        return Records;
      });
    expect(records.length).toBeGreaterThan(1_000);
    const filled = { actor: 0, action: 0, target: 0, outcome: 0 };
    const seen = records.map((record) => {
      const { eventID: id, eventSource, eventName, eventTime: time } = record;
      const event = {
        specversion: '1.0',
        id,
        source: `/aws/${eventSource}`,
        type: `aws.${eventName}`,
        time,
        data: record,
      };
      const bytes = Buffer.from(JSON.stringify(event));
      const row = index(bytes);
      for (const column of Object.keys(filled) as (keyof typeof filled)[]) if (row[column] !== null) filled[column]++;
      const accepted = parseSubmission(undefined, bytes).events;
      return {
        row: Object.entries(slowRow('billing', bytes)).every(([column, value]) => row[column as keyof Row] === value),
        occurred: row.occurred === String(Date.parse(time!) * 1000),
        accepted: accepted.length === 1 && accepted[0]!.end === bytes.length && accepted[0]!.id === id,
      };
    });
    expect(seen.filter(({ row, occurred, accepted }) => !row || !occurred || !accepted)).toEqual([]);
    // Real data reaches the paths that were made for it.
    for (const count of Object.values(filled)) expect(count).toBeGreaterThan(0);
  });
});
