import { describe, expect, it } from '@jest/globals';
import { formatHoldAnswer, formatHoldRequest, parseHoldAnswer, parseHoldRequest } from './hold-message.js';
import { sha256 } from './hash.js';

describe('hold messages', () => {
  it('come back as they were written', () => {
    expect(parseHoldRequest(formatHoldRequest(42))).toBe(42);
    const answer = { size: 7, root: sha256(Buffer.from('x')), checkpoint: 'a\nb\n' };
    expect(parseHoldAnswer(formatHoldAnswer(answer))).toEqual(answer);
  });

  it.each(['', '[]', 'null', '{"size":-1}', '{"size":"1"}', '{"size":1e300}', '{}'])(
    'refuse the request %s',
    (text) => {
      expect(() => parseHoldRequest(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'hold.request' }));
    },
  );

  it.each(['', '{"size":1}', '{"size":1.5,"root":"x"}'])('refuse the answer %s', (text) => {
    expect(() => parseHoldAnswer(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'hold.answer' }));
  });
});
