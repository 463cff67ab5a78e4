import { describe, expect, it } from '@jest/globals';
import { formatLogMemory, parseLogMemory } from './log-memory.js';
import { LogState } from './log-state.js';
import { LogWriter } from './log.fixture.js';

describe('log memory', () => {
  it('comes back as it was written, open debts included, and can be gone on from', () => {
    const log = new LogWriter();
    log.block();
    log.block(log.frame('a', ['{"n":1}']));
    const lost = [log.frame('a', ['{"n":2}']), log.frame('a', ['{"n":3}'])];
    const after = log.frame('a', ['{"n":4}']);
    log.block(log.gap('a', 2, 3), after);
    log.block(lost[1]!);
    const state = LogState.empty(log.trust);
    for (const body of log.bodies) expect(state.readBlock(body).ok).toBe(true);

    const recalled = LogState.recall(log.trust, parseLogMemory(formatLogMemory(state.memory())));
    expect(recalled.memory()).toEqual(state.memory());
    expect(recalled.debts.ranges('a')).toEqual([[2, 2]]);
    expect(recalled.readBlock(log.block(lost[0]!)).ok).toBe(true);
  });

  it.each(['', '{}', '[]', 'null'])('refuses %s', (text) => {
    expect(() => parseLogMemory(text)).toThrow(expect.objectContaining({ name: 'FormatError' }));
  });
});
