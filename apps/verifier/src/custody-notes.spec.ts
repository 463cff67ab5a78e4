import { describe, expect, it } from '@jest/globals';
import { genesisKeys, LogWriter } from '../../../libs/audit-core/src/log.fixture.js';
import { CustodyNotes } from './custody-notes.js';

const KEYS = genesisKeys();

function lane(count: number): string[] {
  const writer = new LogWriter();
  return Array.from({ length: count }, () => writer.frame('a', ['{}']).note.toString());
}

describe('heard notes', () => {
  it('are bounded: the oldest and the newest of a lane are the last to go', () => {
    const notes = new CustodyNotes();
    for (const note of lane(100)) notes.hear(note, 'heartbeat', KEYS, 0);
    const numbers = notes.lane('a').map(({ frame }) => frame.number);
    expect(numbers).toHaveLength(64);
    expect([numbers[0], numbers.at(-1)]).toEqual([1, 100]);
    expect(numbers).toEqual([...Array.from({ length: 63 }, (_, i) => i + 1), 100]);
  });

  it('keep of what is sealed the newest only, and forget nothing that is not', () => {
    const notes = new CustodyNotes();
    const heard = lane(4).map((note) => notes.hear(note, 'stream', KEYS, 0));
    for (const one of [heard[0]!, heard[2]!, heard[3]!]) notes.settle(one);
    expect(notes.lane('a').map(({ frame, sealed }) => [frame.number, sealed])).toEqual([
      [2, false],
      [4, true],
    ]);
    notes.drop(heard[1]!);
    notes.drop(heard[3]!);
    expect(notes.ingesters).toEqual([]);
  });

  it('take a note once, whoever brings it, and remember that it was seen whole', () => {
    const notes = new CustodyNotes();
    const [note] = lane(1);
    const heard = notes.hear(note!, 'heartbeat', KEYS, 5);
    expect(notes.hear(note!, 'claim', KEYS, 9)).toBe(heard);
    expect(heard).toMatchObject({ where: 'heartbeat', heardAt: 5 });
    notes.hear(note!, 'stream', KEYS, 9);
    expect(heard.where).toBe('stream');
  });

  it('are signed by a key in force, each of them', () => {
    const notes = new CustodyNotes();
    const [note] = lane(1);
    const others = { ...KEYS, ingest: KEYS.ingest.filter(({ name }) => !name.endsWith('/a')) };
    for (const refused of [() => notes.hear(note!, 'claim', others, 0), () => notes.hear('{}', 'claim', KEYS, 0)]) {
      expect(refused).toThrow();
    }
    expect(notes.all()).toEqual([]);
  });
});
