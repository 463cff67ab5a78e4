import { describe, expect, it } from '@jest/globals';
import { signKeySet } from './key-set.js';
import { MAX_MESSAGE_BYTES } from './limits.js';
import { formatKeysReport, formatKeysRequest, parseKeysReport, parseKeysRequest } from './keys-report.js';
import { genesisKeys, KEYS } from './log.fixture.js';
import { outcome } from '../vectors/vector-file.js';

const NOTE = signKeySet(genesisKeys(), KEYS.log, KEYS.operator);

describe('the key sets that a sealer tells', () => {
  it('come back as they were written, the oldest left out where there is no room', () => {
    const sets = [{ index: 0, note: NOTE }, { index: 9, note: NOTE }]; // prettier-ignore
    expect(parseKeysReport(formatKeysReport(sets))).toEqual(sets);
    const many = Array.from({ length: 5_000 }, (_, index) => ({ index, note: NOTE }));
    const bytes = formatKeysReport(many);
    const read = parseKeysReport(bytes);
    expect(read.at(-1)).toEqual(many.at(-1));
    expect(bytes).toEqual(Buffer.from(JSON.stringify({ sets: read })));
    // One more would not have found room.
    const more = JSON.stringify({ sets: many.slice(-read.length - 1) });
    expect([bytes.length <= MAX_MESSAGE_BYTES, Buffer.byteLength(more) > MAX_MESSAGE_BYTES]).toEqual([true, true]);
  });

  it('are asked for with or without an order', () => {
    expect(parseKeysRequest(formatKeysRequest(null))).toBeNull();
    expect(parseKeysRequest(formatKeysRequest(NOTE))).toBe(NOTE);
    expect(outcome(() => parseKeysRequest(Buffer.from('{"order":1}')))).toEqual({ code: 'keys-request.order' });
    expect(outcome(() => parseKeysRequest(Buffer.from('[]')))).toEqual({ code: 'keys-request.json' });
  });

  it.each([
    ['json', ''],
    ['sets', '{}'],
    ['sets', '{"sets":[]}'],
    ['sets-index', JSON.stringify({ sets: [{ index: -1, note: NOTE }] })],
    ['sets-note', JSON.stringify({ sets: [{ index: 0, note: 'no note' }] })],
  ])('are refused with keys-report.%s', (code, text) => {
    expect(outcome(() => parseKeysReport(Buffer.from(text)))).toEqual({ code: `keys-report.${code}` });
  });
});
