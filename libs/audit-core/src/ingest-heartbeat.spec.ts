import { describe, expect, it } from '@jest/globals';
import { outcome } from '../vectors/vector-file.js';
import { heartbeatNoteOf, ingestSays, parseIngestHeartbeat } from './ingest-heartbeat.js';
import { LogWriter, ORIGIN } from './log.fixture.js';

const codeOf = (text: string): unknown => outcome(() => parseIngestHeartbeat(Buffer.from(text)));

describe('heartbeat of an ingester', () => {
  it('gives its notes as they came, and ignores what else it says', () => {
    expect(parseIngestHeartbeat(Buffer.from('{"frames":[]}'))).toEqual([]);
    expect(parseIngestHeartbeat(Buffer.from('{"more":1,"frames":["one\\n","two"]}'))).toEqual(['one\n', 'two']);
  });

  it('says which key signs next, and its newest frame, of the ledger that is asked for', () => {
    const log = new LogWriter();
    const notes = [log.frame('a', ['{}']), log.frame('a', ['{}'])].map(({ note }) => note.toString());
    const says = (message: object) => ingestSays(Buffer.from(JSON.stringify(message)), ORIGIN);
    expect(says({ frames: ['no note', ...notes], signs: { [ORIGIN]: 'a key' } })).toEqual({
      signs: 'a key',
      newest: 2,
    });
    expect(says({ frames: notes, signs: {} })).toEqual({ signs: null, newest: 2 });
    expect(says({ frames: [] })).toEqual({ signs: null, newest: 0 });
    expect(outcome(() => says({ frames: [], signs: { [ORIGIN]: 1 } }))).toHaveProperty('code');
    const [note] = notes;
    expect(ingestSays(Buffer.from(JSON.stringify({ frames: [note] })), `${ORIGIN}-r1`).newest).toBe(0);
  });

  it('gives the first note of a ledger, and reads no more than its ledgers need', () => {
    const log = new LogWriter();
    const notes = [log.frame('a', ['{}']), log.frame('b', ['{}'])].map(({ note }) => note.toString());
    const text = JSON.stringify({ frames: ['no note', ...notes] });
    const noteOf = (origin: string, size: number, ledgers: number): unknown =>
      outcome(() =>
        heartbeatNoteOf(Buffer.concat([Buffer.from(text), Buffer.alloc(size, ' ')], size), origin, ledgers),
      );
    const refused = { code: 'heartbeat.size' };
    expect(noteOf(ORIGIN, 4_096, 1)).toEqual(outcome(() => notes[0]));
    expect(noteOf(`${ORIGIN}-r1`, 4_096, 1)).toEqual(outcome(() => null));
    expect([noteOf(ORIGIN, 65_536, 1), noteOf(ORIGIN, 65_537, 1)]).toEqual([outcome(() => notes[0]), refused]);
    expect([noteOf(ORIGIN, 102_400, 100), noteOf(ORIGIN, 102_401, 100)]).toEqual([outcome(() => notes[0]), refused]);
    expect(noteOf(ORIGIN, 1_048_577, 2_000)).toEqual(refused);
  });

  it('is refused in any other form', () => {
    expect(codeOf('')).toEqual({ code: 'heartbeat.json' });
    expect(codeOf('[]')).toEqual({ code: 'heartbeat.json' });
    for (const text of ['{}', '{"frames":null}', '{"frames":[1]}', JSON.stringify({ frames: Array(1_025).fill('') })]) {
      expect(codeOf(text)).toEqual({ code: 'heartbeat.frames' });
    }
    expect(codeOf(`{"frames":[]}${' '.repeat(1_048_576)}`)).toEqual({ code: 'heartbeat.size' });
  });
});
