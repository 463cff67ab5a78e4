import { describe, expect, it } from '@jest/globals';
import { blockEvents, blockFrames } from './block-events.js';
import { encodeBundle, splitBundle } from './entry-bundle.js';
import { encodeEventEntry, eventPrefix } from './event-entry.js';
import { JsonTape } from './json-tape.js';
import { leafHash } from './hash.js';
import { LogWriter, ORIGIN } from './log.fixture.js';

const event = (id: string): string =>
  JSON.stringify({ specversion: '1.0', id, source: '/s', type: 't', data: { actor: { id: 'alice' } } });

describe('the events of a block', () => {
  const log = new LogWriter();
  log.block();
  const frames = [log.frame('a', [event('1'), event('2')]), log.frame('b', [event('3')])];
  const first = log.range.size;
  const body = log.block(...frames);

  it('come with their places, producers, times and bytes', () => {
    const rows = [...blockEvents(body, first, new JsonTape())];
    expect(rows.map((row) => [row.position, row.eventId, row.producer, row.actor])).toEqual([
      [first + 1, '1', 'billing', 'alice'],
      [first + 2, '2', 'billing', 'alice'],
      [first + 4, '3', 'billing', 'alice'],
    ]);
    expect(rows[0]!.event.toString()).toBe(event('1'));
    expect(rows[2]!.accepted).toBe(BigInt(Date.parse(frames[1]!.frame.accepted)) * 1000n);
  });

  it('name each their own producer when a frame mixes them', () => {
    const { frame, note } = frames[0]!;
    const entries = ['billing', 'orders', 'orders', 'bill'].map((producer) =>
      encodeEventEntry(eventPrefix(ORIGIN, producer, frame.accepted), Buffer.from(event(producer))),
    );
    // The frame note says two events; only the two after it are looked at, then the next note.
    const mixed = encodeBundle([note, entries[0]!, entries[1]!, note, entries[2]!, entries[3]!]);
    const rows = [...blockEvents(mixed, 0, new JsonTape())];
    expect(rows.map((row) => [row.producer, row.eventId])).toEqual([
      ['billing', 'billing'],
      ['orders', 'orders'],
      ['orders', 'orders'],
      ['bill', 'bill'],
    ]);
  });

  it('stand after their frames', () => {
    const found = [...blockFrames(body, first)];
    expect(found.map(({ frame, position }) => [frame.ingester, frame.number, position])).toEqual([
      ['a', 1, first],
      ['b', 1, first + 3],
    ]);
    const offsets = splitBundle(body);
    expect(found[0]!.hash.equals(leafHash(body.subarray(offsets.start(0), offsets.end(0))))).toBe(true);
  });
});
