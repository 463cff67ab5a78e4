import { describe, expect, it } from '@jest/globals';
import { array, assert, integer, property, uint8Array } from 'fast-check';
import { readEntry, type EventEntryInput } from '../vectors/make/event-entry.js';
import { bytesOf, expected, outcome, readVectors } from '../vectors/vector-file.js';
import { encodeEventEntry, eventEntryTest, eventPrefix, parseEventEntry } from './event-entry.js';

const ORIGIN = 'audit.example.com/main';
const TIME = '2026-01-31T09:00:01.000Z';
const { cases } = readVectors<EventEntryInput>('event-entry');
const entryOf = (event: Uint8Array): Buffer => encodeEventEntry(eventPrefix(ORIGIN, 'billing', TIME), event);

describe('event entry', () => {
  it.each(cases)('vector: $name', (vector) => {
    expect(outcome(() => readEntry(vector.entry))).toEqual(expected(vector));
  });

  it('gives back the bytes of any event, and writes the same entry of them again', () => {
    assert(
      property(uint8Array({ minLength: 1, maxLength: 300 }), (event) => {
        const entry = entryOf(event);
        const read = parseEventEntry(entry);
        if (!('event' in read)) throw new Error('a digest');
        const bytes = entry.subarray(read.event.start, read.event.end);
        expect(bytes.equals(event)).toBe(true);
        expect(encodeEventEntry(eventPrefix(read.origin, read.producer, read.accepted), bytes).equals(entry)).toBe(
          true,
        );
      }),
    );
  });

  it('names the producer of the envelope; control: read as JSON an event can name another', () => {
    const entry = entryOf(Buffer.from('{},"producer":"orders"'));
    expect(parseEventEntry(entry).producer).toBe('billing');
    expect((JSON.parse(entry.toString()) as { producer: string }).producer).toBe('orders');
  });

  it('refuses to write what no reader takes', () => {
    expect(outcome(() => entryOf(Buffer.alloc(0)))).toEqual({ code: 'event-entry.event-size' });
    expect(outcome(() => entryOf(Buffer.alloc(61_441)))).toEqual({ code: 'event-entry.event-size' });
    expect(outcome(() => eventPrefix('audit', 'billing', TIME))).toEqual({ code: 'event-entry.origin' });
    expect(outcome(() => eventPrefix(ORIGIN, 'Billing', TIME))).toEqual({ code: 'event-entry.producer' });
    expect(outcome(() => eventPrefix(ORIGIN, 'billing', 'now'))).toEqual({ code: 'event-entry.accepted' });
  });
});

describe('the test for the entries of one frame', () => {
  const isEvent = eventEntryTest(ORIGIN, TIME);
  const slow = (entry: Buffer): boolean => {
    const read = outcome(() => parseEventEntry(entry));
    if ('code' in read) return false;
    const value = read.value as ReturnType<typeof parseEventEntry>;
    return 'event' in value && value.origin === ORIGIN && value.accepted === TIME;
  };
  const inside = (entry: Buffer): boolean => {
    // In the middle of other bytes that would continue it, as in a message.
    const bytes = Buffer.concat([Buffer.from('}x'), entry, Buffer.from('}}')]);
    return isEvent(bytes, 2, 2 + entry.length);
  };

  it.each(cases)('agrees with the parser: $name', ({ entry }) => {
    expect(inside(bytesOf(entry))).toBe(slow(bytesOf(entry)));
  });

  it('agrees with the parser on every flipped bit and every cut of an entry', () => {
    const entry = entryOf(Buffer.from('{"id":"1"}'));
    for (let at = 0; at < entry.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(entry);
        flipped[at]! ^= 1 << bit;
        expect(inside(flipped)).toBe(slow(flipped));
      }
      expect(inside(entry.subarray(0, at))).toBe(slow(entry.subarray(0, at)));
      expect(inside(entry.subarray(at))).toBe(slow(entry.subarray(at)));
    }
  });

  it('agrees with the parser on spliced entries', () => {
    const entry = entryOf(Buffer.from('{"id":"1"}'));
    const cut = integer({ min: 0, max: entry.length });
    assert(
      property(array(cut, { minLength: 2, maxLength: 6 }), (cuts) => {
        const parts = cuts.slice(1).map((to, i) => entry.subarray(Math.min(cuts[i]!, to), Math.max(cuts[i]!, to)));
        const spliced = Buffer.concat(parts);
        expect(inside(spliced)).toBe(slow(spliced));
      }),
    );
  });
});
