import { describe, expect, it } from '@jest/globals';
import { outcome } from '../vectors/vector-file.js';
import { parseIngestHeartbeat } from './ingest-heartbeat.js';

const codeOf = (text: string): unknown => outcome(() => parseIngestHeartbeat(Buffer.from(text)));

describe('heartbeat of an ingester', () => {
  it('gives its notes as they came, and ignores what else it says', () => {
    expect(parseIngestHeartbeat(Buffer.from('{"frames":[]}'))).toEqual([]);
    expect(parseIngestHeartbeat(Buffer.from('{"more":1,"frames":["one\\n","two"]}'))).toEqual(['one\n', 'two']);
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
